"""The form of a configuration, and the two dialogs: create, and delete with its name typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from client.errors import FieldError, RefusedError
from client.sending import commented
from configurations import models, rules, view_model
from configurations.models import AppConfig, Configurations, Draft
from preview import view as preview_view
from preview.models import Previews
from shared import clicks, comments, failures, formatting
from shared.failures import answered

EMPTY = Draft(name="", repository_url="", branch="main", environment="")
HINTS: Mapping[str, str] = {
    "name": "checkout",
    "repository_url": "https://git.example/shop/checkout.git",
    "branch": "main",
    "environment": "staging",
    "application": "checkout",
}
# Below each field from the start, so that nothing moves when an error takes its place.
HELP: Mapping[str, str] = {
    "name": "Unique; becomes the resource's name. a-z, 0-9 and -, at most 63.",
    "repository_url": "The application's Git repository, without a password.",
    "branch": "The branch to deploy from.",
    "environment": "Where it is deployed. a-z, 0-9 and -, at most 63.",
    "application": "What all environments of one application share, for promotions; left empty, the name.",
}
DIALOG = "dialog"
# Running the page again does not repeat a change: the person decides on that, by the form's own button.
NOT_DONE = "Close"


class Client(Configurations, Previews, Protocol):
    """What the dialogs need."""


@dataclass(frozen=True)
class Form:
    """What the fields hold, and the place under each where its error goes."""

    draft: Draft
    slots: Mapping[str, DeltaGenerator]

    def refuse(self, refusal: RefusedError) -> None:
        """Show crud's own refusal: at its fields, and in a line if none is to blame."""
        self.show(refusal.errors)
        if not view_model.by_field(refusal.errors):
            st.error(formatting.plain(failures.complaint(refusal)))

    def accepted(self) -> bool:
        """Show what the rules refuse, and tell whether that is nothing."""
        errors = rules.field_errors(self.draft)
        self.show(errors)
        return not errors

    def show(self, errors: Iterable[FieldError]) -> None:
        """Put each error under its field."""
        for field, message in view_model.by_field(errors).items():
            self.slots[field].markdown(f":small[:red[:material/error: {formatting.plain(message)}]]")


def fields(key: str, draft: Draft, *, live: bool = False, disabled: bool = False) -> Form:
    """Draw the fields, filled from `draft`; `key` tells this form's fields from any other's.

    `live` fields are told while the person types, and what the rules refuse in one that was touched is shown at once.
    """
    values: dict[str, str] = {}
    slots: dict[str, DeltaGenerator] = {}
    for field, label in models.FIELDS.items():
        with st.container(gap="xxsmall"):
            value = st.text_input(
                label,
                getattr(draft, field),
                key=f"{key}:{field}",
                placeholder=HINTS[field],
                autocomplete="off",
                live=live,
                disabled=disabled,
            )
            slots[field] = st.empty()
        values[field] = value or ""
        slots[field].caption(HELP[field])
    form = Form(rules.trimmed(Draft(**values)), slots)
    if live:
        touched = {field for field, value in values.items() if value != getattr(draft, field)}
        form.show(error for error in rules.field_errors(form.draft) if error.field in touched)
    return form


def close() -> None:
    """Forget the open dialog: the next run does not show it."""
    st.session_state.pop(DIALOG, None)


@st.dialog("New configuration", width="medium", on_dismiss=close)
def create(client: Client) -> None:
    """Ask for the fields, show what would come of them, create the row and go to it."""
    form = fields("create", EMPTY, live=True)
    why = comments.field(models.APP_CONFIGS, "create")
    with st.container(horizontal=True):
        clicks.draw("Create", type="primary", key="create:save")
        preview_view.draw_button("create")
    if clicks.take(preview_view.clicked("create")):
        preview_view.ask("create", client, None, form.draft, form)
    if clicks.take("create:save") and form.accepted():
        with answered("create", NOT_DONE), commented(why):
            try:
                row = client.create(form.draft)
            except RefusedError as refusal:
                form.refuse(refusal)
            else:
                close()
                st.query_params["id"] = str(row.id)
                st.rerun()
    preview_view.draw("create", form.draft)


@st.dialog("Delete configuration", on_dismiss=close)
def delete(client: Configurations, row: AppConfig) -> None:
    """Ask for the name, delete the row and go back to the list."""
    st.markdown(f"**{row.name}** goes from every target as well. Its history stays.")
    typed = st.text_input("Type the name to confirm", key="delete:name", live=True, autocomplete="off")
    why = comments.field(models.APP_CONFIGS, "delete")
    agreed = clicks.button(
        "Delete it", type="primary", width="stretch", disabled=typed != row.name, key="delete:agreed"
    )
    if not agreed:
        return
    with answered("delete", NOT_DONE), commented(why):
        client.delete(row.id, row.generation)
        close()
        st.query_params.clear()
        st.toast(f"{row.name} is deleted.", icon=":material/delete:")
        st.rerun()
