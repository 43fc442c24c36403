"""What makes commits real in the cluster: Argo CD or Flux, as the platform sees either."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rowcast_local.part import Part

Manifest = dict[str, Any]
Objects = Sequence[tuple[str, Manifest]]
"""Paths of the API and what is to be there, in the order that they need each other."""


@dataclass(frozen=True)
class Engine:
    """`application` is the object that sync-git asks and watches, as `namespace/name`; `objects` may be read only
    when the API server's files are there."""

    title: str
    application: str
    parts: Sequence[Part]
    objects: Callable[[], Objects]
