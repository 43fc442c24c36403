"""What was seen of a declaration's impact, for people: as text, and as Markdown for a pull request's comment."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rowcast.crud.renderers.impact import Seen

_LOUD = {
    "moved": "MOVED: deleted, and made anew",
    "removed": "REMOVED",
    "retained": "left behind (delete: retain)",
    "made": "made",
    "row": "rows of another name or environment",
    "changed": "changed",
}
_CHANGES = {"set": "set", "removed": "taken away", "changed": "", "": ""}


def as_text(seen: Seen) -> Iterator[str]:
    """Lines."""
    content = seen.as_json()
    yield f"{seen.renderer}: {summary(content)}"
    for line in _remarks(content):
        yield f"  {line}"
    for action, groups in _by_action(content):
        yield f"{_LOUD[action]}:"
        for group in groups:
            yield f"  {_counted(group)}: {_what(group)}"
            for example in group["examples"]:
                yield f"    {_example(group, example)}"
    for head, lines in _others(content):
        yield f"{head}:"
        for line in lines:
            yield f"  {line}"
    yield f"token: {seen.token}"


def as_markdown(seen: Seen) -> Iterator[str]:
    """Lines of a comment: what changes as a table, its examples folded."""
    content = seen.as_json()
    yield f"### Impact on `{seen.renderer}`"
    yield ""
    yield f"{summary(content)}."
    for line in _remarks(content):
        yield f"\n> {_escaped(line)}"
    for action, groups in _by_action(content):
        yield f"\n**{_LOUD[action]}**\n"
        yield "| rows | objects | what |"
        yield "| ---: | ---: | --- |"
        for group in groups:
            yield f"| {group['rows']:,} | {group['objects']:,} | {_escaped(_what(group))} |"
        yield "\n<details><summary>examples</summary>\n"
        for group in groups:
            for example in group["examples"]:
                yield f"- {_escaped(_what(group))}: {_escaped(_example(group, example))}"
        yield "\n</details>"
    for head, lines in _others(content):
        yield f"\n**{head}**\n"
        for line in lines:
            yield f"- {_escaped(line)}"
    yield f"\n<sub>token: `{seen.token}`</sub>"


def summary(content: Mapping[str, Any]) -> str:
    """One line: from which revision, and how much of it."""
    since = "new" if content["revision"] is None else f"from revision {content['revision']}"
    objects = content["objects"]
    loud = ("moved", "removed", "retained", "made", "changed")
    counts = ", ".join(f"{objects[action]:,} {action}" for action in loud if objects[action])
    failed = f"; {content['failed_rows']:,} can't be rendered" if content["failed_rows"] else ""
    changed = f"{content['changed_rows']:,} of {content['rows']:,} rows change" if content["rows"] else "no rows"
    return f"{since}, {changed}{f' (objects: {counts})' if counts else ''}{failed}"


def _remarks(content: Mapping[str, Any]) -> Iterator[str]:
    if content["captured_anew"]:
        yield "applying captures the rows anew: they were read from the table itself"
    if content["recovered_rows"]:
        yield (
            f"{content['recovered_rows']:,} rows can't be rendered today: their objects count as made, and may be there"
        )
    if content["more_changes"]:
        yield f"{content['more_changes']:,} more changes, each of a shape of its own, are not listed"
    if content["more_errors"]:
        yield f"{content['more_errors']:,} more rows can't be rendered, for reasons that are not listed"


def _by_action(content: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    for action in _LOUD:
        groups = [group for group in content["groups"] if group["action"] == action]
        if groups:
            yield action, groups


def _others(content: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    if content["settings"]:
        yield (
            "treated in another way",
            [
                f"{each['manifest']}: {each['setting']}: {_value(each['before'])} → {_value(each['after'])}"
                for each in content["settings"]
            ],
        )
    if content["errors"]:
        yield "ERRORS: these rows stay as they are", [_error(each) for each in content["errors"]]
    if content["collisions"]:
        lines = [f"{each['object']}: wanted by rows {' and '.join(each['keys'])}" for each in content["collisions"]]
        more = content["more_collisions"]
        yield "COLLISIONS: only one row gets each of these", [*lines, *([f"and {more:,} more"] if more else [])]


def _error(error: Mapping[str, Any]) -> str:
    what = ": ".join(part for part in (error["path"], error["expression"], error["message"]) if part)
    before = f", {error['before']:,} of them today, too" if error["before"] else ""
    return f"{error['rows']:,} rows{before}: {what} (row {', '.join(error['examples'])})"


def _counted(group: Mapping[str, Any]) -> str:
    objects = f", {group['objects']:,} objects" if group["objects"] != group["rows"] else ""
    return f"{group['rows']:,} rows{objects}"


def _what(group: Mapping[str, Any]) -> str:
    whose = " ".join(part for part in (group["kind"], group["manifest"]) if part)
    change = _CHANGES[group["change"]]
    words = [each for each in (whose, group["path"], change) if each]
    sides = [_side(group[name]) for name in ("before", "after") if group[name] is not None]
    values = " → ".join(sides) if any(sides) else ""
    return " ".join([*words, values]).rstrip()


def _side(value: Mapping[str, Any]) -> str:
    return "…" if "varies" in value else _value(value["value"])


def _example(group: Mapping[str, Any], example: Mapping[str, Any]) -> str:
    sides = [_value(example[name]) for name in ("before", "after") if name in example]
    varies = any(group[name] is not None and "varies" in group[name] for name in ("before", "after"))
    values = f": {' → '.join(sides)}" if varies and group["action"] != "moved" else ""
    return ", ".join(part for part in (f"row {example['key']}", example["object"]) if part) + values


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _escaped(text: str) -> str:
    """So that a value is no Markdown, no mention of anybody, and no end of a table's cell."""
    for character in "\\`*_<>|[]#~":
        text = text.replace(character, f"\\{character}" if character != "<" else "&lt;")
    return text.replace("@", "@\u200b").replace("\n", " ")
