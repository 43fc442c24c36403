"""A declaration: how rows of one table become resources. Pure; expressions are programs behind a port."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

from rowcast.core.errors import RowcastError
from rowcast.core.promotion import Promotion
from rowcast.core.source import Source

Delete = Literal["delete", "retain"]
Conflict = Literal["refuse", "adopt"]
Create = Literal["always", "once"]


class ExpressionError(RowcastError):
    """An expression has no value for a row; the text has the expression's place in the declaration, and why.

    `path` is where it stands, or what of the row it is about; both are empty where nothing of that is known.
    """

    def __init__(self, message: str, path: str = "", expression: str = "") -> None:
        super().__init__(": ".join(part for part in (path, expression, message) if part))
        self.message = message
        self.path = path
        self.expression = expression


class Expression(Protocol):
    """A compiled expression."""

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Its value, as JSON has it (None, bool, int, float, str, list, dict). Raises ExpressionError."""
        ...

    def items(self, variables: Mapping[str, Any]) -> Sequence[Any]:
        """The items of a list, each as another expression's variable takes it. Raises ExpressionError."""
        ...


class Template(Protocol):
    """A value of a manifest, with expressions in it."""

    def render(self, variables: Mapping[str, Any]) -> Any:
        """The value, as JSON has it; None where an expression is NULL. Raises ExpressionError."""
        ...


@dataclass(frozen=True)
class Manifest:
    """One resource of a row, or several where `for_each` names a variable and a list of its values.

    `ready` is the text of an expression over the live object `self`; None: by its kind.
    """

    id: str
    template: Template
    after: tuple[str, ...] = ()
    when: Expression | None = None
    for_each: tuple[str, Expression] | None = None
    delete: Delete = "delete"
    conflict: Conflict = "refuse"
    create: Create = "always"
    ignore: tuple[str, ...] = ()
    ready: str | None = None


@dataclass(frozen=True)
class Allow:
    """What a renderer may make: kinds as `Kind` or `group/Kind`, and patterns of namespaces."""

    kinds: tuple[str, ...]
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Renderer:
    """A declaration whose expressions are compiled; `manifests` are in the order of `after`."""

    name: str
    source: Source
    row_name: Template
    environment: Template | None
    where: Expression | None
    allow: Allow
    manifests: Sequence[Manifest]
    promotion: Promotion | None = None


class ObjectName(NamedTuple):
    """An object within one environment; `kind` is `Kind` or `group/Kind`, `namespace` empty for the target's own."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class RenderedManifest:
    """One resource, as JSON has it, and the id of the manifest that it comes from."""

    id: str
    content: Mapping[str, Any]

    @cached_property
    def object(self) -> ObjectName:
        """Whose content it is."""
        metadata = self.content["metadata"]
        return ObjectName(kind_of(self.content), metadata.get("namespace") or "", metadata["name"])


def kind_of(content: Mapping[str, Any]) -> str:
    """A resource's kind as `Kind` or `group/Kind`."""
    group, slash, _ = str(content["apiVersion"]).partition("/")
    return f"{group}/{content['kind']}" if slash else str(content["kind"])


@dataclass(frozen=True)
class RenderedRow:
    """What a row is to be. Without manifests it is not deleted: its resources go, its fence stays."""

    name: str
    environment: str | None
    manifests: Sequence[RenderedManifest]


Rendering = RenderedRow | ExpressionError
"""What a row is by a declaration, or why it is nothing."""
