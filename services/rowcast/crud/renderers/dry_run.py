"""What the API server says to some rows of each group of an impact, by its own dry run; nothing is written.

sync-k8s asks it, as itself, with the very apply that it would make: by its preview, of a row and a declaration. Where
several targets are clusters, each is asked, and what one refuses is refused.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

from rowcast.core.shapes import RowShape, shape_as_json
from rowcast.crud.targets.instances import Answer, Instances

ROWS = 30
"""At most, of all groups; each takes a request to the API server for each manifest, and some to look."""
AT_ONCE = 4
"""Half of the questions that an instance of sync takes at once."""
SECONDS = 20.0
"""For all of them; what is not answered by then is said not to be."""
KIND: Final = "k8s"
_GONE = frozenset({"removed", "retained"})
"""Of what is no more there is nothing to try."""


@dataclass(frozen=True)
class Refused:
    """A manifest's id, empty for all of the row, and why the API server refuses it, in its own words."""

    manifest: str
    message: str


@dataclass(frozen=True)
class DryRun:
    """What was answered, by the rows' keys; those that were not asked about are not in it.

    `unasked`: manifests whose namespace the row itself makes, so that they have nowhere to be tried.
    """

    refused: Mapping[str, Sequence[Refused]] = field(default_factory=dict)
    unasked: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unavailable: str | None = None

    @classmethod
    def of(cls, answers: Mapping[str, Mapping[str, Any]], unavailable: str | None = None) -> "DryRun":
        """Of what sync's preview answers for each row."""
        told = {key: answer for key, answer in answers.items() if answer["unavailable"] is None}
        missed = [answer["unavailable"] for answer in answers.values() if answer["unavailable"] is not None]
        return cls(
            {key: list(_refused(answer)) for key, answer in told.items()},
            {key: list(answer.get("unasked") or ()) for key, answer in told.items()},
            unavailable or next(iter(missed), None),
        )

    @classmethod
    def of_crud(cls, answer: Mapping[str, Any]) -> "DryRun":
        """Of what crud answers to a command."""
        rows = answer["rows"]
        return cls(
            {row["key"]: [Refused(each["manifest"], each["message"]) for each in row["refused"]] for row in rows},
            {row["key"]: row["unasked"] for row in rows},
            answer["unavailable"],
        )


def keys_of(groups: Sequence[Mapping[str, Any]], most: int = ROWS) -> list[str]:
    """Of the rows to ask about: the first example of each group, then the second of each, until there are `most`."""
    examples = [[each["key"] for each in group["examples"]] for group in groups if group["action"] not in _GONE]
    in_turn = (key for keys in zip_longest(*examples) for key in keys if key is not None)
    return list(dict.fromkeys(in_turn))[:most]


async def ask(instances: Instances, declaration: str, shape: RowShape, rows: Mapping[str, Any]) -> DryRun:
    """About rows as sync reads them, by their keys. The first that can't be asked about ends it."""
    targets = instances.of_kind(KIND)
    if not targets:
        return DryRun(unavailable=f"there is no target of the kind {KIND}")
    found = await asyncio.gather(*(_ask(instances, target, declaration, shape, rows) for target in targets))
    return found[0] if len(targets) == 1 else _together(dict(zip(targets, found, strict=True)))


def _together(found: Mapping[str, DryRun]) -> DryRun:
    """What several targets have answered: each refusal with whose it is."""
    refused: dict[str, list[Refused]] = {}
    unasked: dict[str, list[str]] = {}
    for target, one in found.items():
        for key, said in one.refused.items():
            refused.setdefault(key, []).extend(Refused(each.manifest, f"{target}: {each.message}") for each in said)
        for key, manifests in one.unasked.items():
            known = unasked.setdefault(key, [])
            known.extend(each for each in manifests if each not in known)
    return DryRun(refused, unasked, next((one.unavailable for one in found.values() if one.unavailable), None))


async def _ask(instances: Instances, target: str, declaration: str, shape: RowShape, rows: Mapping[str, Any]) -> DryRun:
    body = {"declaration": {"text": declaration, "shape": shape_as_json(shape)}}
    answers: dict[str, Answer] = {}
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(key: str, row: Any) -> None:
        async with turns:
            if all(answer["unavailable"] is None for answer in answers.values()):
                answers[key] = await instances.ask(target, "POST", "/preview", {**body, "row": row})

    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(one(key, row) for key, row in rows.items()))
    except TimeoutError:
        return DryRun.of(answers, f"{len(answers)} of {len(rows)} rows were answered within {SECONDS:g} s")
    return DryRun.of(answers)


def with_dry_run(seen: Mapping[str, Any], dry_run: DryRun | None) -> dict[str, Any]:
    """An impact with `dry_run` in each group, null where none of its rows was asked about.

    `dry_run_refused` are the rows of all groups that are refused, and `dry_run_unavailable` is why some, or all, could
    not be asked about.
    """
    said = dry_run or DryRun()
    return {
        **seen,
        "groups": [{**group, "dry_run": _of_group(group, said)} for group in seen["groups"]],
        "dry_run_refused": sum(bool(refused) for refused in said.refused.values()),
        "dry_run_unavailable": said.unavailable,
    }


def _of_group(group: Mapping[str, Any], dry_run: DryRun) -> dict[str, Any] | None:
    manifest = group["manifest"]
    keys = [
        key
        for key in dict.fromkeys(each["key"] for each in group["examples"])
        if key in dry_run.refused and manifest not in dry_run.unasked.get(key, ())
    ]
    if not keys or group["action"] in _GONE:
        return None
    refused = [
        {"key": key, "manifest": each.manifest, "message": each.message}
        for key in keys
        for each in dry_run.refused[key]
        if not each.manifest or not manifest or each.manifest == manifest
    ]
    return {"asked": len(keys), "refused": refused}


def _refused(answer: Mapping[str, Any]) -> Iterator[Refused]:
    for each in answer.get("refused") or ():
        yield Refused(each["manifest"], each["message"])
    error = answer.get("error")
    if error is not None and not answer.get("refused"):
        yield Refused("", error["message"])
