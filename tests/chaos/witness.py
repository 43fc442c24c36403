"""Watches what the two targets hold over time: no row's generation may go backwards, no deleted row come back."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from chaos.places import RESOURCES, Cluster, Repository

GENERATION, ROW_ID = "rowcast.dev/generation", "rowcast.dev/row-id"
HAND = "chaos"
"""The field manager of what faults change by hand."""
STRANGER = "mallory@example.org"
"""Who commits what faults change in the repository."""


Marks = Callable[[Mapping[str, Any]], tuple[int | str, int] | None]
"""Gives row and generation as an object's metadata tell them."""


@dataclass(frozen=True)
class Sighting:
    """A row seen at a target, at a `place`: an object's name or a file's path.

    `seen_at` is in seconds since 1970, `where` an object's version or a commit.
    """

    row_id: int | str
    place: str
    generation: int
    where: str
    seen_at: float
    gone: bool = False

    def __str__(self) -> str:
        gone = ", then gone" if self.gone else ""
        return f"row {self.row_id}@{self.generation} as {self.place} at {self.where}{gone}"


@dataclass
class Ledger:
    """All sightings of one target, judged as they come."""

    rows: dict[int | str, list[Sighting]] = field(default_factory=lambda: defaultdict(list))
    held: dict[str, Sighting] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
    sightings: int = 0

    def saw(self, seen: Sighting) -> None:
        """Take one in; a generation below one that was seen is a stale overwrite.

        What is still where it was has not been written anew: a finalizer was put on it, or it waits for one to go.
        """
        self.sightings += 1
        before = self.held.get(seen.place)
        if before is not None and (before.row_id, before.generation) == (seen.row_id, seen.generation):
            self.held[seen.place] = seen
            return
        if before is not None and before.row_id != seen.row_id:
            self.gone(seen.place, seen.where, seen.seen_at)
        known = self.rows[seen.row_id]
        newest = max((one.generation for one in known if not one.gone), default=0)
        if seen.generation < newest:
            self.stale.append(f"{seen} came after {newest}: " + "; ".join(map(str, known[-6:])))
        known.append(seen)
        self.held[seen.place] = seen

    def gone(self, place: str, where: str, at: float) -> None:
        """What was at a place is there no more."""
        before = self.held.pop(place, None)
        if before is not None:
            self.rows[before.row_id].append(replace(before, where=where, seen_at=at, gone=True))

    def resurrected(self, deleted_at: Mapping[Any, float]) -> list[str]:
        """Rows of which nothing was left, and that came back as they had been, after the table had deleted them.

        `deleted_at` is in seconds since 1970, by row. One that comes back at a higher generation was only behind:
        another row had taken its name.
        """
        return [told for row_id, seen in self.rows.items() if (told := _resurrected(seen, deleted_at.get(row_id)))]


def _resurrected(seen: list[Sighting], deleted_at: float | None) -> str | None:
    there: set[str] = set()
    newest, gone_at = 0, None
    for one in seen:
        if one.gone:
            there.discard(one.place)
            gone_at = one.seen_at if not there else None
            continue
        if gone_at is not None and deleted_at is not None and deleted_at < gone_at and one.generation <= newest:
            return f"{one}, deleted in the table before it went: " + "; ".join(map(str, seen[-6:]))
        there.add(one.place)
        newest, gone_at = max(newest, one.generation), None
    return None


class ClusterWitness:
    """A watch of its own on the API server's own port, from the beginning to the end."""

    def __init__(self, cluster: Cluster, path: str = RESOURCES, marks: Marks | None = None) -> None:
        """`path` is that of a list, `marks` are those that objects there have."""
        self.ledger = Ledger()
        self.gaps = 0
        self._path = path
        self._marks = marks or marked
        self._cluster = cluster
        self._end = threading.Event()
        self._version = self._begin()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._end.set()
        self._thread.join(15)

    def caught_up(self) -> bool:
        """Whether what was seen last of each object is what there is."""
        there = {one["metadata"]["name"]: _version(one["metadata"]) for one in self._cluster.list(self._path)["items"]}
        return there == {place: seen.where for place, seen in list(self.ledger.held.items())}

    def _begin(self) -> str:
        listed = self._cluster.list(self._path)
        version: str = listed["metadata"]["resourceVersion"]
        for place in self.ledger.held.keys() - {item["metadata"]["name"] for item in listed["items"]}:
            self.ledger.gone(place, f"version {version}", time.time())
        for item in listed["items"]:
            self._note("ADDED", item)
        return version

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._watch()
            except (httpx.HTTPError, httpx.StreamError, json.JSONDecodeError):
                self._end.wait(0.2)

    def _watch(self) -> None:
        query = {"watch": "true", "resourceVersion": self._version, "allowWatchBookmarks": "true"}
        url = httpx.URL(self._path).copy_merge_params(query)
        limit = httpx.Timeout(10, read=5)
        with self._cluster.http.stream("GET", url, timeout=limit) as answer:
            if answer.status_code == httpx.codes.GONE:
                self._skip()
                return
            answer.raise_for_status()
            for line in answer.iter_lines():
                if self._end.is_set() or not self._take(json.loads(line)):
                    return

    def _take(self, event: dict[str, Any]) -> bool:
        """Whether the watch goes on."""
        if event["type"] == "ERROR":  # such as the history that an API server that was started again has forgotten
            self._skip()
            return False
        if event["type"] != "BOOKMARK":
            self._note(event["type"], event["object"])
        self._version = event["object"]["metadata"]["resourceVersion"]
        return True

    def _skip(self) -> None:
        """History was forgotten: what was between is not known, but what comes must still not be older."""
        self.gaps += 1
        self._version = self._begin()

    def _note(self, kind: str, item: dict[str, Any]) -> None:
        metadata = item["metadata"]
        place, where = metadata["name"], _version(metadata)
        if kind == "DELETED":
            self.ledger.gone(place, where, time.time())
        elif not changed_by_hand(metadata) and (row := self._marks(metadata)):
            self.ledger.saw(Sighting(row[0], place, row[1], where, time.time()))


def marked(metadata: Mapping[str, Any]) -> tuple[int, int] | None:
    """The row and the generation that an object's marks name; None for marks that Rowcast doesn't write."""
    row_id = (metadata.get("labels") or {}).get(ROW_ID)
    generation = (metadata.get("annotations") or {}).get(GENERATION)
    if not all(isinstance(mark, str) and re.fullmatch("[0-9]{1,19}", mark) for mark in (row_id, generation)):
        return None
    return int(str(row_id)), int(str(generation))


def changed_by_hand(metadata: Mapping[str, Any]) -> bool:
    """Whether the marks are as a fault has left them: what they say is nobody's word of a row."""
    return any(
        entry.get("manager") == HAND and "f:rowcast.dev/" in json.dumps(entry.get("fieldsV1"))
        for entry in metadata.get("managedFields", ())
    )


def _version(metadata: Mapping[str, Any]) -> str:
    return f"version {metadata['resourceVersion']}"


class HistoryWitness:
    """Reads every commit since it last looked, and what each file of ours said in it."""

    def __init__(self, repository: Repository, marks: Marks | None = None) -> None:
        self.ledger = Ledger()
        self._marks = marks or marked
        self.commits = 0
        self._repository = repository
        self._seen = repository.tip()

    def look(self) -> None:
        """Take in the commits since the last look. Raises CalledProcessError."""
        tip = self._repository.tip()
        if tip == self._seen:
            return
        form = ("--reverse", "--first-parent", "--raw", "--no-abbrev", "--no-renames", "--format=commit %H %ct %ce")
        told = self._repository.git("log", *form, f"{self._seen}..{tip}", "--", "environments").decode()
        lines = [line for line in told.splitlines() if line]
        changed = [line.split() for line in lines if line.startswith(":")]
        parsed = self._repository.parse(blob for fields in changed if int(blob := fields[3], 16))
        commit, at, who = "", 0.0, ""
        for line in lines:
            if line.startswith("commit "):
                _, commit, seconds, who = line.split()
                at = float(seconds)
                self.commits += 1
            else:
                self._file(line, parsed, commit, at, who)
        self._seen = tip

    def _file(self, line: str, parsed: Mapping[str, Any], commit: str, at: float, who: str) -> None:
        attributes, path = line.split("\t")
        if not self._repository.is_here(path):
            return
        blob = attributes.split()[3]
        if not int(blob, 16):
            self.ledger.gone(path, commit[:10], at)
            return
        if who == STRANGER:
            return
        manifest = parsed[blob]
        if isinstance(manifest, list):
            manifest = next(iter(manifest), None)
        row = self._marks(manifest["metadata"]) if manifest else None
        if row is None:
            self.ledger.stale.append(f"{path} in {commit[:10]} has no marks")
            return
        self.ledger.saw(Sighting(row[0], path, row[1], commit[:10], at))
