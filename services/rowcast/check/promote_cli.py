"""`rowcast promote`: which version is where, and copying it to the place after."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from rowcast.check.access import Crud, access
from rowcast.check.wait_cli import CrudUrl
from rowcast.runtime.exits import Exit, UsageError, told
from rowcast.runtime.person import this_user
from rowcast.runtime.text_table import text_table

app = typer.Typer(add_completion=False)
CHANGES = 3
"""The exit code of a dry run that would promote something."""
_SEEN = ("from_key", "from_generation", "to_key", "to_generation")


class Output(StrEnum):
    """How facts are written."""

    TABLE = "table"
    JSON = "json"


@app.command()
def promote(
    renderer: Annotated[str, typer.Argument(help="The renderer; `appconfigs` are configurations.")],
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY]...", help="Rows to promote to; without any, what is where.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Promote all that differ and may be promoted.")] = False,
    into: Annotated[str | None, typer.Option(help="With --all: only to this place.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    search: Annotated[
        str | None, typer.Option(help="Of what is where: only with this text in what they share.")
    ] = None,
    differs: Annotated[bool, typer.Option("--differs", help="Of what is where: only what is not the same.")] = False,
    requests: Annotated[bool, typer.Option("--requests", help="List what waits for an approval.")] = False,
    approve: Annotated[int | None, typer.Option(min=1, metavar="NUMBER", help="Approve a request.")] = None,
    refuse: Annotated[int | None, typer.Option(min=1, metavar="NUMBER", help="Refuse a request.")] = None,
    why: Annotated[str | None, typer.Option(help="With --refuse: the reason.")] = None,
    person: Annotated[str | None, typer.Option("--as", metavar="PERSON", help="Who does it [default: you]")] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="For people, or as JSON.")] = Output.TABLE,
    crud_url: CrudUrl = None,
) -> None:
    """Show which version is where, promote rows from the place before theirs, and approve what others have asked for.

    What is promoted is what this command has seen a moment before; a row that changes in between is refused.
    Exit codes: 0 done (or kept as a request, where somebody else has to approve), 1 something was refused or crud
    doesn't answer, 2 wrong options, 3 a dry run would promote something.
    """
    chosen = sum((bool(keys), all_, requests, approve is not None, refuse is not None))
    if chosen > 1 or (into is not None and not all_) or (dry_run and not (keys or all_)):
        raise typer.BadParameter("name rows, or one of --all, --requests, --approve and --refuse")
    with told(), Crud(access(crud_url, os.environ), person=person or this_user()) as crud:
        number = approve if approve is not None else refuse
        if number is not None:
            found = crud.decide(renderer, number, approve is not None, why)
            _print(output, found, [f"promotion {number} is {found['state']}: {_words(found)}"])
        elif requests:
            waiting = crud.requests(renderer)
            _print(output, waiting, [f"{one['id']}: {_words(one)}, asked by {one['asked_by']}" for one in waiting])
        elif keys or all_:
            code = _promote(crud, renderer, {"keys": keys} if keys else {"all": True, "into": into}, dry_run, output)
            raise typer.Exit(code)
        else:
            _board(crud, renderer, search, differs, output)


def _promote(crud: Crud, renderer: str, wanted: Mapping[str, Any], dry_run: bool, output: Output) -> int:
    items = crud.promote(renderer, {**wanted, "dry_run": True, "previews": 20 if dry_run else 0})["items"]
    if dry_run:
        _print(output, items, [line for item in items for line in _previewed(item)] or ["nothing differs"])
        return CHANGES if any(item["outcome"] == "possible" for item in items) else _code(items)
    possible = [{name: item[name] for name in _SEEN} for item in items if item["outcome"] == "possible"]
    done = crud.promote(renderer, {"items": possible})["items"] if possible else []
    done += [item for item in items if item["outcome"] != "possible"]
    _print(output, done, [_line(item) for item in done] or ["nothing differs"])
    return _code(done)


def _code(items: Sequence[Mapping[str, Any]]) -> int:
    return Exit.FAILED if any(item["outcome"] == "refused" for item in items) else Exit.DONE


def _line(item: Mapping[str, Any]) -> str:
    match item["outcome"]:
        case "promoted":
            said = f"promoted, at generation {item['generation']}"
        case "awaiting":
            said = f"request {item['record']} waits for somebody else's approval"
        case "possible":
            said = "would be promoted"
        case _:
            said = f"refused: {item['why']}"
    return f"{item['to_key']}: {_words(item)}: {said}"


def _words(item: Mapping[str, Any]) -> str:
    changes = (f"{name} {json.dumps(old)} -> {json.dumps(new)}" for name, (old, new) in item["fields"].items())
    ways = f"{item['from_place']} -> {item['to_place']}" if item["from_place"] else item["to_place"]
    return ", ".join([ways, *changes])


def _previewed(item: Mapping[str, Any]) -> Iterator[str]:
    yield _line(item)
    if item["before"] is None or item["after"] is None:
        return
    before, after = (json.dumps(item[side]["manifests"], indent=2).splitlines() for side in ("before", "after"))
    yield from (f"    {line}" for line in list(difflib.unified_diff(before, after, lineterm="", n=2))[2:])
    yield from (f"    {error['path']}: {error['message']}" for error in item["after"]["errors"])


def _board(crud: Crud, renderer: str, search: str | None, differs: bool, output: Output) -> None:
    given = {"search": search or "", "differs": "true" if differs else "", "limit": "1000"}
    params = {name: value for name, value in given.items() if value}
    page = crud.promotions(renderer, **params)
    if page["promotion"] is None:
        raise UsageError(f"rows of {renderer} are not promoted: {page['why']}")
    groups, promotion = page["items"], page["promotion"]
    while page["next_cursor"]:
        page = crud.promotions(renderer, **params, cursor=page["next_cursor"])
        groups += page["items"]
    head = [name.upper() for name in (*promotion["match"], *promotion["order"])]
    rows = [[*group["match"].values(), *(_cell(place) for place in group["places"])] for group in groups]
    notes = [
        f"{' '.join(group['match'].values())} {place['place']} (row {place['key']}): {place['why']}"
        for group in groups
        for place in group["places"]
        if place["fields"] and place["why"]
    ]
    _print(output, groups, [*text_table(head, rows), *notes])


def _cell(place: Mapping[str, Any]) -> str:
    if place["key"] is None:
        return "-" if place["rule"] == "missing" else "several"
    values = " ".join("null" if value is None else str(value) for value in place["values"].values())
    mark = " <" if place["allowed"] else " !" if place["fields"] else ""
    return f"{values} (row {place['key']}, {place['state']}){mark}"


def _print(output: Output, content: Any, lines: Sequence[str]) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps(content, indent=2))
    else:
        for line in lines:
            typer.echo(line)
