"""A row by a declaration. Pure: the same row and revision give the same manifests for ever."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from rowcast.core.renderer import ExpressionError, Manifest, RenderedManifest, RenderedRow, Renderer
from rowcast.renderers.cel import Language
from rowcast.renderers.limits import refused


def render(renderer: Renderer, language: Language, row: Mapping[str, Any]) -> RenderedRow:
    """What a captured row is to be. Raises ExpressionError: then nothing of the row is known, and all of it stays."""
    variables = {"row": language.row(row)}
    name = renderer.row_name.render(variables)
    if not isinstance(name, str) or not name:
        raise ExpressionError(f"must be a text, and is {name!r}", "spec.name")
    environment = None if renderer.environment is None else renderer.environment.render(variables)
    if renderer.environment is not None and not isinstance(environment, str):
        raise ExpressionError(f"must be a text, and is {environment!r}", "spec.environment")
    if renderer.where is not None and renderer.where.evaluate(variables) is not True:
        return RenderedRow(name, environment, ())
    manifests = [one for manifest in renderer.manifests for one in _manifests(renderer, manifest, variables)]
    _refuse_twins(manifests)
    return RenderedRow(name, environment, manifests)


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
    kind = _kind(content)
    if kind not in renderer.allow.kinds:
        raise ExpressionError(f"{kind} is not among spec.allow.kinds", f"manifest {manifest.id}")
    metadata = content.get("metadata", {})
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        said = f"metadata.name must be a text, and is {metadata.get('name')!r}"
        raise ExpressionError(said, f"manifest {manifest.id}")
    namespace = metadata.get("namespace")
    if namespace is not None and not isinstance(namespace, str):
        raise ExpressionError(f"metadata.namespace must be a text, and is {namespace!r}", f"manifest {manifest.id}")
    patterns = renderer.allow.namespaces
    if namespace is not None and patterns and not any(fnmatchcase(namespace, pattern) for pattern in patterns):
        raise ExpressionError(f"namespace {namespace} is not among spec.allow.namespaces", f"manifest {manifest.id}")
    reason = refused(kind, content)
    if reason is not None:
        raise ExpressionError(f"Kubernetes refuses it: {reason}", f"manifest {manifest.id}")


def _kind(content: Mapping[str, Any]) -> str:
    group, slash, _ = str(content["apiVersion"]).partition("/")
    return f"{group}/{content['kind']}" if slash else str(content["kind"])


def _refuse_twins(manifests: list[RenderedManifest]) -> None:
    seen: dict[tuple[str, ...], str] = {}
    for manifest in manifests:
        metadata = manifest.content["metadata"]
        identity = (_kind(manifest.content), metadata.get("namespace") or "", metadata["name"])
        if identity in seen:
            where = "/".join(part for part in identity[1:] if part)
            raise ExpressionError(f"manifests {seen[identity]} and {manifest.id} are both {identity[0]} {where}")
        seen[identity] = manifest.id
