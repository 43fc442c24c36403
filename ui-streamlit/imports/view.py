"""The room in which a file of rows is read, looked at line by line, and then imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from bulk.models import MOST, Bulk, ImportLine, ImportReport
from client.errors import RefusedError, UnavailableError
from client.sending import commented
from configurations.models import APP_CONFIGS
from imports import files, outcome, report_view
from shared import clicks, comments, failures, formatting
from shared.failures import answered, one_line, to_list

ROOM: Final = "import"
DONE: Final = "imported"
START: Final = "import_start"
UPLOAD_MEGABYTES: Final = 20
EXAMPLE: Final = """name,repository_url,branch,environment
checkout,https://git.example/shop/checkout.git,main,staging"""


@dataclass(frozen=True)
class Room:
    """Whose rows are imported: what of a file is read, how it is sent, and the way back to the list.

    `renderer` is the name of theirs. `send` is given rows, whether it is a dry run, and whether refused ones are left
    out.
    """

    rows: str
    renderer: str
    formats: str
    explanation: str
    example: str
    expected: files.Expected
    send: Callable[[Sequence[Mapping[str, Any]], bool, bool], tuple[ImportLine, ...]]
    to_list: Callable[[], None]
    again: Callable[[], None]


def wanted() -> bool:
    """Tell whether the address names this room."""
    return ROOM in st.query_params


def open_room(**address: str) -> None:
    """Go there, with nothing in it; `address` says whose rows are imported."""
    _forget()
    st.query_params.clear()
    st.query_params.update({**address, ROOM: "new"})


def _forget() -> None:
    for key in (DONE, "import_preview", "import_read"):
        st.session_state.pop(key, None)


def show(client: Bulk) -> None:
    """Draw the room of configurations."""
    draw(
        Room(
            "Configurations",
            APP_CONFIGS,
            "CSV, YAML or JSON",
            "Rows are matched by their names: a new name is created, a known one changed.",
            EXAMPLE,
            files.CONFIGURATIONS,
            lambda rows, dry_run, partial: client.import_rows(rows, dry_run=dry_run, partial=partial),
            to_list,
            open_room,
        )
    )


def draw(room: Room) -> None:
    """Draw the room."""
    st.button(room.rows, type="tertiary", icon=":material/arrow_back:", on_click=room.to_list, key="back")
    st.title("Import", anchor=False)
    done: tuple[ImportReport, Sequence[str]] | None = st.session_state.get(DONE)
    if done is not None:
        _result(room, *done)
        return
    st.caption(f"{room.explanation} First you see what would happen.")
    text, name = _source(room)
    if not text.strip():
        return
    try:
        found = _read(room, text, name)
    except files.UnreadableError as error:
        st.error(formatting.plain(str(error)), icon=":material/error:")
        return
    with answered("import"):
        report = _preview(room, found.rows)
        report_view.draw(report, found.places)
        _run(room, found.rows, found.places, report)


def _read(room: Room, text: str, name: str) -> files.ReadFile:
    """Return the rows, read once for each content; raise UnreadableError."""
    known: tuple[str, str, files.ReadFile] | None = st.session_state.get("import_read")
    if known and known[:2] == (name, text):
        return known[2]
    rows = files.read(text, files.kind_of(name, text, room.expected.endings), room.expected)
    st.session_state["import_read"] = (name, text, rows)
    return rows


def _source(room: Room) -> tuple[str, str]:
    """Return the text to import and its file's name, both empty while there is none."""
    upload, paste = st.tabs(["Upload a file", "Paste text"])
    with upload:
        file = st.file_uploader(
            room.formats,
            type=list(room.expected.endings),
            key="import_file",
            on_change=_forget,
            max_upload_size=UPLOAD_MEGABYTES,
        )
    with paste:
        pasted = st.text_area(
            f"{room.formats} as text", key="import_text", height=160, placeholder=room.example, on_change=_forget
        )
    if file is None:
        return pasted or "", ""
    try:
        return files.decoded(file.getvalue()), file.name
    except files.UnreadableError as error:
        st.error(formatting.plain(str(error)), icon=":material/error:")
        return "", ""


def _preview(room: Room, rows: tuple[Mapping[str, Any], ...]) -> ImportReport:
    """Return what would happen, asked once for each content."""
    known: tuple[object, ImportReport] | None = st.session_state.get("import_preview")
    if known and known[0] == rows:
        return known[1]
    report = _all(room, rows, range(len(rows)), "Looking at what would happen", dry_run=True)
    st.session_state["import_preview"] = (rows, report)
    return report


def _all(
    room: Room,
    rows: Sequence[Mapping[str, Any]],
    positions: Sequence[int],
    doing: str,
    *,
    dry_run: bool,
    partial: bool = False,
) -> ImportReport:
    """Send the rows at `positions` in parts, and return the lines of all of them."""
    lines: list[ImportLine] = []
    bar = st.progress(0.0, f"{doing} …")
    try:
        for part in outcome.chunks(len(positions), MOST):
            there = positions[part.start : part.stop]
            found = room.send([rows[position] for position in there], dry_run, partial)
            lines += outcome.placed(found, there)
            bar.progress(len(lines) / len(positions), f"{doing}: {len(lines):,} of {len(positions):,}")
    finally:
        bar.empty()
    return ImportReport(tuple(lines))


def _run(room: Room, rows: Sequence[Mapping[str, Any]], places: Sequence[str], report: ImportReport) -> None:
    refused = report.count("refuse")
    count = report.count("create") + report.count("change")
    why = comments.field(room.renderer, "import") if count else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        if refused and count:
            partly = st.checkbox(f"Leave out the {refused:,} that would be refused", key="import_partly")
        else:
            partly = not refused
        ready = bool(count) and partly
        clicks.draw(f"Import {count:,}", key=START, type="primary", disabled=not ready, icon=":material/upload:")
    if not count:
        st.caption("There is nothing to import." if not refused else "Every other row is as it is already.")
    if not clicks.take(START):
        return
    changing = [line.index for line in report.lines if line.action in ("create", "change")]
    try:
        with commented(why):
            done = _all(room, rows, changing, "Importing", dry_run=False, partial=bool(refused))
    except (RefusedError, UnavailableError) as failure:
        # Of a long import a part may be done, or somebody was faster: what would happen is to be looked at again.
        st.session_state.pop("import_preview", None)
        said = failures.complaint(failure) if isinstance(failure, RefusedError) else str(failure)
        one_line(said, "importing", "Look again")
        return
    st.session_state[DONE] = (done, places)
    st.rerun()


def _result(room: Room, done: ImportReport, places: Sequence[str]) -> None:
    st.success(outcome.summary(done), icon=":material/check_circle:")
    if done.count("refuse"):
        report_view.table(done, places, "refuse")
    with st.container(horizontal=True):
        st.button(f"Show all {room.rows.lower()}", type="primary", on_click=room.to_list, key="import_to_list")
        st.button("Import another file", on_click=room.again)
