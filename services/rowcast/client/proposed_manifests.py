"""What a proposal would make of its rows' manifests, as the dashboard asks for it: by the previews of the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any
from urllib.parse import quote

import yaml

from rowcast.check.access import Crud, RefusedError
from rowcast.client.tables import Configurations, Row
from rowcast.core.errors import TransientError
from rowcast.core.row import APP_CONFIGS


def manifests(crud: Crud, change: Row, person: str) -> Iterator[str]:
    """Lines for people: what becomes of one row's manifests if a proposal of `person` is approved.

    Of a configuration at each target, which is asked; of another row as crud renders it. Whatever can't be asked now,
    or is refused, is one line: nothing is raised.
    """
    try:
        if change["renderer"] == APP_CONFIGS:
            yield from _of_configuration(crud, change, person)
        else:
            yield from _of_row(crud, change)
    except RefusedError as error:
        yield f"manifests: refused: {_one_line(error)}"
    except TransientError as error:
        yield f"manifests: not known now: {_one_line(error)}"


def _of_configuration(crud: Crud, change: Row, person: str) -> Iterator[str]:
    if change["op"] == "delete":
        for target in crud.send("GET", f"/appconfigs/{change['key']}/live")["targets"]:
            yield from _deleted(target)
        return
    config = {name: after for name, (_, after) in change["fields"].items()}
    row_id = None
    if change["key"] is not None:
        table = Configurations(crud)
        row = crud.send("GET", f"/appconfigs/{change['key']}")
        row_id, config = row["id"], {**table.values_of(row), **config}
    asked = {"id": row_id, "config": config, "updated_by": person}
    for target in crud.send("POST", "/appconfigs:preview", json=asked)["targets"]:
        yield from _previewed(target)


def _previewed(target: Row) -> Iterator[str]:
    if target["unavailable"]:
        yield _not_asked(target)
        return
    if not target["place"]:
        yield f"{target['target']}: does not deliver the environment"
        return
    yield f"{target['target']}: {target['change']} {target['place']}"
    if refusal := target["error"]:
        yield f"{target['target']}: would refuse it: {refusal['reason']}: {_one_line(refusal['message'])}"
    yield from (target["diff"] or "").splitlines()


def _deleted(target: Row) -> Iterator[str]:
    if target["unavailable"]:
        yield _not_asked(target)
    elif target["live"] is None:
        yield f"{target['target']}: has nothing of it"
    else:
        yield f"{target['target']}: delete {target['place']}"
        yield from unified_diff(target["live"].splitlines(), [], target["place"], "/dev/null", lineterm="")


def _not_asked(target: Row) -> str:
    return f"{target['target']}: can't be asked now: {_one_line(target['unavailable'])}"


def _of_row(crud: Crud, change: Row) -> Iterator[str]:
    path, key = f"/renderers/{quote(change['renderer'], safe='')}/preview", change["key"]
    nothing: Row = {"manifests": [], "errors": []}
    its = {} if key is None else {"key": key}
    becomes = {name: after for name, (_, after) in change["fields"].items()}
    before = crud.send("POST", path, json=its) if its else nothing
    after = nothing if change["op"] == "delete" else crud.send("POST", path, json={**its, "row": becomes})
    if after["errors"]:
        for error in after["errors"]:
            yield f"manifests: {error['path']}: {_one_line(error['message'])}"
        return
    lines = list(unified_diff(_text(before), _text(after), "manifests before", "manifests after", lineterm=""))
    yield from lines or ["manifests: stay as they are"]


def _text(preview: Mapping[str, Any]) -> list[str]:
    contents = [each["manifest"] for each in preview["manifests"]]
    return str(yaml.safe_dump_all(contents, sort_keys=False, allow_unicode=True, width=120)).splitlines()


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
