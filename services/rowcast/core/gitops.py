"""What a GitOps engine says of the commits that it makes real, and what that means for rows. Pure.

Sources: Argo CD's Application (argoproj.io/v1alpha1, `status`), Flux' Kustomization (kustomize.toolkit.fluxcd.io/v1).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from rowcast.core.render import RENDERERS
from rowcast.core.row import RowKey

OURS = frozenset((type_.group, type_.kind) for renderer in RENDERERS.values() for type_ in renderer.types)
OUR_KINDS = frozenset(kind for _group, kind in OURS)
_FLUX_RESOURCE = re.compile(r"(?P<kind>[A-Za-z]+)/(?:[^/\s]+/)?(?P<name>[^/\s]+)\s")
SHOWN = 1_000
"""Rows that one message names at most."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An engine's word. `revision` is the commit that it compares the cluster with, None before the first.

    `lagging` are the names of resources that are not as that commit has them, `errors` what it says of single ones,
    about the commit `attempted` (None where it does not say which). `passing`: it is at work, and will say more.
    """

    revision: str | None
    sync: str
    health: str
    message: str | None = None
    lagging: frozenset[str] = frozenset()
    errors: Mapping[str, str] = field(default_factory=dict)
    passing: bool = False
    attempted: str | None = None


@dataclass(frozen=True, slots=True)
class Behind:
    """Which rows a commit does not have as the branch's tip has them, and whose the names of resources are."""

    rows: frozenset[RowKey]
    by_name: Mapping[str, RowKey]


@runtime_checkable
class Committing(Protocol):
    """The branch that the engine follows, as a target has it."""

    async def behind(self, revision: str, names: Collection[str]) -> Behind | None:
        """What a commit lacks of the tip, and whose resources of these names are. Raises TransientError.

        None for a commit that the branch does not know.
        """
        ...


def of_application(body: Mapping[str, Any] | None) -> Seen:
    """Read an Argo CD Application; None is one that is not there."""
    if body is None:
        return Seen(None, "Unknown", "Missing", "the Application is not there")
    status = _mapping(body.get("status"))
    sync, health = _mapping(status.get("sync")), _mapping(status.get("health"))
    operation = _mapping(status.get("operationState"))
    resources = [one for one in _list(status.get("resources")) if _is_ours(one)]
    lagging = frozenset(str(one.get("name")) for one in resources if one.get("status") != "Synced")
    return Seen(
        revision=_text(sync.get("revision")),
        sync=str(sync.get("status") or "Unknown"),
        health=str(health.get("status") or "Unknown"),
        message=_complaint(status, operation, lagging),
        lagging=lagging,
        errors=dict(_refusals(operation, lagging)),
        attempted=_text(_mapping(operation.get("syncResult")).get("revision")),
    )


def of_kustomization(body: Mapping[str, Any] | None) -> Seen:
    """Read a Flux Kustomization; None is one that is not there."""
    if body is None:
        return Seen(None, "Unknown", "Missing", "the Kustomization is not there")
    status = _mapping(body.get("status"))
    ready = next((one for one in _list(status.get("conditions")) if one.get("type") == "Ready"), {})
    applied, attempted = _commit(status.get("lastAppliedRevision")), _commit(status.get("lastAttemptedRevision"))
    word = ready.get("status")
    message = None if word == "True" else _text(ready.get("message"))
    return Seen(
        revision=applied,
        sync="Synced" if word == "True" else "OutOfSync",
        health={"True": "Healthy", "False": "Degraded"}.get(str(word), "Progressing"),
        message=message,
        # It applies all or nothing: one resource that is refused keeps all that was committed since.
        errors=dict(_refusal(message or "")),
        passing=word not in ("True", "False"),
        attempted=attempted,
    )


def progress(
    application: str, seen: Seen, behind: Behind | None, observed_at: str, *, overtaken: frozenset[RowKey] = frozenset()
) -> dict[str, Any]:
    """The message's `progress`. `behind` None: the commit is not known to our branch, and so all rows wait.

    `overtaken` are rows that the tip has otherwise than the commit that the engine failed with: its no to what they
    were is not one to what they are.
    """
    rows = frozenset[RowKey]() if behind is None else behind.rows
    names = {} if behind is None else behind.by_name
    rows |= {names[name] for name in seen.lagging if name in names}
    said = ((names[name], text) for name, text in seen.errors.items() if name in names)
    errors = {str(row): text for row, text in said if row not in overtaken}
    return {
        "application": application,
        "revision": seen.revision,
        "sync": seen.sync,
        "health": seen.health,
        "message": seen.message,
        "observed_at": observed_at,
        "pending": [str(row) for row in sorted(rows)[:SHOWN]],
        "pending_truncated": behind is None or len(rows) > SHOWN,
        "errors": dict(list(errors.items())[:SHOWN]),
    }


def _complaint(status: Mapping[str, Any], operation: Mapping[str, Any], lagging: Iterable[str]) -> str | None:
    """Conditions tell what keeps it from comparing; a failed operation, why the cluster is not as it should be."""
    conditions = [one for one in _list(status.get("conditions")) if str(one.get("type", "")).endswith("Error")]
    if conditions:
        return "; ".join(str(one.get("message")) for one in conditions)
    failed = operation.get("phase") in ("Failed", "Error") or (operation.get("phase") == "Running" and any(lagging))
    return _text(operation.get("message")) if failed else None


def _refusals(operation: Mapping[str, Any], lagging: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Of resources that are as they should be by now, an operation tells what was."""
    wanted = frozenset(lagging)
    for one in _list(_mapping(operation.get("syncResult")).get("resources")):
        if _is_ours(one) and one.get("status") == "SyncFailed" and one.get("name") in wanted:
            yield str(one["name"]), str(one.get("message"))


def _refusal(message: str) -> Iterable[tuple[str, str]]:
    """Flux begins with the resource that it failed at."""
    found = _FLUX_RESOURCE.match(message)
    if found is not None and found["kind"] in OUR_KINDS:
        yield found["name"], message.strip()


def _commit(revision: object) -> str | None:
    """Flux writes `main@sha1:…`."""
    text = _text(revision)
    return text.rpartition(":")[2] if text else None


def _is_ours(resource: Mapping[str, Any]) -> bool:
    return (resource.get("group"), resource.get("kind")) in OURS


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
