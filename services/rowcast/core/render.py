"""Rendering: a pure function from a row to an ordered list of manifests, chosen by the row's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from rowcast.core.errors import RowcastError
from rowcast.core.events import TABLE as APP_CONFIGS_TABLE
from rowcast.core.events import AppConfig, Change
from rowcast.core.row import APP_CONFIGS, RowKey, as_label
from rowcast.core.targets import KINDS

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "rowcast"
TABLE = "rowcast.dev/table"
ROW_ID = "rowcast.dev/row-id"
RENDERER = "rowcast.dev/renderer"
KEY = "rowcast.dev/key"
"""The row's key: in a label as far as that can have it, in an annotation whole."""
GENERATION = "rowcast.dev/generation"
LSN = "rowcast.dev/lsn"
ON_DELETE = "rowcast.dev/on-delete"
RETAIN = "retain"
"""Of an object that is left behind when its row doesn't want it any more."""
UPDATED_BY = "rowcast.dev/updated-by"
TARGET = "rowcast.dev/target"
"""A label on what a target has made that isn't called as its kind is: its name. Several of one kind are told apart."""


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A Kubernetes resource type. Without a `plural`, the API server tells it, and whether it is namespaced."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """The manifest's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def place(self, name: str, namespace: str = "") -> str:
        """Where an object of it is, as no other is: `appconfigs/name`, or by group, kind and namespace."""
        return f"{self.plural}/{name}" if self.plural else f"{self.group}/{self.kind}/{namespace}/{name}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One rendered object, without a namespace: where it goes is the target's matter.

    `ready` is the text of a CEL expression over the live object that says whether it is; empty: by its kind.
    """

    type: ResourceType
    name: str
    body: Mapping[str, Any]
    create: Literal["always", "once"] = "always"
    delete: Literal["delete", "retain"] = "delete"
    conflict: Literal["refuse", "adopt"] = "refuse"
    ignore: tuple[str, ...] = ()
    ready: str = ""

    @property
    def namespace(self) -> str:
        """The one that it names; empty where that is the target's matter, or there is none."""
        return self.body["metadata"].get("namespace") or ""


@dataclass(frozen=True, slots=True)
class Desired:
    """What a target should hold for one row at one generation. Without manifests the row is deleted, unless it is
    `present` and renders to nothing: then what there is of it goes, and it may have something again.

    `refusal`: it can't be rendered, and why: nothing is known of what it should be, so that all of it stays as it is.

    `authoritative`: not news of the row but the row itself, read a moment ago. It wins over what is at its generation,
    and over higher ones up to the generation that it `supersedes`: what the target had before the row was read.
    `transaction` is the id (32 bits) of the one that made the change, where an event tells it; `follows` is the lowest
    generation of the unbroken run of events that ends with it. What has columns `missing` is not to be delivered: only
    the table knows what the row is. `again`: it has been tried before, and nothing waits for the answer.
    `actor_verified`: a login vouches for the actor, as one does for who has approved (`approved_by`). `elsewhere`
    (without manifests): the row is not deleted, but at another place. `change` is what it was rendered from.
    """

    row: RowKey
    generation: int
    lsn: int
    name: str
    environment: str
    actor: str
    manifests: tuple[Manifest, ...]
    saved_at: str | None = None
    authoritative: bool = False
    supersedes: int = 0
    transaction: int | None = None
    again: bool = False
    follows: int = 0
    missing: tuple[str, ...] = ()
    actor_verified: bool = False
    approved_by: str = ""
    elsewhere: bool = False
    present: bool = False
    refusal: RowcastError | None = field(default=None, compare=False)
    change: Change | None = field(default=None, repr=False, compare=False)

    @property
    def deleted(self) -> bool:
        """Whether the row is gone, at least from this place."""
        return not (self.manifests or self.present)

    @property
    def buries(self) -> int:
        """Without manifests: up to which generation states of the row are no news here.

        One that has left may come back as it is, and one that renders to nothing is as it is.
        """
        return self.generation - 1 if self.elsewhere or self.present else self.generation

    def removed(self, **changes: Any) -> Desired:
        """The same row as one that is not to be here, deleted or elsewhere."""
        return replace(self, manifests=(), present=False, refusal=None, missing=(), **changes)


class Renderer(Protocol):
    """Renders the rows of one table."""

    @property
    def types(self) -> tuple[ResourceType, ...]:
        """Every resource type that `render` can return: what an inventory has to list."""
        ...

    def render(self, row: AppConfig, labels: Mapping[str, str], annotations: Mapping[str, str]) -> tuple[Manifest, ...]:
        """Render one row; every manifest must carry the labels and annotations."""
        ...


class AppConfigRenderer:
    """One `AppConfig` custom resource a row, of the row's name."""

    resource = ResourceType("rowcast.dev", "v1alpha1", "appconfigs", "AppConfig")
    types = (resource,)

    def render(self, row: AppConfig, labels: Mapping[str, str], annotations: Mapping[str, str]) -> tuple[Manifest, ...]:
        """Render the row's custom resource."""
        body = {
            "apiVersion": self.resource.api_version,
            "kind": self.resource.kind,
            "metadata": {"name": row.name, "labels": dict(labels), "annotations": dict(annotations)},
            "spec": {
                "id": row.id,
                "name": row.name,
                "repository_url": row.repository_url,
                "branch": row.branch,
                "environment": row.environment,
            },
        }
        return (Manifest(self.resource, row.name, body),)


RENDERERS: Mapping[str, Renderer] = {APP_CONFIGS: AppConfigRenderer()}


def labels_of(row: RowKey) -> dict[str, str]:
    """What makes an object ours, and the row's. Those of `app_configs` have the labels that they have always had."""
    if row.renderer == APP_CONFIGS:
        return {MANAGED_BY: MANAGER, TABLE: APP_CONFIGS_TABLE, ROW_ID: row.key}
    return {MANAGED_BY: MANAGER, RENDERER: row.renderer, KEY: as_label(row.key)}


def render(change: Change, renderers: Mapping[str, Renderer] = RENDERERS) -> Desired:
    """Render a change into what a target should hold for its row from now on."""
    state = change.state
    if not isinstance(state, AppConfig):
        raise TypeError(f"{change.row}: is rendered by its own declaration")
    manifests = () if change.deleted else renderers[change.row.renderer].render(state, *marks_of(change))
    return desired_of(change, name=state.name, environment=state.environment, manifests=manifests)


def marks_of(change: Change) -> tuple[dict[str, str], dict[str, str]]:
    """The labels and the annotations that every object of a row carries."""
    state = change.state
    annotations = {GENERATION: str(state.generation), LSN: str(change.lsn), UPDATED_BY: state.updated_by}
    if change.row.renderer != APP_CONFIGS:
        annotations[KEY] = change.row.key
    return labels_of(change.row), annotations


def of_target(desired: Desired, name: str) -> Desired:
    """The state with objects that say which target's they are; those of one that is called as its kind is say nothing.

    So what was delivered before targets had names stays theirs.
    """
    if name in KINDS or not desired.manifests:
        return desired
    return replace(desired, manifests=tuple(_of_target(one, name) for one in desired.manifests))


def _of_target(manifest: Manifest, name: str) -> Manifest:
    metadata = manifest.body["metadata"]
    labels = {**metadata["labels"], TARGET: name}
    return replace(manifest, body={**manifest.body, "metadata": {**metadata, "labels": labels}})


def desired_of(
    change: Change,
    *,
    name: str,
    environment: str,
    manifests: tuple[Manifest, ...] = (),
    refusal: RowcastError | None = None,
) -> Desired:
    """What a change asks for, once it is known what its row renders to."""
    state = change.state
    return Desired(
        row=change.row,
        generation=state.generation,
        lsn=change.lsn,
        name=name,
        environment=environment,
        actor=state.updated_by,
        manifests=manifests,
        present=not change.deleted and not manifests,
        refusal=refusal,
        saved_at=change.saved_at,
        transaction=change.transaction,
        follows=change.follows,
        missing=change.missing,
        actor_verified=state.updated_by_verified,
        approved_by=state.approved_by,
        change=change,
    )
