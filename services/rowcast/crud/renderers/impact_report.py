"""What was seen of a declaration's impact, for people: as text, and as Markdown for a pull request's comment."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_LOUD = {
    "moved": "MOVED: deleted, and made anew",
    "removed": "REMOVED",
    "retained": "left behind (delete: retain)",
    "made": "made",
    "row": "rows of another name or environment",
    "changed": "changed",
}
_CHANGES = {"set": "set", "removed": "taken away", "changed": "", "": ""}


def as_text(content: Mapping[str, Any]) -> Iterator[str]:
    """Lines of an impact as JSON has it."""
    yield f"{content['renderer']}: {summary(content)}"
    for line in _remarks(content):
        yield f"  {line}"
    for action, groups in _by_action(content):
        yield f"{_head(action, content)}:"
        for group in groups:
            yield f"  {_counted(group)}: {_what(group)}"
            for example in group["examples"]:
                yield f"    {_example(group, example)}"
            for line in _refused(group):
                yield f"    {line}"
    for head, lines in _others(content):
        yield f"{head}:"
        for line in lines:
            yield f"  {line}"
    yield f"token: {content['token']}"


def as_markdown(content: Mapping[str, Any]) -> Iterator[str]:
    """Lines of a comment: what changes as a table, its examples folded."""
    yield f"### Impact on `{content['renderer']}`"
    yield ""
    yield f"{summary(content)}."
    for line in _remarks(content):
        yield f"\n> {_escaped(line)}"
    for action, groups in _by_action(content):
        yield f"\n**{_head(action, content)}**\n"
        yield "| rows | objects | what |"
        yield "| ---: | ---: | --- |"
        for group in groups:
            yield f"| {group['rows']:,} | {group['objects']:,} | {_escaped(_what(group))} |"
        refused = [line for group in groups for line in _refused(group)]
        if refused:
            yield ""
        for line in refused:
            yield f"- {_escaped(line)}"
        yield "\n<details><summary>examples</summary>\n"
        for group in groups:
            for example in group["examples"]:
                yield f"- {_escaped(_what(group))}: {_escaped(_example(group, example))}"
        yield "\n</details>"
    for head, lines in _others(content):
        yield f"\n**{head}**\n"
        for line in lines:
            yield f"- {_escaped(line)}"
    yield f"\n<sub>token: `{content['token']}`</sub>"


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
    asked = sum(group["dry_run"] is not None for group in content["groups"])
    if asked:
        refused = f"refuses {content['dry_run_refused']:,} of them" if content["dry_run_refused"] else "takes them"
        yield f"the API server, asked about rows of {asked:,} of {len(content['groups']):,} groups, {refused}"
    if content["dry_run_unavailable"]:
        yield f"the API server could not be asked: {content['dry_run_unavailable']}"
    if content["more_errors"]:
        yield f"{content['more_errors']:,} more rows can't be rendered, for reasons that are not listed"


def _by_action(content: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    for action in _LOUD:
        groups = [group for group in content["groups"] if group["action"] == action]
        if groups:
            yield action, groups


def _head(action: str, content: Mapping[str, Any]) -> str:
    moved, retained = (
        {group["manifest"] for group in content["groups"] if group["action"] == each} for each in ("moved", "retained")
    )
    if action != "moved" or not moved & retained:
        return _LOUD[action]
    if moved <= retained:
        return "MOVED: made anew, and the old ones stay behind (delete: retain)"
    return f"{_LOUD['moved']}; of {', '.join(sorted(moved & retained))} the old ones stay behind (delete: retain)"


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


def _refused(group: Mapping[str, Any]) -> Iterator[str]:
    dry_run = group["dry_run"]
    for each in dry_run["refused"] if dry_run is not None else ():
        manifest = f", manifest {each['manifest']}" if each["manifest"] else ""
        yield f"REFUSED: row {each['key']}{manifest}: {each['message']}"


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
