"""A file becomes rows, or a sentence that says where it can't be read."""

import csv
import io
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import import_files
import importing
from bulk_models import Format, ImportLine, ImportReport
from import_files import UnreadableError
from models import FieldError

ROW = {"name": "a", "repository_url": "https://git.example/a.git", "branch": "main", "environment": "prod"}
HEADER = "name,repository_url,branch,environment"
CSV = f"{HEADER}\na,https://git.example/a.git,main,prod\n"
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=8)


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
    assert import_files.read(text, kind).rows == (ROW,)


def test_what_is_empty_is_left_out_so_that_a_known_row_keeps_it() -> None:
    assert import_files.read("name,repository_url,environment,branch\na,b,c,\n", "csv").rows[0].keys() == ROW.keys() - {
        "branch"
    }
    assert import_files.read('[{"name": "a", "branch": null}]', "json").rows == ({"name": "a"},)


def test_a_name_that_is_there_twice_is_found_in_a_file_that_goes_in_parts() -> None:
    rows = [{**ROW, "name": f"app-{number}"} for number in range(1_001)]
    with pytest.raises(UnreadableError, match="At entry 1002, the name app-7 is there again: it is at entry 8"):
        import_files.read(json.dumps([*rows, rows[7]]), "json")


def test_in_yaml_everything_is_text() -> None:
    assert import_files.read("- {name: on, branch: 1.10, environment: 0x1}", "yaml").rows[0] == {
        "name": "on",
        "branch": "1.10",
        "environment": "0x1",
    }


def test_several_yaml_documents_are_several_rows() -> None:
    assert len(import_files.read(yaml.safe_dump_all([ROW, ROW]), "yaml").rows) == 2


def test_a_row_is_named_by_its_place_in_the_file() -> None:
    assert import_files.read(f"{HEADER}\n\na,b,c,d\ne,f,g,h\n", "csv").places == ("line 3", "line 4")
    assert import_files.read(json.dumps([ROW, ROW]), "json").places == ("entry 1", "entry 2")


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
        ("json", json.dumps([{}] * (import_files.MOST_ROWS + 1)), "Split it"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(kind: Format, text: str, said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        import_files.read(text, kind)


def test_bytes_that_are_no_text_are_said_so() -> None:
    with pytest.raises(UnreadableError, match="byte 1"):
        import_files.decoded(b"a\xff")
    assert import_files.decoded(b"\xef\xbb\xbfname") == "name"


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
    assert import_files.kind_of(name, text) == kind


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(ROW, TEXT)), min_size=1, max_size=4))
def test_csv_that_a_program_wrote_is_read_as_it_was_meant(rows: list[dict[str, str]]) -> None:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(ROW))
    writer.writeheader()
    writer.writerows(rows)
    meant = [{name: value.strip() for name, value in row.items()} for row in rows if any(row.values())]
    if meant:
        read = import_files.read(out.getvalue(), "csv").rows
        assert list(read) == [{name: value for name, value in row.items() if value} for row in meant]


CREATE = ImportLine(0, "a", "create", None, {name: (None, value) for name, value in ROW.items()})
CHANGE = ImportLine(1, "b", "change", 7, {"branch": ("main", "next")})
REFUSE = ImportLine(2, "C", "refuse", None, {}, (FieldError("name", "dns-1123-label", "use a-z"),))


def test_the_table_says_of_each_line_what_becomes_of_it_and_why() -> None:
    table = importing.table((CREATE, CHANGE, REFUSE), ("line 2", "line 3", "line 4"))
    assert table.words == ("create", "change", "refuse")
    assert table.details == ("https://git.example/a.git, main, prod", "branch: main → next", "name: Use a-z.")


def test_the_table_narrows_to_one_kind_and_keeps_the_places() -> None:
    assert importing.table((CREATE, CHANGE, REFUSE), ("line 2", "line 3", "line 4"), "refuse").places == ("line 4",)


def test_large_imports_go_in_parts_whose_lines_find_their_places() -> None:
    assert [len(part) for part in importing.chunks(2_500, 1_000)] == [1_000, 1_000, 500]
    assert [line.index for line in importing.placed((CREATE, CHANGE), (40, 50))] == [40, 50]


def test_the_summary_names_only_what_there_was() -> None:
    assert importing.summary(ImportReport((CREATE, CHANGE, CHANGE))) == "1 created, 2 changed."
    assert importing.summary(ImportReport(())) == "Nothing was to be done."
