"""What a row's state would become at a target, beside what is there now, as people read it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import unified_diff
from typing import Any

from rowcast.core.errors import PermanentError
from rowcast.core.render import LSN, Desired, Manifest


@dataclass(frozen=True, slots=True)
class Shown:
    """What is at a target of a row: its place, the YAML, and what names this version: a resourceVersion, a commit."""

    place: str
    text: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What delivering a state would put at `place`; `live` is what the target has of the row now.

    `error` is why the target would refuse it. In neither text is the place in the log, which only a saved state has.
    `refused` are the manifests that the target refuses, by their places among the state's, each with why; `unasked`
    those that it can't judge yet, since another of them makes their namespace.
    """

    place: str
    manifest: str
    live: Shown | None = None
    error: PermanentError | None = None
    refused: Sequence[tuple[int, PermanentError]] = ()
    unasked: Sequence[int] = ()

    @property
    def change(self) -> str:
        """`create`, `update` or `none`."""
        if self.live is None:
            return "create"
        same = self.live.place == self.place and self.live.text == self.manifest
        return "none" if same else "update"

    @property
    def diff(self) -> str:
        """From live to the manifest, unified; empty where nothing differs."""
        live = self.live or Shown("/dev/null", "")
        lines = (live.text.splitlines(keepends=True), self.manifest.splitlines(keepends=True))
        return "".join(unified_diff(*lines, fromfile=live.place, tofile=self.place))


def unplaced(desired: Desired) -> Desired:
    """The state with manifests that don't say where in the log it was made."""
    return replace(desired, manifests=tuple(_unplaced(manifest) for manifest in desired.manifests))


def without_lsn(metadata: dict[str, Any]) -> dict[str, Any]:
    """An object's metadata without the annotation of its place in the log."""
    annotations = metadata.get("annotations")
    if not isinstance(annotations, dict):
        return metadata
    return {**metadata, "annotations": {name: value for name, value in annotations.items() if name != LSN}}


def _unplaced(manifest: Manifest) -> Manifest:
    return replace(manifest, body={**manifest.body, "metadata": without_lsn(manifest.body["metadata"])})
