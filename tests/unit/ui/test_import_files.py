"""A file becomes rows, or a sentence that says where it can't be read."""

import contextlib
import csv
import io
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bulk.models import Format, ImportLine, ImportReport
from client.errors import FieldError
from imports import files, outcome
from imports.files import UnreadableError
from rowcast.crud.rows.export import written

ROW = {"name": "a", "repository_url": "https://git.example/a.git", "branch": "main", "environment": "prod"}
HEADER = "name,repository_url,branch,environment"
CSV = f"{HEADER}\na,https://git.example/a.git,main,prod\n"
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=8)


REFUSED: list[tuple[Format, str, str]] = [
    ("csv", f"name,{HEADER}\na,{HEADER}\n", "line 1, the column name is there twice"),
    ("csv", f"{HEADER}, Branch \na,b,c,d,e\n", "line 1, the column branch is there twice"),
    ("csv", f"\n\n{HEADER},other,other\n", "line 3, the column other is there twice"),
    ("csv", f"{CSV}b,https://git.example/b.git,main\n", "line 3 there are fewer values"),
    ("csv", f'{CSV}b,"https\n://x",main\n', "line 3 there are fewer values"),
    ("csv", f'"na"me,{HEADER}\n', "not CSV at line 1"),
    ("csv", CSV + "x" * 200_000, "not CSV at line 3: field larger than field limit"),
    ("csv", CSV + "a\0b,c,d,e", "line 3 there is a NUL"),
    ("csv", "", "no row"),
    ("json", '[{"name": "a",\n"name": "b"}]', "line 2, name is there again: it is at line 1"),
    ("json", '[\n{"name": "a", "x": {"y": 1,\n "y": 2}}]', "line 3, y is there again"),
    ("json", "[\n\n7]", r"Entry 1 .* \(line 3\)"),
    ("json", '[\n{"name":\n ["a"]}]', r"entry 1, name is not a text \(line 3\)"),
    ("json", '[\n{"name": "\\ud800"}]', r"entry 1, name has half a character .* \(line 2\)"),
    ("json", '[\n{"name": "a\\u0000"}]', r"NUL in it \(line 2\)"),
    ("json", '[\n{"name": NaN}]', "line 2, NaN is not JSON"),
    ("json", '[\n{"name": -Infinity}]', "line 2, -Infinity is not JSON"),
    ("json", '[{"name": 010}]', "not JSON: line 1, column 12"),
    ("json", "\n" + "[" * 100_000, "nested too deeply at line 2"),
    ("json", '{"a":' * 100_000, "nested too deeply at line 1"),
    ("json", '[{"kind": "AppConfig",\n"spec": "a"}]', r"entry 1, spec is not a mapping \(line 2\)"),
    ("yaml", "- &d {branch: x}\n- <<: *d\n  name: a", "line 2 is a merge key"),
    ("yaml", "- {name: &n a}\n- name: *n", r"line 2 is an alias, \*n"),
    ("yaml", "&r\n- *r", "line 2 is an alias"),
    ("yaml", "a: &a [x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]", "line 2 is an alias"),
    ("yaml", "name: a\nbranch: x\nname: b", "line 3, name is there again: it is at line 1"),
    ("yaml", "name: a\n'name': b", "line 2, name is there again"),
    ("yaml", "name: a\nother: {x: 1, x: 2}", "line 2, x is there again"),
    ("yaml", "name: a\n? [b]\n: c", "line 2 a list or a mapping stands"),
    ("yaml", "name: a\nbranch: !!int '1'", "line 2 is a tag, !!int"),
    ("yaml", "name: !!python/name:os.system x", "line 1 is a tag"),
    ("yaml", "name: a\nbranch:\n- x", r"entry 1, branch is not a text \(line 3\)"),
    ("yaml", "- name: a\n- b", r"Entry 2 .* \(line 2\)"),
    ("yaml", "name:\n " + "[" * 100_000, "nested too deeply at line 2"),
    ("yaml", 'name: "\\ud800"', "line 1"),
    ("yaml", "name: a\nbranch: \x07", "not YAML"),
    ("yaml", "name: a\x00", "line 1 there is a NUL"),
    ("yaml", 'name: "\\UFFFFFFFF"', "not YAML"),
    ("yaml", "x" * (files.MOST_CHARACTERS + 1), "Split it"),
]
KEPT = [
    "1.10",
    "1_000",
    "0x1",
    "010",
    "1e3",
    "12:30:45",
    "2026-11-28",
    "yes",
    "NO",
    "on",
    "true",
    "False",
    ".nan",
    "-0",
]


@pytest.mark.parametrize("word", KEPT)
def test_a_word_that_yaml_takes_for_another_type_stays_the_text_that_it_is(word: str) -> None:
    assert files.read(f"name: {word}", "yaml").rows == ({"name": word},)
    assert files.read(f"{word}: a\nname: b", "yaml").rows == ({"name": "b"},)


@pytest.mark.parametrize(
    "word", ["1.10", "10000000000000000000001", "1e400", "-0", "1E5", "true", "false", "9" * 5_000]
)
def test_a_number_in_json_stays_the_text_that_it_is(word: str) -> None:
    assert files.read(f'[{{"branch": {word}}}]', "json").rows == ({"branch": word},)


@pytest.mark.parametrize("null", ["", "~", "null", "Null", "NULL"])
def test_yamls_null_is_no_text_and_a_quoted_one_is(null: str) -> None:
    assert files.read(f"name: a\nbranch: {null}", "yaml").rows == ({"name": "a"},)
    if null:
        assert files.read(f"name: a\nbranch: '{null}'", "yaml").rows == ({"name": "a", "branch": null},)


def test_a_row_of_several_lines_is_where_it_begins() -> None:
    read = files.read(f'\n{HEADER}\n"a","b\nb",c,d\n\ne,f,g,h\n', "csv")
    assert read.places == ("line 3", "line 6")


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert files.read(f"\ufeff{CSV}", "csv").rows == (ROW,)
    assert files.read(f"\ufeff{json.dumps([ROW])}", files.kind_of("", f"\ufeff{json.dumps([ROW])}"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CSV.encode("utf-16"), "UTF-16, from line 1"),
        (CSV.encode("utf-32"), "UTF-16|UTF-32"),
        (f"{CSV}ü".encode("latin-1"), "at line 3"),
        (b"a\n\xed\xa0\x80", "at line 2"),
    ],
)
def test_what_is_not_utf_8_is_said_with_its_line(content: bytes, said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        files.decoded(content)


def test_utf_16_without_a_mark_is_no_text() -> None:
    with pytest.raises(UnreadableError, match="line 1"):
        files.read(files.decoded(CSV.encode("utf-16-le")), "csv")


PIECES = (
    *"[]{}:,-?!&*#|>'\"%@`~\n\t\r ;=<\\",
    *("<<", ": ", "- ", "---\n", "...", "\ufeff", "\u2028", "\x85", "name", "branch", '"name":', "null", "1.10"),
    *("NaN", "!!int ", "&a ", "*a", "\\ud800", "\0", HEADER),
)
SNIPPETS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@given(st.sampled_from(["csv", "json", "yaml"]), SNIPPETS | st.text(st.characters(codec=None), max_size=60))
def test_any_text_is_rows_or_a_sentence(kind: Format, text: str) -> None:
    with contextlib.suppress(UnreadableError):
        read = files.read(text, kind)
        assert len(read.rows) == len(read.places) > 0
        assert all(value.encode("utf-8") for row in read.rows for value in row.values())


@given(st.binary(max_size=60))
def test_any_bytes_are_a_text_or_a_sentence(content: bytes) -> None:
    with contextlib.suppress(UnreadableError):
        files.read(text := files.decoded(content), files.kind_of("", text))


@given(
    st.sampled_from(["csv", "json", "yaml"]),
    st.lists(st.fixed_dictionaries(dict.fromkeys(ROW, TEXT.filter(str.strip))), min_size=1, max_size=3),
)
def test_what_is_exported_is_imported_as_it_was(kind: Format, rows: list[dict[str, str]]) -> None:
    more = {"id": 7, "generation": 3, "updated_at": "2026-01-01T00:00:00+00:00", "updated_by": "ada"}
    file = b"".join(written(kind, iter([[{**row, **more} for row in rows]])))
    read = files.read(files.decoded(file), kind).rows
    assert list(read) == [{name: value.strip() for name, value in row.items()} for row in rows]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("csv", CSV),
        ("csv", CSV.replace(",", ";")),
        ("csv", CSV.replace(",", "\t").replace("\n", "\r\n")),
        ("csv", f"id,{HEADER},generation\n7,a,https://git.example/a.git,main,prod,3\n\n"),
        ("json", json.dumps([{**ROW, "id": 7}])),
        ("json", json.dumps({"items": [ROW]})),
        ("yaml", yaml.safe_dump([ROW])),
        ("yaml", yaml.safe_dump(ROW)),
        ("yaml", "---\n" + yaml.safe_dump({"kind": "AppConfig", "metadata": {"name": "x"}, "spec": {**ROW, "id": 7}})),
    ],
)
def test_the_same_row_is_read_however_it_is_written(kind: Format, text: str) -> None:
    assert files.read(text, kind).rows == (ROW,)


def test_what_is_empty_is_left_out_so_that_a_known_row_keeps_it() -> None:
    assert files.read("name,repository_url,environment,branch\na,b,c,\n", "csv").rows[0].keys() == ROW.keys() - {
        "branch"
    }
    assert files.read('[{"name": "a", "branch": null}]', "json").rows == ({"name": "a"},)


def test_a_name_that_is_there_twice_is_found_in_a_file_that_goes_in_parts() -> None:
    rows = [{**ROW, "name": f"app-{number}"} for number in range(1_001)]
    with pytest.raises(UnreadableError, match="At entry 1002, the name app-7 is there again: it is at entry 8"):
        files.read(json.dumps([*rows, rows[7]]), "json")


def test_in_yaml_everything_is_text() -> None:
    assert files.read("- {name: on, branch: 1.10, environment: 0x1}", "yaml").rows[0] == {
        "name": "on",
        "branch": "1.10",
        "environment": "0x1",
    }


def test_several_yaml_documents_are_several_rows() -> None:
    assert len(files.read(yaml.safe_dump_all([ROW, ROW]), "yaml").rows) == 2


def test_a_row_is_named_by_its_place_in_the_file() -> None:
    assert files.read(f"{HEADER}\n\na,b,c,d\ne,f,g,h\n", "csv").places == ("line 3", "line 4")
    assert files.read(json.dumps([ROW, ROW]), "json").places == ("entry 1", "entry 2")


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("csv", "name,branch\na,main\n", "repository_url, environment"),
        ("csv", CSV + "a,b,c,d,e\n", "line 3"),
        ("csv", f'{HEADER}\na,"b\n', "line 2"),
        ("csv", f"{HEADER}\n", "no row"),
        ("json", "[{]", "line 1, column 3"),
        ("json", "7", "no list"),
        ("json", "[7]", "Entry 1"),
        ("json", '[{"name": ["a"]}]', "entry 1, name"),
        ("yaml", "a: [", "line 1"),
        ("yaml", "just text", "no list"),
        ("json", json.dumps([{}] * (files.MOST_ROWS + 1)), "Split it"),
        *REFUSED,
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(kind: Format, text: str, said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        files.read(text, kind)


def test_bytes_that_are_no_text_are_said_so() -> None:
    with pytest.raises(UnreadableError, match="byte 1"):
        files.decoded(b"a\xff")
    assert files.decoded(b"\xef\xbb\xbfname") == "name"


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("rows.yml", "", "yaml"),
        ("ROWS.CSV", "", "csv"),
        ("", ' [{"a": 1}]', "json"),
        ("", "- name: a", "yaml"),
        ("", CSV, "csv"),
        ("rows.txt", CSV, "csv"),
    ],
)
def test_how_a_file_is_written_is_told_by_its_ending_or_its_beginning(name: str, text: str, kind: Format) -> None:
    assert files.kind_of(name, text) == kind


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(ROW, TEXT)), min_size=1, max_size=4))
def test_csv_that_a_program_wrote_is_read_as_it_was_meant(rows: list[dict[str, str]]) -> None:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(ROW))
    writer.writeheader()
    writer.writerows(rows)
    meant = [{name: value.strip() for name, value in row.items()} for row in rows if any(row.values())]
    if meant:
        read = files.read(out.getvalue(), "csv").rows
        assert list(read) == [{name: value for name, value in row.items() if value} for row in meant]


CREATE = ImportLine(0, "a", "create", None, {name: (None, value) for name, value in ROW.items()})
CHANGE = ImportLine(1, "b", "change", 7, {"branch": ("main", "next")})
REFUSE = ImportLine(2, "C", "refuse", None, {}, (FieldError("name", "dns-1123-label", "use a-z"),))


def test_the_table_says_of_each_line_what_becomes_of_it_and_why() -> None:
    table = outcome.table((CREATE, CHANGE, REFUSE), ("line 2", "line 3", "line 4"))
    assert table.words == ("create", "change", "refuse")
    assert table.details == ("https://git.example/a.git, main, prod", "branch: main → next", "name: Use a-z.")


def test_the_table_narrows_to_one_kind_and_keeps_the_places() -> None:
    assert outcome.table((CREATE, CHANGE, REFUSE), ("line 2", "line 3", "line 4"), "refuse").places == ("line 4",)


def test_large_imports_go_in_parts_whose_lines_find_their_places() -> None:
    assert [len(part) for part in outcome.chunks(2_500, 1_000)] == [1_000, 1_000, 500]
    assert [line.index for line in outcome.placed((CREATE, CHANGE), (40, 50))] == [40, 50]


def test_the_summary_names_only_what_there_was() -> None:
    assert outcome.summary(ImportReport((CREATE, CHANGE, CHANGE))) == "1 created, 2 changed."
    assert outcome.summary(ImportReport(())) == "Nothing was to be done."
