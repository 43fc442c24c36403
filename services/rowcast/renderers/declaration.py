"""Reads a declaration: all that is wrong with it at once, each with its line, its column and what is meant."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from cel_expr_python import cel

from rowcast.core.promotion import Promotion, promotion_of
from rowcast.core.renderer import Allow, Expression, Manifest, Renderer, Template
from rowcast.core.row import APP_CONFIGS
from rowcast.core.shapes import RowShape, TableShape
from rowcast.core.source import Related, Source, TableName
from rowcast.renderers.cel import CelExpression, CompileError, Language
from rowcast.renderers.columns import source_shape
from rowcast.renderers.positions import Document, Path, Problem, ProblemsError, dotted, read
from rowcast.renderers.schemas import Kinds
from rowcast.renderers.templates import TemplateError, compile_template

API_VERSION = "rowcast.dev/v1alpha1"
NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
ID = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNDEFINED = re.compile(r"undefined field '(\w+)'")
_MISSING = object()
LIVE = "self"
"""The live object, in expressions that say whether it is ready."""


def read_renderer(text: str, shape: RowShape | None = None, language: Language | None = None) -> Renderer:
    """The declaration of a text, its expressions compiled, and checked against `shape` if there is one.

    `language` is one of this shape, for several declarations. Raises ProblemsError with everything that is wrong.
    """
    return _Reading(read(text), shape, language=language).renderer()


def read_source(text: str) -> Source:
    """Only what it captures, which is known before the table's columns are. Raises ProblemsError."""
    reading = _Reading(read(text), None)
    source = reading.source()
    if reading.problems:
        raise ProblemsError(sorted(reading.problems))
    return source


def read_environment(text: str, shape: RowShape, language: Language) -> Template | None:
    """Only what gives a row its environment; None where all are in one. Raises ProblemsError."""
    reading = _Reading(read(text), shape, language=language)
    template: Template | None = reading.environment()
    if reading.problems:
        raise ProblemsError(sorted(reading.problems))
    return template


def read_kinds(text: str) -> tuple[str, ...]:
    """Only the kinds that it may make. Raises ProblemsError."""
    reading = _Reading(read(text), None)
    kinds = reading.allow().kinds
    if reading.problems:
        raise ProblemsError(sorted(reading.problems))
    return kinds


def read_promotion(text: str) -> Promotion | None:
    """Only how its rows are promoted; None where it doesn't say. Raises ProblemsError."""
    reading = _Reading(read(text), None)
    promotion = reading.promotion(reading.source())
    if reading.problems:
        raise ProblemsError(sorted(reading.problems))
    return promotion


def check(
    text: str, table: Callable[[TableName], TableShape | None], kinds: Kinds | None = None
) -> tuple[Renderer, RowShape]:
    """The declaration of a text, checked against the tables that it names; `table` gives None for one that isn't there.

    With `kinds`, templates are checked against the fields of their kinds, too. Raises ProblemsError with everything
    that is wrong: with the source's columns unknown, expressions are only parsed.
    """
    document = read(text)
    first = _Reading(document, None)
    source = first.source()
    shape, problems = (None, []) if first.problems else source_shape(document, source, table)
    try:
        renderer = _Reading(document, shape, kinds).renderer()
    except ProblemsError as error:
        raise ProblemsError(sorted({*problems, *error.problems})) from None
    if problems or shape is None:
        raise ProblemsError(sorted(problems))
    return renderer, shape


class _Reading:
    def __init__(
        self,
        document: Document,
        shape: RowShape | None,
        kinds: Kinds | None = None,
        language: Language | None = None,
    ) -> None:
        self._document = document
        self._shape = shape
        self._kinds = kinds
        self._types: dict[Path, str] = {}
        self._language = language or Language(shape)
        self._source = Source("", TableName("", ""), ())
        self._allowed = Allow(())
        self.problems: list[Problem] = []

    # Values, by their paths.

    def _wrong(self, path: Path, message: str, line: int = 0, column: int = 0) -> None:
        self.problems.append(self._document.problem(path, message, line, column))

    def _at(self, path: Path) -> Any:
        value = self._document.content
        for part in path:
            if isinstance(part, str):
                if not isinstance(value, dict) or part not in value:
                    return _MISSING
                value = value[part]
            else:
                value = value[part]
        return value

    def _mapping(self, path: Path, known: Sequence[str] = (), required: bool = True) -> Mapping[str, Any]:
        value = self._at(path)
        if value is _MISSING or value is None:
            if required:
                self._wrong(path, "is missing")
            return {}
        if not isinstance(value, dict):
            self._wrong(path, f"must be a mapping, and is {_kind(value)}")
            return {}
        for name in value:
            if known and name not in known:
                near = difflib.get_close_matches(name, known, 1)
                meant = f"; {near[0]} is meant?" if near else f"; there is {', '.join(known)}"
                self._wrong((*path, name), f"is nothing that a declaration has here{meant}")
        return value

    def _text(self, path: Path, default: str | None = None, pattern: re.Pattern[str] | None = None) -> str:
        value = self._at(path)
        if value is _MISSING and default is not None:
            return default
        if not isinstance(value, str) or not value:
            self._wrong(path, "is missing" if value is _MISSING else f"must be a text, and is {_kind(value)}")
            return ""
        if pattern is not None and not pattern.fullmatch(value):
            self._wrong(path, f"must match {pattern.pattern}")
        return value

    def _choice(self, path: Path, choices: tuple[str, ...]) -> Any:
        value = self._text(path, choices[0])
        if value and value not in choices:
            self._wrong(path, f"must be {' or '.join(choices)}")
        return value

    def _texts(self, path: Path, required: bool = False) -> tuple[str, ...]:
        value = self._at(path)
        if value is _MISSING:
            if required:
                self._wrong(path, "is missing")
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self._wrong(path, "must be a list of texts")
            return ()
        if required and not value:
            self._wrong(path, "is empty")
        return tuple(value)

    def _boolean(self, path: Path) -> bool:
        value = self._at(path)
        if value is _MISSING:
            return False
        if not isinstance(value, bool):
            self._wrong(path, f"must be true or false, and is {_kind(value)}")
        return value is True

    # The parts of a declaration.

    def renderer(self) -> Renderer:
        self._mapping((), ("apiVersion", "kind", "metadata", "spec"))
        if self._text(("apiVersion",)) not in ("", API_VERSION):
            self._wrong(("apiVersion",), f"must be {API_VERSION}")
        if self._text(("kind",)) not in ("", "Renderer"):
            self._wrong(("kind",), "must be Renderer")
        self._mapping(("spec",), ("source", "name", "environment", "allow", "manifests", "promotion", "tests"))
        source = self._source = self.source()
        where = self._expression(("spec", "source", "where"), "BOOL")
        name = self._text_template(("spec", "name"))
        environment = self.environment()
        allow = self._allowed = self.allow()
        manifests = self._manifests()
        promotion = self.promotion(source)
        if self.problems:
            raise ProblemsError(sorted(self.problems))
        return Renderer(source.renderer, source, name, environment, where, allow, manifests, promotion)

    def environment(self) -> Any:
        return self._text_template(("spec", "environment"), required=False)

    def source(self) -> Source:
        self._mapping(("metadata",), ("name",))
        name = self._text(("metadata", "name"), pattern=NAME)
        if name == APP_CONFIGS:
            self._wrong(("metadata", "name"), f"{name} is the built-in renderer's")
        at: Path = ("spec", "source")
        self._mapping(at, ("table", "key", "exclude", "where", "with", "edit"))
        table = self._table((*at, "table"))
        key = self._texts((*at, "key"), required=True)
        exclude = self._texts((*at, "exclude"))
        for column in sorted({*key} & {*exclude}):
            self._wrong((*at, "exclude"), f"{column} is part of the key, which can't be left out")
        related = {alias: self._related((*at, "with", alias)) for alias in self._mapping((*at, "with"), required=False)}
        return Source(name, table, key, frozenset(exclude), related, self._boolean((*at, "edit")))

    def _table(self, path: Path) -> TableName:
        schema, dot, name = self._text(path).rpartition(".")
        if name and dot and not schema:
            self._wrong(path, "must be a table's name, or schema.table")
        return TableName(schema or "public", name)

    def _related(self, path: Path) -> Related:
        alias = str(path[-1])
        if not ALIAS.fullmatch(alias):
            self._wrong(path, f"must be a name that matches {ALIAS.pattern}")
        members = self._mapping(path, ("table", "on", "columns"))
        if "with" in members:
            self._wrong((*path, "with"), "related rows of related rows are not captured: one level only")
        on = self._mapping((*path, "on"))
        if not all(isinstance(value, str) for value in on.values()):
            self._wrong((*path, "on"), "must map columns of the related table to columns of the source")
        return Related(
            self._table((*path, "table")),
            {str(child): str(parent) for child, parent in on.items()},
            self._texts((*path, "columns"), required=True),
        )

    def allow(self) -> Allow:
        at: Path = ("spec", "allow")
        self._mapping(at, ("kinds", "namespaces"))
        return Allow(self._texts((*at, "kinds"), required=True), self._texts((*at, "namespaces")))

    def promotion(self, source: Source) -> Promotion | None:
        at: Path = ("spec", "promotion")
        if self._at(at) is _MISSING:
            return None
        promotion, problems = promotion_of(self._at(at))
        for path, message in problems:
            self._wrong(self._nearest((*at, *path)), message)
        if promotion is None:
            return None
        columns = {"match": promotion.match, "along": (promotion.along,), "fields": promotion.fields}
        for member, names in columns.items():
            for name in names:
                if name in source.exclude:
                    self._wrong((*at, member), f"{name} is in spec.source.exclude")
                elif member == "fields" and name in source.key:
                    self._wrong((*at, member), f"{name} is part of the key, and can't be copied")
                elif self._shape is not None and name not in self._shape.columns:
                    near = difflib.get_close_matches(name, self._shape.columns, 1)
                    meant = f" ({near[0]} is meant?)" if near else ""
                    self._wrong((*at, member), f"{name} is no column of the table{meant}")
        return promotion

    def _nearest(self, path: Path) -> Path:
        """A path, or of one that is missing what it would be in."""
        while self._at(path) is _MISSING:
            path = path[:-1]
        return path

    def _manifests(self) -> list[Manifest]:
        at: Path = ("spec", "manifests")
        value = self._at(at)
        if not isinstance(value, list) or not value:
            self._wrong(at, "must be a list of at least one manifest")
            return []
        manifests = [self._manifest((*at, index)) for index in range(len(value))]
        ids = [manifest.id for manifest in manifests]
        for index, manifest in enumerate(manifests):
            if manifest.id in ids[:index]:
                self._wrong((*at, index, "id"), f"{manifest.id} is there twice")
            for other in manifest.after:
                if other not in ids:
                    self._wrong((*at, index, "after"), f"there is no manifest {other}")
        return self._in_order(manifests)

    def _in_order(self, manifests: Sequence[Manifest]) -> list[Manifest]:
        known = {manifest.id for manifest in manifests}
        ordered: list[Manifest] = []
        rest = list(manifests)
        while rest:
            done = {manifest.id for manifest in ordered}
            free = [manifest for manifest in rest if {*manifest.after} & known <= done]
            if not free:
                circle = ", ".join(manifest.id for manifest in rest)
                self._wrong(("spec", "manifests"), f"each of these waits for another of them: {circle}")
                return [*ordered, *rest]
            ordered.append(free[0])
            rest.remove(free[0])
        return ordered

    def _manifest(self, at: Path) -> Manifest:
        known = ("id", "after", "when", "for", "delete", "conflict", "create", "ignore", "ready", "template")
        self._mapping(at, known)
        each = self._mapping((*at, "for"), required=False)
        variables: dict[str, cel.Type] = {}
        for_each: tuple[str, Expression] | None = None
        if len(each) > 1:
            self._wrong((*at, "for"), "must have one variable")
        elif each:
            [variable] = each
            if variable == "row" or not ALIAS.fullmatch(variable):
                self._wrong((*at, "for"), f"{variable} can't be the name of a variable")
            expression = self._expression((*at, "for", variable), "LIST", required=True)
            if isinstance(expression, CelExpression):
                for_each = (variable, expression)
                variables[variable] = _element(expression)
        template = self._mapping((*at, "template"))
        if self._at((*at, "template")) == {}:
            self._wrong((*at, "template"), "is empty")
        for name in ("apiVersion", "kind"):
            value = template.get(name)
            if template and (not isinstance(value, str) or "${" in value):
                self._wrong((*at, "template", *((name,) if name in template else ())), f"{name} must be a plain text")
        metadata = template.get("metadata")
        if template and (not isinstance(metadata, dict) or "name" not in metadata):
            self._wrong((*at, "template"), "metadata.name is missing")
        self._judge_allowed((*at, "template"), template)
        self._judge_secret((*at, "template"), template)
        compiled = self._template((*at, "template"), variables)
        if self._kinds is not None and template:
            for path, message in self._kinds.problems(template, (*at, "template"), self._types):
                self._wrong(path, message)
        return Manifest(
            self._text((*at, "id"), pattern=ID),
            compiled,
            self._texts((*at, "after")),
            self._expression((*at, "when"), "BOOL", variables),
            for_each,
            self._choice((*at, "delete"), ("delete", "retain")),
            self._choice((*at, "conflict"), ("refuse", "adopt")),
            self._choice((*at, "create"), ("always", "once")),
            self._texts((*at, "ignore")),
            self._ready((*at, "ready")),
        )

    def _ready(self, at: Path) -> str | None:
        """An expression over the live object, as a text: it goes with the object."""
        compiled = self._expression(at, "BOOL", language=Language(None, LIVE))
        return compiled.text if isinstance(compiled, CelExpression) else None

    def _judge_allowed(self, at: Path, template: Mapping[str, Any]) -> None:
        """What can be known before there is a row; the rest is judged when it is rendered."""
        version, kind = template.get("apiVersion"), template.get("kind")
        if isinstance(version, str) and isinstance(kind, str) and "${" not in version + kind:
            group, slash, _ = version.partition("/")
            name = f"{group}/{kind}" if slash else kind
            if self._allowed.kinds and name not in self._allowed.kinds:
                self._wrong((*at, "kind"), f"{name} is not among spec.allow.kinds")
        metadata = template.get("metadata")
        namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
        patterns = self._allowed.namespaces
        plain = isinstance(namespace, str) and "${" not in namespace
        if plain and patterns and not any(fnmatchcase(str(namespace), pattern) for pattern in patterns):
            self._wrong((*at, "metadata", "namespace"), f"{namespace} is not among spec.allow.namespaces")

    def _judge_secret(self, at: Path, template: Mapping[str, Any]) -> None:
        """What is secret must not be in a row: it would stand in the log, in the broker, and in Git."""
        if (template.get("apiVersion"), template.get("kind")) != ("v1", "Secret"):
            return
        for member in ("data", "stringData"):
            for path in _expressions(template.get(member), (*at, member)):
                self._wrong(
                    path,
                    "a Secret's content can't come from a row, whose values stand in the log, the broker and Git: make"
                    " an ExternalSecret, or name a Secret that is made elsewhere (secretKeyRef)",
                )

    # Expressions.

    def _expression(
        self,
        path: Path,
        kind: str,
        variables: Mapping[str, cel.Type] | None = None,
        required: bool = False,
        language: Language | None = None,
    ) -> Any:
        value = self._at(path)
        if value is _MISSING:
            if required:
                self._wrong(path, "is missing")
            return None
        if not isinstance(value, str):
            self._wrong(path, f"must be an expression, and is {_kind(value)}")
            return None
        # `${…}` around a whole expression is what people write, and means the same.
        text = value[2:-1] if value.startswith("${") and value.endswith("}") else value
        compiled = self._compile(text, path, 0, 2 if text is not value else 0, variables or {}, language)
        if isinstance(compiled, CelExpression) and not _fits(compiled.type, kind):
            self._wrong(path, f"must be {kind.lower()}, and is {compiled.type.lower()}")
        return compiled

    def _template(self, path: Path, variables: Mapping[str, cel.Type] | None = None, required: bool = True) -> Any:
        value = self._at(path)
        if value is _MISSING:
            if required:
                self._wrong(path, "is missing")
            return None
        try:
            return compile_template(
                value, lambda text, at, line, column: self._compile(text, at, line, column, variables or {}), path
            )
        except TemplateError as error:
            self._wrong(getattr(error, "path", path), str(error), error.line, error.column)
            return None

    def _text_template(self, path: Path, required: bool = True) -> Any:
        value = self._at(path)
        if value is not _MISSING and (not isinstance(value, str) or (required and not value)):
            self._wrong(path, f"must be a text, and is {_kind(value)}")
            return None
        return self._template(path, required=required)

    def _compile(
        self,
        text: str,
        path: Path,
        line: int,
        column: int,
        variables: Mapping[str, cel.Type],
        language: Language | None = None,
    ) -> Any:
        try:
            compiled = (language or self._language).compile(text, dotted(path), variables)
            self._types[path] = compiled.type
            return compiled
        except CompileError as error:
            self._wrong(
                path,
                f"{error}{self._meant(str(error))} in {text.strip()}",
                line + error.line,
                error.column + (0 if error.line else column),
            )
            return None

    def _meant(self, message: str) -> str:
        found = _UNDEFINED.search(message)
        if found is None or self._shape is None:
            return ""
        if found[1] in self._source.exclude:
            return f" ({found[1]} is in spec.source.exclude)"
        lists = (self._shape.columns, self._shape.related, *self._shape.related.values())
        near = difflib.get_close_matches(found[1], [name for names in lists for name in names], 1)
        return f" ({near[0]} is meant?)" if near else ""


def _expressions(value: Any, path: Path) -> Iterator[Path]:
    """Where expressions stand in a value."""
    if isinstance(value, str) and "${" in value.replace("$${", ""):
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from _expressions(member, (*path, name))


def _element(expression: CelExpression) -> cel.Type:
    name = expression.type
    if not name.startswith("LIST<"):
        return cel.Type.DYN
    inner = name[5:-1]
    return getattr(cel.Type, inner, None) or (cel.Type(inner) if inner.startswith("rowcast.") else cel.Type.DYN)


def _fits(actual: str, wanted: str) -> bool:
    return actual == "DYN" or actual == wanted or actual.startswith(f"{wanted}<")


def _kind(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "an empty text", bool: "true or false", type(None): "empty"}
    return names.get(type(value), "a number")
