"""What others can write into a file: read, or foreign, and never an error."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contract.targets.rows import saved
from rowcast.core.digest import digest_of_manifest
from rowcast.core.plan import Held
from rowcast.core.render import GENERATION, LSN, MANAGED_BY
from rowcast.core.row import app_config
from rowcast.sync.targets.git.files.parsing import ODD, UnreadableError, parse
from rowcast.sync.targets.git.files.reading import read_held, read_unreadable
from rowcast.sync.targets.git.files.yaml import to_yaml

DESIRED = saved(42, 7, "a", lsn=1234)
(MANIFEST,) = DESIRED.manifests
OURS = to_yaml(MANIFEST.body)
HELD = Held("p", app_config(42), 7, 1234, digest_of_manifest(MANIFEST))


def with_spec(lines: str) -> bytes:
    return OURS + "".join(f"  {line}\n" for line in lines.splitlines()).encode()


BOMB = "\n".join(
    ["x0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    + [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 12)]
)


@pytest.mark.parametrize(
    "lines",
    [
        "on: push",
        "on: {push: {branches: [main]}}",
        "yes: 1\nname2: b",
        "null: 1",
        "~: 1",
        "1: one",
        "1.5: one",
        "2024-01-01: one",
        "? [a, b]\n: one",
        "? {a: b}\n: one",
        "!!binary aGk=: one",
        "<<: {branch: other}",
        "<<: [{a: 1}, {b: 2}]",
        "when: 2024-01-01",
        "when: 2024-13-45T99:99:99Z",
        "blob: !!binary aGk=",
        "blob: !!binary '§'",
        "call: !!python/object/apply:os.system [id]",
        "thing: !custom {a: b}",
        "things: !!set {a, b}",
        "pairs: !!omap [a: 1]",
        f"large: {'9' * 5000}",
        f"large: 0x{'f' * 5000}",
        "sixty: 190:20:30",
        "octal: 0o17",
        "number: .nan",
        "number: -.inf",
        "number: 1e400",
        "equals: =",
        "branch: other",
        "branch: release-7",
        "branch: release-7\nbranch: release-7",
        'smile: "\\ud83d"'.replace("ud83d", "U0001F600"),
        "anchor: &a value",
        "list: [[[[[[[[[[x]]]]]]]]]]",
        "text: |\n  on: push\n",
    ],
)
def test_what_a_hand_has_added_to_a_spec_is_drift_of_its_row(lines: str) -> None:
    held = read_held("p", with_spec(lines))
    assert held is not None
    assert (held.row, held.generation, held.lsn) == (HELD.row, 7, 1234)
    assert held.digest != HELD.digest


@pytest.mark.parametrize(
    "content",
    [
        with_spec(BOMB),
        with_spec("loop: &a [*a]"),
        with_spec("loop: &a {b: *a}"),
        with_spec("base: &a {x: y}\nuse:\n  <<: *a"),
        with_spec("key: &k branch2\n*k : other"),
        with_spec("deep: " + "[" * 3000 + "]" * 3000),
        with_spec("deep: " + "{a: " * 3000 + "b" + "}" * 3000),
        with_spec("deep:\n" + "\n".join(" " * n + "a:" for n in range(1, 300))),
        with_spec("? " * 3000 + "a"),
        with_spec("- " * 3000 + "a"),
        with_spec("many: [" + "1," * 30_000 + "]"),
        with_spec("*nowhere : x"),
        with_spec('lone: "\\ud800"'),
        with_spec("tab:\n\t- x"),
        with_spec("a: [") + b"\x00",
        OURS + b"\xff\xfe",
        OURS + "\x85\x1b".encode(),
        OURS + b"%YAML 9.9\n---\n",
        MANAGED_BY.encode() + b": [" * 20_000,
    ],
    ids=lambda content: repr(content[len(OURS) : len(OURS) + 30]),
)
def test_what_cannot_be_read_is_foreign_and_says_why(content: bytes) -> None:
    assert read_held("p", content) is None
    unreadable = read_unreadable(content)
    assert unreadable is not None
    assert len(unreadable.why) < 200


@pytest.mark.parametrize(
    "value", ["²", "9" * 5000, "-1", "1e3", "0x7", "\u0667", "seven", "[7]", "null", "2024-01-01", ""]
)
@pytest.mark.parametrize("annotation", [GENERATION, LSN])
def test_a_number_that_a_hand_has_broken_counts_as_zero(annotation: str, value: str) -> None:
    old = b"7" if annotation == GENERATION else b"1234"
    for quoted in (f'"{value}"', value):
        right, wrong = annotation.encode() + b': "' + old + b'"', f"{annotation}: {quoted}".encode()
        assert right in OURS
        held = read_held("p", OURS.replace(right, wrong))
        if held is not None:
            assert (held.generation if annotation == GENERATION else held.lsn) == 0


@pytest.mark.parametrize(
    "value", ["²", "9" * 5000, str(2**63), "-1", "", "many", "[42]", "{a: b}", "null", "true", "4.2"]
)
def test_a_row_that_no_row_can_be_is_foreign(value: str) -> None:
    for quoted in (f'"{value}"', value):
        assert read_held("p", OURS.replace(b'row-id: "42"', f"row-id: {quoted}".encode())) is None


@pytest.mark.parametrize("value", ["''", "'a b'", "'x/y'", '"\\u0000"', '"a\\nb"', "[a]", "null", "é", "x" * 64])
def test_a_table_that_no_label_can_be_is_foreign(value: str) -> None:
    assert read_held("p", OURS.replace(b"table: app_configs", f"table: {value}".encode())) is None


def test_what_others_add_beside_what_is_ours_is_theirs() -> None:
    beside = OURS.replace(b"  annotations:\n", b"  annotations:\n    seen: 2024-01-01\n    on: push\n")
    assert beside != OURS
    assert read_held("p", beside) == HELD


def test_a_key_that_comes_twice_is_drift_wherever_it_is() -> None:
    """Kubernetes' parsers refuse such a file."""
    twice = read_held("p", OURS + b"kind: AppConfig\n")
    assert twice is not None
    assert twice.row == HELD.row
    assert twice.digest != HELD.digest


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2**63 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5), st.booleans())
def test_what_json_can_say_is_read_as_it_was_written(document: dict[str, Any], flow: bool) -> None:
    (read,) = parse(yaml.safe_dump(document, default_flow_style=flow).encode())
    assert read.content == document


@given(st.text(alphabet="ab:# \n\"'-0x|>&*!%{}[],?~<=.é\x1c\u2028", max_size=80) | st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: str | bytes) -> None:
    raw = content if isinstance(content, bytes) else content.encode()
    for whole in (raw, OURS + raw, OURS.replace(b"branch: release-7", b"branch: " + raw)):
        read_held("p", whole)
        read_unreadable(whole)
        with suppress(UnreadableError):
            parse(whole)


def test_what_is_odd_is_no_text() -> None:
    (read,) = parse(b"a: 2024-01-01\n1: x\nb: 1.5\n")
    assert read.content == {"a": ODD, ODD: None, "b": f"{ODD}1.5"}
