"""Every type of PostgreSQL's has one form in a captured row and in what it becomes, whoever writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from .conftest import Place
from .test_commands import rowcast

DIGITS = "1234567890123456789012345678901234567890.0123456789"
TYPES = (
    "CREATE TYPE mood AS ENUM ('good', 'bad')",
    "CREATE DOMAIN price AS numeric(20, 2) NOT NULL CHECK (VALUE > 0)",
    "CREATE DOMAIN slug AS text",
    "CREATE TYPE pair AS (a int, b text)",
)
FORMS: dict[str, tuple[str, str, Any]] = {
    "long_number": ("numeric", f"'{DIGITS}'", DIGITS),
    "no_number": ("numeric", "'NaN'", "NaN"),
    "no_end": ("numeric", "'Infinity'", "Infinity"),
    "scaled": ("numeric(10, 4)", "1.5", "1.5000"),
    "big": ("bigint", "9223372036854775807", "9223372036854775807"),
    "safe": ("bigint", "9007199254740991", 9007199254740991),
    "f": ("double precision", "0.1", 0.1),
    "f_nan": ("double precision", "'NaN'", "NaN"),
    "f_inf": ("real", "'-Infinity'", "-Infinity"),
    "ok": ("boolean", "true", True),
    "day": ("date", "'2026-01-02'", "2026-01-02"),
    "never": ("date", "'infinity'", "infinity"),
    "at": ("timestamptz", "'2026-01-02 03:04:05.678+02'", "2026-01-02T01:04:05.678+00:00"),
    "always": ("timestamptz", "'-infinity'", "-infinity"),
    "local": ("timestamp", "'2026-01-02 03:04:05'", "2026-01-02T03:04:05"),
    "clock": ("time", "'03:04:05'", "03:04:05"),
    "span": ("interval", "'1 year 2 days 03:04:05'", "P1Y2DT3H4M5S"),
    "m": ("mood", "'bad'", "bad"),
    "moods": ("mood[]", "'{good,bad}'", ["good", "bad"]),
    "numbers": ("int[]", "'{1,NULL,3}'", [1, None, 3]),
    "long_numbers": ("numeric[]", f"ARRAY[1.50, {DIGITS}]", ["1.50", DIGITS]),
    "bigs": ("bigint[]", "ARRAY[9223372036854775807]", ["9223372036854775807"]),
    "square": ("int[]", "'{{1,2},{3,4}}'", [[1, 2], [3, 4]]),
    "none": ("text[]", "'{}'", []),
    "doc": ("jsonb", """'{"b": [1, null], "a": {"ü": "x"}}'""", {"a": {"ü": "x"}, "b": [1, None]}),
    "old_doc": ("json", """'{"b": 1, "b": 2}'""", {"b": 2}),
    "u": ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "bytes": ("bytea", "'\\x00ff'", "\\x00ff"),
    "ip": ("inet", "'10.1.2.3/8'", "10.1.2.3/8"),
    "net": ("cidr", "'2001:db8::/32'", "2001:db8::/32"),
    "span_of_numbers": ("int4range", "'[1,5]'", "[1,6)"),
    "span_of_time": (
        "tstzrange",
        "'[2026-01-02 00:00+02,)'",
        '["2026-01-01 22:00:00+00",)',
    ),
    "cost": ("price", "19.9", "19.90"),
    "named": ("slug", "'acme'", "acme"),
    "padded": ("char(4)", "'ab'", "ab  "),
    "two": ("pair", "ROW(1, 'x')", {"a": 1, "b": "x"}),
    "nothing": ("text", "NULL", None),
}
STRANGE = (
    "SET datestyle = 'German, DMY'",
    "SET timezone = 'Asia/Kolkata'",
    "SET intervalstyle = 'sql_standard'",
    "SET bytea_output = 'escape'",
    "SET extra_float_digits = -5",
    "SET search_path = ''",
)


def made(place: Place) -> None:
    columns = ", ".join(f"{name} {kind}" for name, (kind, _, _) in FORMS.items())
    generated = "twice int GENERATED ALWAYS AS (id * 2) STORED, number int GENERATED ALWAYS AS IDENTITY"
    place.run(*TYPES, f"CREATE TABLE everything (id int PRIMARY KEY, {generated}, {columns})")


def test_each_type_has_one_form_whatever_the_session_of_who_writes_it(place: Place, tmp_path: Path) -> None:
    made(place)
    file = tmp_path / "everything.yaml"
    assert rowcast(place, "init", "everything", "-o", file).exit_code == 0
    place.run(rowcast(place, "sql", "-f", file).stdout)
    names, values = ", ".join(FORMS), ", ".join(value for _, value, _ in FORMS.values())

    place.run("; ".join([*STRANGE, f"INSERT INTO public.everything (id, {names}) VALUES (7, {values})"]))

    row = place.rows("everything")["7"]
    assert row == {"id": 7, "twice": 14, "number": 1, **{name: form for name, (_, _, form) in FORMS.items()}}
    assert place.ask('SELECT rowcast."everything/compare"()') == [(0,)]
    place.run("; ".join([*STRANGE, "UPDATE public.everything SET ok = ok"]))
    assert place.generations("everything") == {"7": 1}


def test_each_type_comes_out_as_it_was_captured(place: Place, tmp_path: Path) -> None:
    """But for lists with NULL or with lists in them, which are refused by name; and string(…) of numbers is CEL's."""
    made(place)
    others = ("int[]", "double precision", "real")
    text = {name: value for name, (kind, value, _) in FORMS.items() if kind not in others}
    place.run(f"INSERT INTO everything (id, {', '.join(text)}) VALUES (7, {', '.join(text.values())})")
    file = tmp_path / "everything.yaml"
    rowcast(place, "init", "everything", "-o", file)

    rendered = rowcast(place, "render", file, "--key", "7")

    assert rendered.exit_code == 0, rendered.output
    data = yaml.safe_load(rendered.stdout)["data"]
    forms = {name: FORMS[name][2] for name in data if name in FORMS and isinstance(FORMS[name][2], str)}
    assert {name: data[name] for name in forms} == forms
    assert len(forms) > 20


def test_a_key_of_several_columns_has_one_form_of_any_type_and_names_its_row(place: Place, tmp_path: Path) -> None:
    key = ("cost", "never", "m", "long_number", "u", "day")
    columns = ", ".join(f"{name} {FORMS[name][0]}" for name in key)
    made = "doubled text GENERATED ALWAYS AS (slug || slug) STORED"
    place.run(*TYPES, f"CREATE TABLE wide ({columns}, slug text NOT NULL, {made}, PRIMARY KEY ({', '.join(key)}))")
    file = tmp_path / "wide.yaml"
    rowcast(place, "init", "wide", "-o", file)
    place.run(rowcast(place, "sql", "-f", file).stdout)
    values = ", ".join(FORMS[name][1] for name in key)

    place.run("; ".join([*STRANGE, f"INSERT INTO public.wide VALUES ({values}, 'a')"]))

    forms = [str(FORMS[name][2]) for name in key]
    [(found, row)] = place.rows("wide").items()
    assert json.loads(found) == forms
    assert (row["slug"], row["doubled"]) == ("a", "aa")
    rendered = rowcast(place, "render", file, *(part for form in forms for part in ("--key", form)))
    assert rendered.exit_code == 0, rendered.output
    place.run("; ".join([*STRANGE, "DELETE FROM public.wide"]))
    assert place.rows("wide") == {found: None}
