"""The form of a row, made of its table's columns: a field for each, by its type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Protocol

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from client.errors import MissingError, RefusedError
from renderers.models import Renderers
from rows import values
from rows.models import Choice, Choices, Column, Rows
from rows.values import ValueRefusedError
from shared import failures, formatting
from shared.formatting import sentence

FIRST_DAY, LAST_DAY = date.min, date.max
JSON_HEIGHT: Final = 140
OLDER: Final = "crud can't list what it may be: it is older than the dashboard."


class Client(Renderers, Rows, Protocol):
    """What a form, its choices and its preview need."""


@dataclass(frozen=True)
class RowForm:
    """What the fields hold, as it is sent; what is no value of its column is in `errors`, under each field a place."""

    values: Mapping[str, Any]
    slots: Mapping[str, DeltaGenerator]
    errors: Mapping[str, str] = field(default_factory=dict)

    def accepted(self) -> bool:
        """Show what is no value of its column, and tell whether that is nothing."""
        self._show(self.errors)
        return not self.errors

    def refuse(self, refusal: RefusedError) -> None:
        """Show crud's refusal: at its fields, and in a line what no field can show."""
        messages: dict[str, str] = {}
        for error in refusal.errors:
            for name in _columns_of(error.field):
                messages.setdefault(name, sentence(error.message or error.rule))
        self._show(messages)
        if not self.slots.keys() & messages.keys():
            st.error(formatting.plain(failures.complaint(refusal, self.slots.keys())))

    def _show(self, messages: Mapping[str, str]) -> None:
        for name, message in messages.items():
            if name in self.slots:
                self.slots[name].markdown(f":small[:red[:material/error: {formatting.plain(message)}]]")


def _columns_of(field: str) -> tuple[str, ...]:
    """Return the columns that a refusal names: a rule may be about several."""
    return tuple(name.removeprefix("body.").removeprefix("values.") for name in field.split(", "))


def fields(
    client: Rows,
    renderer: str,
    key: str,
    columns: Sequence[Column],
    row: Mapping[str, Any] | None,
) -> RowForm:
    """Draw a field for each column, filled from `row`, or for a new one if it is None.

    `key` tells this form's fields from any other's. A column without a value is left out of a new row, so that it has
    its default.
    """
    new = row is None
    found: dict[str, Any] = {}
    slots: dict[str, DeltaGenerator] = {}
    errors: dict[str, str] = {}
    for column in columns:
        if new and column.generated:
            continue
        value = None if row is None else row.get(column.name)
        kind = values.field_of(column, value)
        fixed = column.generated or (column.key and not new)
        must = values.required(column, new=new)
        label = formatting.plain(column.name) + (" :red[*]" if must else "")
        with st.container(gap="xxsmall"):
            name = f"{key}:{column.name}"
            if kind == "reference" and not fixed:
                typed = _reference(client, renderer, name, label, column, value, _nothing(column, new=new))
            else:
                typed = _widget(kind, name, label, column, value, new=new, disabled=fixed)
            slots[column.name] = st.empty()
        slots[column.name].caption(formatting.plain(values.hint(column, new=new)))
        if fixed:
            continue
        try:
            found[column.name] = _kept(value, typed, kind, column, new=new)
        except ValueRefusedError as error:
            errors[column.name] = str(error)
            continue
        if found[column.name] is None and must:
            errors[column.name] = "Fill this in."
        elif new and found[column.name] is None:
            del found[column.name]
    return RowForm(found, slots, errors)


def _kept(value: Any, typed: Any, kind: values.Field, column: Column, *, new: bool) -> Any:
    # What nobody touched is what it was: an empty text is no NULL, and a form of JSON is not the only one.
    untouched = typed == (values.as_document(value) if kind == "json" else values.as_text(value))
    return value if untouched and value is not None else values.parsed(column, kind, typed, new=new)


def _widget(
    kind: values.Field,
    key: str,
    label: str,
    column: Column,
    value: Any,
    *,
    new: bool,
    disabled: bool,
) -> Any:
    """Draw one field, and return what it holds: None where it is empty."""
    text = values.as_text(value)
    nothing = _nothing(column, new=new)
    match kind:
        case "boolean" if not nothing:
            return st.checkbox(label, bool(value), key=key, disabled=disabled)
        case "boolean" | "choice":
            among = ("true", "false") if kind == "boolean" else column.values or ()
            there = () if value is None else (text,)
            options = tuple(dict.fromkeys((*((None,) if nothing else ()), *among, *there)))
            chosen = st.selectbox(
                label,
                options,
                index=options.index(None if value is None else text) if there or nothing else None,
                key=key,
                format_func=lambda option: nothing if option is None else option,
                placeholder="Choose",
                disabled=disabled,
            )
            return chosen if kind != "boolean" or chosen is None else chosen == "true"
        case "integer":
            low, high = values.RANGES[values.base_type(column)]
            # Only a field that began empty can be made empty again.
            st.session_state.setdefault(key, value)
            return st.number_input(
                label, low, high, None, step=1, key=key, placeholder=nothing or None, disabled=disabled
            )
        case "date":
            st.session_state.setdefault(key, values.as_date(value))
            return st.date_input(label, None, FIRST_DAY, LAST_DAY, key=key, format="YYYY-MM-DD", disabled=disabled)
        case "json":
            document = values.as_document(value)
            return st.text_area(label, document, key=key, height=JSON_HEIGHT, placeholder=nothing, disabled=disabled)
        case "text" if "\n" in text:
            # A field of one line would make one line of it.
            return st.text_area(label, text, key=key, placeholder=nothing, disabled=disabled)
        case _:
            return st.text_input(label, text, key=key, placeholder=nothing, autocomplete="off", disabled=disabled)


def _nothing(column: Column, *, new: bool) -> str:
    return "default" if new and column.has_default else "NULL" if column.nullable else ""


def _reference(
    client: Rows, renderer: str, key: str, label: str, column: Column, value: Any, nothing: str
) -> str | None:
    """Draw what a foreign key may be, with a search where that is more than one page; else a field for its text."""
    searched = f"{key}:search"
    search = st.session_state.get(searched) or ""
    found = _found(client, renderer, column, search)
    if found.why:
        typed = st.text_input(label, values.as_text(value), key=f"{key}:text", placeholder=nothing, autocomplete="off")
        st.caption(formatting.plain(sentence(found.why)))
        return typed
    if found.more or search:
        st.text_input(
            f"Search {formatting.plain(column.name)}",
            key=searched,
            live=True,
            placeholder=f"Search what {column.name} may be",
            label_visibility="collapsed",
            autocomplete="off",
        )
    # What is chosen stays, as it was chosen, whatever is searched for afterwards.
    chosen: Choice | None = st.session_state.get(key)
    if key not in st.session_state and value is not None:
        chosen = _labelled(client, renderer, column, values.as_text(value), found)
    others = (each for each in found.items if chosen is None or each.value != chosen.value)
    options = (*((None,) if nothing else ()), *((chosen,) if chosen else ()), *others)
    picked = st.selectbox(
        label,
        options,
        index=options.index(chosen) if chosen or nothing else None,
        key=key,
        format_func=lambda each: nothing if each is None else _shown(each),
        placeholder="Choose",
    )
    if search and not found.items:
        st.caption("Nothing there matches.")
    elif found.more:
        st.caption(f"The first {len(found.items)} of them; search for the others.")
    return None if picked is None else picked.value


def _found(client: Rows, renderer: str, column: Column, search: str) -> Choices:
    try:
        return client.choices(renderer, column.name, search)
    except MissingError:
        return Choices((), why=OLDER)
    except RefusedError as refusal:
        return Choices((), why=str(refusal))


def _labelled(client: Rows, renderer: str, column: Column, text: str, page: Choices) -> Choice:
    """Return a row's value with its label, if it is on the page, or a search for it finds it."""
    items = page.items
    if page.more and all(each.value != text for each in items):
        items = _found(client, renderer, column, text).items
    return next((each for each in items if each.value == text), Choice(text))


def _shown(choice: Choice) -> str:
    return f"{choice.value} · {choice.label}" if choice.label else choice.value
