"""What a proposal would make of its rows' manifests: asked for as the preview of an edit is, and drawn as that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Final, Protocol

import streamlit as st

from client.errors import MissingError, RefusedError
from configurations.models import APP_CONFIGS, Configurations, Draft
from preview import view as preview_view
from preview.models import Live, Preview, Previews, TargetPreview
from proposals.models import Change, Proposal, Proposals
from renderers import manifests_view, texts
from renderers.models import Rendered, Renderers
from shared import formatting
from shared.failures import complaint

MOST: Final = 5
"""Rows whose manifests are shown: each is asked of every target."""
Drawing = Callable[[], object]


class Client(Proposals, Configurations, Previews, Renderers, Protocol):
    """What the room needs."""


def gathered(client: Client, proposal: Proposal) -> Sequence[Drawing]:
    """Return what draws the manifests of the first rows, at most MOST: those that were asked for come first.

    Raises UnavailableError.
    """
    # Of rows that only change with others no fields are known.
    first = [each for each in proposal.changes if each.renderer == proposal.renderer][:MOST]
    return [_asked(client, f"proposal:{place}", change, proposal.asked_by) for place, change in enumerate(first)]


def _asked(client: Client, key: str, change: Change, person: str) -> Drawing:
    try:
        if change.renderer == APP_CONFIGS:
            return partial(preview_view.targets, key, _of_configuration(client, change, person))
        return partial(manifests_view.difference, *_of_row(client, change))
    except MissingError:
        return partial(st.warning, "It is gone meanwhile: this proposal can't be approved any more.")
    except RefusedError as refusal:
        return partial(st.warning, formatting.plain(complaint(refusal)))


def _of_configuration(client: Client, change: Change, person: str) -> Preview:
    if change.op == "delete":
        return Preview(0, tuple(map(_deleted, client.live(int(change.key or 0)))))
    becomes = {name: after or "" for name, (_, after) in change.fields.items()}
    if change.key is None:
        draft = Draft(**{each.name: becomes.get(each.name, "") for each in fields(Draft)})
        return client.preview(None, draft, person)
    row = client.get(int(change.key))
    return client.preview(row.id, replace(row.draft, **becomes), person)


def _deleted(found: Live) -> TargetPreview:
    there = found.text or ""
    return TargetPreview(
        found.target,
        live=found.text,
        diff=texts.difference(there, "", ("live", "deleted")),
        change="delete" if there else "none",
        place=found.place,
        unavailable=found.unavailable,
    )


def _of_row(client: Client, change: Change) -> tuple[Rendered, Rendered]:
    becomes = {name: after for name, (_, after) in change.fields.items()}
    before = Rendered(()) if change.key is None else client.render(change.renderer, change.key)
    after = Rendered(()) if change.op == "delete" else client.render(change.renderer, change.key, values=becomes)
    return before, after
