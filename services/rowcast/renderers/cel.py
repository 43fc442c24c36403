"""Expressions in CEL, checked against the columns of a table. Source of the language: github.com/google/cel-spec.

There is no clock and no randomness: a row and a revision give the same manifests for ever.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_encoders, ext_math, ext_optional, ext_strings
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2, wrappers_pb2
from google.protobuf.message import Message

from rowcast.core.renderer import ExpressionError
from rowcast.core.shapes import Column, RowShape

_FIELD = descriptor_pb2.FieldDescriptorProto
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WHERE = re.compile(r"<input>:(\d+):(\d+): (.*)")
_EXTENSIONS = (ext_strings.ExtStrings, ext_optional.ExtOptional, ext_math.ExtMath, ext_encoders.ExtEncoders)
_SCALARS = {
    "int": (_FIELD.TYPE_INT64, ".google.protobuf.Int64Value"),
    "double": (_FIELD.TYPE_DOUBLE, ".google.protobuf.DoubleValue"),
    "bool": (_FIELD.TYPE_BOOL, ".google.protobuf.BoolValue"),
    "string": (_FIELD.TYPE_STRING, ".google.protobuf.StringValue"),
}
_COLUMN = re.compile(r"\s*row\.([A-Za-z_][A-Za-z0-9_]*)\s*")
"""An expression that is a column, and nothing else."""
_STRING, _NULL, _FAILED = cel.Type.STRING, cel.Type.NULL, (cel.Type.ERROR, cel.Type.UNKNOWN)


class CompileError(Exception):
    """An expression that is none, or can't be of these columns. `line` and `column` count from 0."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class Language:
    """CEL with the variable `row` of a shape; without a shape, its columns are not checked."""

    def __init__(self, shape: RowShape | None, variable: str = "row") -> None:
        """`variable` is another name for it."""
        self._shape = shape
        self._classes: dict[str, type[Message]] = {}
        self._pool = descriptor_pool.DescriptorPool()
        kind = cel.Type.DYN
        if shape is not None:
            self._declare(shape)
            kind = cel.Type("rowcast.Row")
        self._variables = {variable: kind}
        self._environments: dict[tuple[str, ...], _Environment] = {}

    def compile(self, text: str, place: str, others: Mapping[str, cel.Type] | None = None) -> "CelExpression":
        """`place` is how errors call it; `others` are further variables. Raises CompileError."""
        try:
            environment = self._environment(others or {})
            return CelExpression(environment, environment.cel.compile(text), text, place, self._column(text))
        except RuntimeError as error:
            found = _WHERE.search(str(error))
            if found is None:
                raise CompileError(_plain(str(error))) from None
            raise CompileError(_plain(found[3]), int(found[1]) - 1, int(found[2]) - 1) from None

    def row(self, row: Mapping[str, Any]) -> Any:
        """A captured row as expressions see it. Raises ExpressionError for what its shape doesn't have."""
        return row if self._shape is None else self._message("Row", self._shape.columns, row, self._shape.related)

    def _column(self, text: str) -> Column | None:
        """What an expression reads that is a column of a scalar type and nothing else."""
        found = _COLUMN.fullmatch(text)
        column = self._shape.columns.get(found[1]) if found is not None and self._shape is not None else None
        return column if column is not None and column.type in _SCALARS and "row" in self._variables else None

    def _environment(self, others: Mapping[str, cel.Type]) -> "_Environment":
        names = tuple(sorted((name, kind.name()) for name, kind in others.items()))
        key = tuple(f"{name}:{kind}" for name, kind in names)
        if key not in self._environments:
            extensions = [extension() for extension in _EXTENSIONS]
            self._environments[key] = _Environment(
                cel.NewEnv(self._pool, variables={**self._variables, **others}, extensions=extensions)
            )
        return self._environments[key]

    def _declare(self, shape: RowShape) -> None:
        for module in (wrappers_pb2, struct_pb2):
            self._pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        file = descriptor_pb2.FileDescriptorProto(
            name="rowcast/row.proto",
            package="rowcast",
            syntax="proto3",
            dependency=[wrappers_pb2.DESCRIPTOR.name, struct_pb2.DESCRIPTOR.name],
        )
        row = file.message_type.add(name="Row")
        _add_fields(row, shape.columns)
        for name, columns in shape.related.items():
            _add_fields(file.message_type.add(name=f"Related_{name}"), columns)
            row.field.add(
                name=name,
                number=len(row.field) + 1,
                label=_FIELD.LABEL_REPEATED,
                type=_FIELD.TYPE_MESSAGE,
                type_name=f".rowcast.Related_{name}",
            )
        self._pool.Add(file)
        for message in file.message_type:
            found = self._pool.FindMessageTypeByName(f"rowcast.{message.name}")
            self._classes[message.name] = message_factory.GetMessageClass(found)

    def _message(
        self,
        name: str,
        columns: Mapping[str, Column],
        row: Mapping[str, Any],
        related: Mapping[str, Mapping[str, Column]],
    ) -> Message:
        message: Any = self._classes[name]()
        for column in columns.values():
            value = row.get(column.name)
            if value is not None:
                try:
                    _assign(message, column, value)
                except (TypeError, ValueError, OverflowError) as error:
                    raise ExpressionError(f"row.{column.name} is not {column.type}: {error}") from None
        for alias, its in related.items():
            getattr(message, alias).extend(
                self._message(f"Related_{alias}", its, each, {}) for each in row.get(alias) or ()
            )
        return message


class _Environment:
    """What expressions of the same variables share."""

    def __init__(self, environment: cel.Env) -> None:
        self.cel = environment
        self._last: tuple[Mapping[str, Any], cel.Activation] | None = None

    def activation(self, variables: Mapping[str, Any]) -> cel.Activation:
        """Of these variables, which are not changed. A row's expressions come one after the other, and share it.

        Making it costs as much as an expression takes.
        """
        last = self._last
        if last is not None and last[0] is variables:
            return last[1]
        made = self.cel.Activation(data=dict(variables))
        self._last = (variables, made)
        return made


class CelExpression:
    """A compiled expression; `place` is where it stands in the declaration.

    `column` is what it reads of the row if it does nothing else: then there is no need of CEL.
    """

    def __init__(
        self, environment: _Environment, compiled: cel.Expression, text: str, place: str, column: Column | None = None
    ) -> None:
        self._environment = environment
        self._compiled = compiled
        self.column = column
        self.text = text
        self._place = place

    def __eq__(self, other: object) -> bool:
        """Whether it gives the same of the same variables; its errors have another place."""
        return isinstance(other, CelExpression) and self._environment is other._environment and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def type(self) -> str:
        """What it gives, as CEL calls it: `STRING`, `LIST<INT>`, `DYN`, `WRAPPER…`."""
        return str(self._compiled.return_type().name())

    @property
    def result(self) -> cel.Type:
        """The same, for the type of a variable."""
        return self._compiled.return_type()

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """As JSON has it. Raises ExpressionError: a run-time error comes as a value, and is none."""
        column = self.column
        if column is None:
            value = self._value(variables)
            return value.value() if value.type() == _STRING else _as_json(value, self.text, self._place)
        row = variables["row"]
        if not column.nullable:
            return _scalar_as_json(getattr(row, column.name), self.text, self._place)
        if not row.HasField(column.name):
            return None
        return _scalar_as_json(getattr(row, column.name).value, self.text, self._place)

    def items(self, variables: Mapping[str, Any]) -> list[Any]:
        """The items of a list, each as another expression's variable takes it. Raises ExpressionError."""
        value = self._value(variables)
        items = None if value.type() == _NULL else value.value()
        if not isinstance(items, list):
            raise ExpressionError("is no list", self._place, self.text)
        return [item.value() if item.type().is_message() else _as_json(item, self.text, self._place) for item in items]

    def _value(self, variables: Mapping[str, Any]) -> Any:
        try:
            value = self._compiled.eval(activation=self._environment.activation(variables))
        except (RuntimeError, ValueError, TypeError) as error:
            raise ExpressionError(_plain(str(error)), self._place, self.text) from None
        kind = value.type()
        if kind != _STRING and kind in _FAILED:
            raise ExpressionError(_plain(str(value.value())), self._place, self.text)
        return value


def _as_json(value: Any, text: str, place: str) -> Any:
    if value.type() == _NULL:
        # cel-expr-python 0.1.3 hands out None without counting it: before Python 3.12 that ends the process in time.
        return None
    content = value.value()
    if isinstance(content, list):
        return [_as_json(item, text, place) for item in content]
    if isinstance(content, dict):
        if not all(isinstance(key, str) for key in content):
            raise ExpressionError("the keys of a mapping must be strings", place, text)
        # Its mappings have another order in each process.
        return {key: _as_json(item, text, place) for key, item in sorted(content.items())}
    if isinstance(content, Message):
        raise ExpressionError("is a whole row; name the columns that are meant", place, text)
    if isinstance(content, bool | int | float | str):
        return _scalar_as_json(content, text, place)
    raise ExpressionError(f"gives {value.type().name()}, which JSON hasn't; use string(…)", place, text)


def _scalar_as_json(content: bool | int | float | str, text: str, place: str) -> bool | int | float | str:
    if not isinstance(content, float):
        return content
    if not math.isfinite(content):
        raise ExpressionError(f"{content} is no number that JSON has", place, text)
    # JSON has one kind of number, and 80.0 is no port
    return int(content) if content.is_integer() and abs(content) < 2**53 else content


def _add_fields(message: descriptor_pb2.DescriptorProto, columns: Mapping[str, Column]) -> None:
    for column in columns.values():
        if not _NAME.fullmatch(column.name):
            continue  # the catalogue's check says so, and how to go about it
        field = message.field.add(name=column.name, number=len(message.field) + 1, label=_FIELD.LABEL_OPTIONAL)
        if column.type == "json":
            field.type, field.type_name = _FIELD.TYPE_MESSAGE, ".google.protobuf.Value"
        elif column.type.startswith("list"):
            field.type, _ = _SCALARS[column.type[5:-1]]
            field.label = _FIELD.LABEL_REPEATED
        else:
            field.type, wrapper = _SCALARS[column.type]
            if column.nullable:
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, wrapper


def _assign(message: Any, column: Column, value: Any) -> None:
    field = message.DESCRIPTOR.fields_by_name.get(column.name)
    if field is None:
        return
    if column.type == "json":
        _fill_json(getattr(message, column.name), value)
    elif column.type.startswith("list"):
        if any(item is None or isinstance(item, list) for item in value):
            raise ValueError("NULL and lists within a list have no place in CEL")
        getattr(message, column.name).extend(_scalar(column.type[5:-1], item) for item in value)
    elif column.nullable:
        getattr(message, column.name).value = _scalar(column.type, value)
    else:
        setattr(message, column.name, _scalar(column.type, value))


def _scalar(kind: str, value: Any) -> Any:
    # What JSON's numbers would have bent has come as text; "NaN" and "Infinity" too.
    match kind:
        case "int":
            return int(value)
        case "double":
            return float(value)
        case "bool" if isinstance(value, bool):
            return value
        case "string" if isinstance(value, str):
            return value
        case "string" if not isinstance(value, dict | list):
            return str(value)
    raise ValueError(f"it is {type(value).__name__}")


def _fill_json(target: struct_pb2.Value, value: Any) -> None:
    match value:
        case None:
            target.null_value = struct_pb2.NULL_VALUE
        case bool():
            target.bool_value = value
        case int() if abs(value) > 2**53:
            raise ValueError(f"{value} is beyond the numbers that CEL has of JSON; write it as text")
        case int() | float():
            target.number_value = value
        case str():
            target.string_value = value
        case list():
            target.list_value.SetInParent()
            for item in value:
                _fill_json(target.list_value.values.add(), item)
        case dict():
            target.struct_value.SetInParent()
            for key, item in value.items():
                _fill_json(target.struct_value.fields[key], item)
        case _:
            raise ValueError(f"{type(value).__name__} is nothing that JSON has")


def _plain(text: str) -> str:
    """A message without the library's frame around it."""
    first = text.strip().splitlines()[0] if text.strip() else text
    first = re.sub(r"^(INVALID_ARGUMENT|UNKNOWN|NOT_FOUND|INTERNAL|OUT_OF_RANGE): ", "", first)
    return re.sub(r" in struct 'rowcast\.(?:Row|Related_\w+)'", " among the row's columns", first).strip()
