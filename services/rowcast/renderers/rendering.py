"""A row by a declaration. Pure: the same row and revision give the same manifests for ever."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from typing import Any

from rowcast.core.renderer import (
    ExpressionError,
    Manifest,
    ObjectName,
    RenderedManifest,
    RenderedRow,
    Renderer,
    Rendering,
    Template,
    kind_of,
)
from rowcast.renderers.cel import Language
from rowcast.renderers.limits import refused
from rowcast.renderers.templates import share

DEFAULT_ENVIRONMENT = "default"
"""Of rows whose declaration names none."""


def render(renderer: Renderer, language: Language, row: Mapping[str, Any]) -> RenderedRow:
    """What a captured row is to be. Raises ExpressionError: then nothing of the row is known, and all of it stays."""
    return _render(renderer, {"row": language.row(row)}, {}, frozenset())


def rendering(renderer: Renderer, language: Language, row: Mapping[str, Any]) -> Rendering:
    """The same, with the error as a value; a row that is nested too deeply has one, too."""
    return _outcome(lambda: render(renderer, language, row))


def _outcome(rendered: Callable[[], RenderedRow]) -> Rendering:
    try:
        return rendered()
    except ExpressionError as error:
        return error
    except RecursionError:
        return ExpressionError("is nested too deeply", "row")


class Pair:
    """Two declarations of the same language, that render the same rows: what is equal in both is rendered once.

    Each row is by both what it is by each of them alone; where that is equal, it may be the same object.
    """

    def __init__(self, language: Language, one: Renderer, other: Renderer) -> None:
        self._language = language
        of_other = {manifest.id: manifest for manifest in other.manifests}
        self._equal = frozenset(
            manifest.id for manifest in one.manifests if _equal(manifest, of_other.get(manifest.id), one, other)
        )
        shared = {
            manifest.id: share(manifest.template, of_other[manifest.id].template)
            for manifest in one.manifests
            if manifest.id in of_other.keys() - self._equal
        }
        self._both = tuple(
            replace(
                renderer,
                manifests=[
                    replace(manifest, template=shared[manifest.id][side]) if manifest.id in shared else manifest
                    for manifest in renderer.manifests
                ],
            )
            for side, renderer in enumerate((one, other))
        )

    def render(self, row: Mapping[str, Any]) -> tuple[Rendering, Rendering]:
        """A row by the one and by the other."""
        variables: dict[str, Any] = {}
        known: dict[str, list[RenderedManifest]] = {}

        def rendered(renderer: Renderer) -> RenderedRow:
            if not variables:
                variables["row"] = self._language.row(row)
            return _render(renderer, variables, known, self._equal)

        one, other = (_outcome(partial(rendered, renderer)) for renderer in self._both)
        return one, other


def _equal(manifest: Manifest, other: Manifest | None, of: Renderer, of_other: Renderer) -> bool:
    """Whether both are rendered to the same, or to errors."""
    if other is None or of.allow != of_other.allow:
        return False
    mine, its = ((each.template, each.when, each.for_each) for each in (manifest, other))
    return mine == its


def _render(
    renderer: Renderer,
    variables: Mapping[str, Any],
    known: dict[str, list[RenderedManifest]],
    keep: Collection[str],
) -> RenderedRow:
    """`known` are manifests of this row by their ids; those of `keep` are added to them."""
    name = renderer.row_name.render(variables)
    if not isinstance(name, str) or not name:
        raise ExpressionError(f"must be a text, and is {name!r}", "spec.name")
    environment = _environment(renderer.environment, variables)
    if renderer.where is not None and renderer.where.evaluate(variables) is not True:
        return RenderedRow(name, environment, ())
    manifests: list[RenderedManifest] = []
    for manifest in renderer.manifests:
        rendered = known.get(manifest.id)
        if rendered is None:
            rendered = list(_manifests(renderer, manifest, variables))
            if manifest.id in keep:
                known[manifest.id] = rendered
        manifests += rendered
    _refuse_twins(manifests)
    return RenderedRow(name, environment, manifests)


def _environment(template: Template | None, variables: Mapping[str, Any]) -> str | None:
    if template is None:
        return None
    environment = template.render(variables)
    if not isinstance(environment, str):
        raise ExpressionError(f"must be a text, and is {environment!r}", "spec.environment")
    return environment


def environment_by(template: Template | None, language: Language, row: Mapping[str, Any]) -> str:
    """Where a captured row goes, whatever else it becomes; `template` is its declaration's. Raises ExpressionError."""
    try:
        return _environment(template, {"row": language.row(row)}) or DEFAULT_ENVIRONMENT
    except RecursionError:
        raise ExpressionError("is nested too deeply", "row") from None


def _manifests(renderer: Renderer, manifest: Manifest, variables: Mapping[str, Any]) -> Iterator[RenderedManifest]:
    for each in _each(manifest, variables):
        if manifest.when is None or manifest.when.evaluate(each) is True:
            content = manifest.template.render(each)
            _judge(renderer, manifest, content)
            yield RenderedManifest(manifest.id, content)


def _each(manifest: Manifest, variables: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if manifest.for_each is None:
        yield variables
        return
    variable, expression = manifest.for_each
    for item in expression.items(variables):
        yield {**variables, variable: item}


def _judge(renderer: Renderer, manifest: Manifest, content: Mapping[str, Any]) -> None:
    kind = kind_of(content)
    if kind not in renderer.allow.kinds:
        raise ExpressionError(f"{kind} is not among spec.allow.kinds", f"manifest {manifest.id}")
    metadata = content.get("metadata", {})
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        said = f"metadata.name must be a text, and is {metadata.get('name')!r}"
        raise ExpressionError(said, f"manifest {manifest.id}")
    namespace = metadata.get("namespace")
    if namespace is not None and not isinstance(namespace, str):
        raise ExpressionError(f"metadata.namespace must be a text, and is {namespace!r}", f"manifest {manifest.id}")
    if namespace is not None and not _allowed(namespace, renderer.allow.namespaces):
        raise ExpressionError(f"namespace {namespace} is not among spec.allow.namespaces", f"manifest {manifest.id}")
    reason = refused(kind, content)
    if reason is not None:
        raise ExpressionError(f"Kubernetes refuses it: {reason}", f"manifest {manifest.id}")


@lru_cache(1024)
def _allowed(namespace: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(namespace, pattern) for pattern in patterns)


def _refuse_twins(manifests: list[RenderedManifest]) -> None:
    seen: dict[ObjectName, str] = {}
    for manifest in manifests:
        name = manifest.object
        if name in seen:
            raise ExpressionError(f"manifests {seen[name]} and {manifest.id} are both {name}")
        seen[name] = manifest.id
