"""A whole platform with very many rows: the first snapshot, both drains, memory, and what people then wait for."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlparse

import httpx
import psycopg2

from bench import asking, filled, memory, tables
from bench.outcomes import outcomes
from bench.topic import topic_of
from bench.watching import RESOURCE, git_output
from bench.way import TARGETS
from rowcast.core.layout import DEFAULT_PATH, Layout
from rowcast_local.platform import Platform
from rowcast_local.probes import answers
from world import World, done

WITHOUT = ("connector",)
"""Parts that the platform starts without: capture begins when the table is full."""
LIVE, OTHER = 20, 80
"""Environments whose rows go to Kubernetes, and the others: a folder each in Git, of some 10,000 files at a million."""
PARTS = 10
"""In which a drain's rate is told."""
BY_HAND = 10
"""Objects, and then files, that are changed by hand."""
STALLED_SECONDS = 300.0
"""How long a count may stand still before it is given up."""
ANSWER_SECONDS = 3600.0
"""How long a reconcile or a start may take before it is given up."""
LOOK_SECONDS = 0.2
SAY_SECONDS = 10.0
INSERT_AT_ONCE = 50_000
CHANGED = 100
"""Of how many rows of a target one is changed for a backlog."""
CHANGE = """
UPDATE app_configs SET branch = branch || '-next'
WHERE id IN (SELECT id FROM app_configs WHERE environment LIKE %s ORDER BY md5(id::text) LIMIT %s)
"""
INSERT = """
INSERT INTO app_configs (name, repository_url, branch, environment)
SELECT 'million-' || n, 'https://git.example.com/shop/service-' || n % 5000 || '.git', 'release-' || n % 40,
    CASE WHEN n * {k8s} / {rows} > (n - 1) * {k8s} / {rows}
        THEN 'live-' || (n * {k8s} / {rows}) % {live} ELSE 'other-' || n % {other} END
FROM generate_series({first}::bigint, {last}::bigint) AS n
"""
BY_K8S = ("sync-k8s", "kube-apiserver", "etcd")
"""Parts that have nothing of rows that don't go to Kubernetes."""

TROUBLE = (
    *(AssertionError, LookupError, OSError, ValueError),
    *(httpx.HTTPError, psycopg2.Error, subprocess.SubprocessError),
)
"""What asking a platform that is overloaded may end in."""

Say = Callable[[str], None]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows there are, all of them for Git; how many of them go to Kubernetes, too; of how many Git's branch
    has the files before sync begins; and where files go.
    """

    rows: int
    k8s: int
    filled: int = 0
    path: str = DEFAULT_PATH

    @property
    def wanted(self) -> dict[str, int]:
        """Rows by target, of those that get any."""
        return {target: count for target, count in zip(TARGETS, (self.k8s, self.rows), strict=True) if count}

    @property
    def layout(self) -> Layout:
        """Where sync-git has its files."""
        return Layout("environments", self.path)


def settings(size: Size) -> dict[str, dict[str, str]]:
    """Of parts: only some environments go to Kubernetes, and what is changed by hand waits for a reconcile."""
    live: dict[str, Any] = {"*": None, **{f"live-{number}": {} for number in range(LIVE)}}
    told = {"ROWCAST_DRIFT": "report"}
    return {
        "sync-k8s": {**told, "ROWCAST_ENVIRONMENTS": json.dumps(live)},
        "sync-git": {**told, "ROWCAST_GIT_PATH": size.path},
    }


@dataclass
class Counted:
    """How a number has risen: seconds since its beginning, and how many there were then."""

    looks: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])

    def note(self, seconds: float, count: int) -> None:
        """One look. A count that has fallen is that of a process that was started again, and is left out."""
        if count > self.looks[-1][1]:
            self.looks.append((seconds, count))

    @property
    def last(self) -> tuple[float, int]:
        """When it rose last, and to what."""
        return self.looks[-1]

    @property
    def first(self) -> float:
        """Seconds until the first look that found any."""
        return self.looks[1][0] if len(self.looks) > 1 else 0.0

    @property
    def rate(self) -> float:
        """How many a second came from the first look that found any to the last; if one found all, from the start."""
        seconds, count = self.last
        if seconds > self.first:
            return (count - self.looks[1][1]) / (seconds - self.first)
        return count / seconds if seconds else 0.0

    def at(self, count: float) -> float | None:
        """Seconds until there were so many, between two looks by a straight line; None if they never were."""
        for (before, fewer), (after, more) in pairwise(self.looks):
            if fewer < count <= more:
                return before + (after - before) * (count - fewer) / (more - fewer)
        return None

    def rates(self, total: int) -> list[float | None]:
        """In each of ten equal parts of `total`, how many a second; in the first with what it takes to start."""
        ends = [self.looks[0][0], *(self.at(total * part / PARTS) for part in range(1, PARTS + 1))]
        return [
            total / PARTS / (end - begin) if begin is not None and end is not None and end > begin else None
            for begin, end in pairwise(ends)
        ]


class Million:
    """The steps, in their order; what did not come within its bound is in `notes`."""

    def __init__(self, platform: Platform, size: Size, say: Say) -> None:
        self._platform = platform
        self._env = platform.env()
        self._world = World(self._env)
        self._size = size
        self._rows = size.rows
        self._wanted = size.wanted
        self._say = say
        self.notes: list[str] = []
        self.held: dict[str, int] = {}
        """Bytes of each sync when it had delivered, before it compared anything."""

    def tried(self, what: str, step: Callable[[], Iterator[_T]]) -> Iterator[_T]:
        """What a step gives; that it fails is noted, and takes nothing from the steps after it."""
        try:
            yield from step()
        except TROUBLE as error:
            self._note(f"{what}: {error!r}")

    def insert(self) -> Iterator[str]:
        """Fill the table, while nothing captures it and neither sync runs."""
        for target in TARGETS:
            for part in (f"sync-{target}", f"sync-{target}-dapr"):
                self._platform.stop_part(part)
        numbers = {"rows": self._rows, "k8s": self._size.k8s, "live": LIVE, "other": OTHER}
        started = time.perf_counter()
        with self._world.sql(autocommit=True) as cursor:
            for first in range(1, self._rows + 1, INSERT_AT_ONCE):
                last = min(first + INSERT_AT_ONCE - 1, self._rows)
                cursor.execute(INSERT.format(**numbers, first=first, last=last))
                self._say(f"inserted {last:,} of {self._rows:,}, {time.perf_counter() - started:.0f} s")
            took = time.perf_counter() - started
            cursor.execute("VACUUM (ANALYZE)")
        yield f"inserted by INSERT … SELECT, with the triggers: {self._rows / took:,.0f} rows/s"

    def fill(self) -> Iterator[str]:
        """Let Git's branch have files before sync looks at it."""
        count = self._size.filled
        if count:
            batches = filled.of_table(self._env["ROWCAST_DATABASE_URL"], count)
            filled.fill(self._repository, batches, self._size.layout, self._say)
            yield f"the branch was filled with the files of {count:,} rows, by git fast-import"

    def snapshot(self) -> Iterator[str]:
        """Start capture, and wait until the topic has all rows."""
        with topic_of(self._env["ROWCAST_KAFKA"]) as topic:
            before = topic.messages()
            self._world.rowcast("connector", "apply")
            found = self._count("the topic", lambda: topic.messages() - before, self._rows)
        whole, count = found.last
        if count:
            yield (
                f"first snapshot into the topic: {found.rate:,.0f} rows/s from the first look that found any to the"
                f" last; {count / whole:,.0f} rows/s with the {found.first:.1f} s until then"
            )

    def drain(self, target: str) -> Iterator[str]:
        """Start one sync and wait until it has had every row's event, and whatever is its has arrived."""
        sync, wanted = f"sync-{target}", self._wanted[target]
        url = self._sync_url(target)
        delivered = Counted()
        started = time.perf_counter()

        def events() -> int:
            found = outcomes(url)
            its = found.total()
            delivered.note(time.perf_counter() - started, its - found["elsewhere"])
            return its

        self._platform.start_part(sync)
        self._platform.start_part(f"{sync}-dapr")
        whole = self._count(f"{sync}: events", events, self._rows)
        self.held[sync] = self._held(sync)
        there = self._there(target)
        if there != wanted:
            self._note(f"{target} has {there:,} of {wanted:,} rows after {whole.last[1]:,} events")
        cells = ["—" if rate is None else f"{rate:,.0f}" for rate in delivered.rates(wanted)]
        seconds, count = whole.last
        if self._size.filled and target == "git":
            # New ones are not the last: each partition has its own at its end.
            yield f"git: {self._size.filled:,} of them were there, and are found to be as they are"
        yield f"{target}: {wanted:,} rows delivered, of {count:,} events in {seconds:,.0f} s; {there:,} are there"
        yield ""
        yield from tables.table(
            [f"{target}, rows/s in each tenth", *(f"{part}." for part in range(1, PARTS + 1))], [["", *cells]]
        )

    def recorded(self) -> Iterator[str]:
        """Wait until crud has a status of each row from each target."""

        def statuses() -> int:
            with self._world.sql() as cursor:
                cursor.execute("SELECT count(*) FROM sync_statuses")
                (count,) = cursor.fetchone() or (0,)
            return int(count)

        found = self._count("statuses in the database", statuses, self._rows * len(self._wanted), pause=1.0)
        yield f"statuses of all targets recorded: {found.last[1]:,}, seen {found.last[0]:,.0f} s after the last step"

    def compared(self, target: str) -> Iterator[list[str]]:
        """Wait until the comparison that a sync makes by itself after a snapshot has ended; it changes nothing here."""
        part = f"sync-{target}"
        what = f"{part}'s own reconcile after the snapshot"
        if not self._wait(f"{what} to begin", lambda: self._reconciling(target) != (False, None), STALLED_SECONDS):
            return
        self._wait(what, partial(self._idle, target))
        _, last = self._reconciling(target)
        if last is not None:
            took = _moment(last["finished_at"]) - _moment(last["started_at"])
            yield [
                f"{target}: {last['trigger']} reconcile, {_differences(last)} differences",
                f"{took:,.1f}",
                "",
                "",
                "",
            ]

    def backlog(self, target: str) -> Iterator[str]:
        """Change rows of a target while its sidecar is stopped, and wait until they have come through."""
        sidecar, url, wanted = f"sync-{target}-dapr", self._sync_url(target), max(1, self._wanted[target] // CHANGED)
        self._say(f"{target}: a backlog of {wanted:,} rows")
        before = outcomes(url)["configured"]
        self._platform.stop_part(sidecar)
        with topic_of(self._env["ROWCAST_KAFKA"]) as topic:
            there = topic.messages()
            with self._world.sql() as cursor:
                cursor.execute(CHANGE, (f"{'live' if target == 'k8s' else ''}%", wanted))
            self._count("changes in the topic", lambda: topic.messages() - there, wanted)
        self._platform.start_part(sidecar)
        found = self._count(f"{target}: changes", lambda: outcomes(url)["configured"] - before, wanted)
        seconds, count = found.last
        yield (
            f"{target}: a backlog of {count:,} changed rows, with all of them there: {found.rate:,.0f} rows/s from the"
            f" first look that found any, {seconds:,.1f} s with the sidecar's start"
        )

    def memory(self) -> dict[str, int]:
        """Bytes of each part that runs."""
        return memory.of_parts(self._platform)

    def asked(self) -> Iterator[str]:
        """What crud answers, and how soon."""
        found = []
        for one in asking.ask_all(self._world, f"million-{self._rows}", "nowhere-to-be-found"):
            self._say(f"asked {one.path}: {len(one.took)} answers")
            found.append(one)
            if one.trouble:
                self._note(one.trouble)
        yield from asking.table(found)

    def reconcile(self, target: str) -> Iterator[list[str]]:
        """Change ten objects by hand, and let a reconcile put them right."""
        self._say(f"{target}: a reconcile that finds {BY_HAND} differences")
        {"k8s": self._change_objects, "git": self._change_files}[target]()
        part, url = f"sync-{target}", self._sync_url(target)
        self._wait(f"{part}'s reconcile by itself", lambda: not self._reconciling(target)[0])
        before = self._held(part)
        with memory.peak(self._platform, part) as peak:
            started = time.perf_counter()
            with self._http() as http:
                done(http.post(f"{url}/reconcile", json={"wait_seconds": 0}))
            ended = self._wait(f"{part}'s reconcile", partial(self._idle, target))
            took = time.perf_counter() - started
        _, last = self._reconciling(target)
        if not ended or last is None:
            yield [f"{target}: reconcile", f"not within {took:,.0f}", *_peak(before, peak)]
            return
        found = _differences(last)
        if last["state"] != "done" or found != BY_HAND:
            self._note(f"{target}: the reconcile is {last['state']}, found {found} of {BY_HAND}: {last['error'] or ''}")
        yield [f"{target}: reconcile, {found} differences", f"{took:,.1f}", *_peak(before, peak)]

    def restart(self, target: str) -> Iterator[list[str]]:
        """Start a sync again, until it says that it is ready."""
        part, url = f"sync-{target}", self._sync_url(target)
        self._say(f"{target}: started again")
        before = self._held(part)
        self._platform.stop_part(part)
        with memory.peak(self._platform, part) as peak:
            started = time.perf_counter()
            self._platform.start_part(part)
            ended = self._wait(f"{part}'s /readyz", lambda: answers(f"{url}/readyz"))
            took = time.perf_counter() - started
        told = f"{took:,.1f}" if ended else f"not within {took:,.0f}"
        yield [f"{target}: started again to ready", told, *_peak(before, peak)]

    def _change_objects(self) -> None:
        with self._world.sql() as cursor:
            cursor.execute(
                "SELECT name FROM app_configs WHERE environment LIKE 'live-%%' ORDER BY id LIMIT %s", (BY_HAND,)
            )
            names = [name for (name,) in cursor.fetchall()]
        patch = json.dumps({"spec": {"branch": "by-hand"}})
        self._world.kubectl("patch", "appconfigs.rowcast.dev", *names, "--type=merge", f"--patch={patch}")

    def _change_files(self) -> None:
        with self._world.sql() as cursor:
            cursor.execute("SELECT name FROM app_configs ORDER BY id LIMIT %s", (BY_HAND,))
            names = {f"{name}.yaml" for (name,) in cursor.fetchall()}
        listed = git_output(self._repository, "ls-tree", "-r", "--name-only", "main").splitlines()
        paths = [path for path in listed if path.rpartition("/")[2] in names]
        # Without a clone: that would be of a million files.
        stream = [b"commit refs/heads/main\ncommitter Hand <hand@example.org> %d +0000\ndata 4\nhand\n" % time.time()]
        stream.append(b"from refs/heads/main^0\n")
        for path in paths:
            text = git_output(self._repository, "show", f"main:{path}").replace("branch: ", "branch: by-hand-")
            content = text.encode()
            stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))
        subprocess.run(filled.importing(self._repository), input=b"".join(stream), check=True, capture_output=True)

    def _there(self, target: str) -> int:
        """How many rows the target itself has."""
        if target == "git":
            return git_output(self._repository, "ls-tree", "-r", "--name-only", "main").count(".yaml\n")
        path = RESOURCE.format(namespace=self._env["ROWCAST_NAMESPACE"])
        listed = json.loads(self._world.kubectl("get", "--raw", f"{path}?limit=1"))
        return len(listed["items"]) + int(listed["metadata"].get("remainingItemCount", 0))

    def _count(self, what: str, look: Callable[[], int], wanted: int, pause: float = LOOK_SECONDS) -> Counted:
        """Look until there are so many, or until no more have come for minutes, which is noted."""
        found, started, said = Counted(), time.perf_counter(), 0.0
        while found.last[1] < wanted:
            time.sleep(pause)
            try:
                count = look()
            except httpx.HTTPError:
                count = 0
            seconds = time.perf_counter() - started
            found.note(seconds, count)
            if seconds - said >= SAY_SECONDS:
                said = seconds
                self._say(f"{what}: {found.last[1]:,} of {wanted:,}, {seconds:,.0f} s")
            if seconds - found.last[0] > STALLED_SECONDS:
                self._note(f"{what}: {found.last[1]:,} of {wanted:,}, and no more for {STALLED_SECONDS:.0f} s")
                break
        return found

    def _wait(self, what: str, condition: Callable[[], bool], seconds: float = ANSWER_SECONDS) -> bool:
        """Whether it held within so many seconds; that it did not is noted."""
        started = said = time.monotonic()
        while not condition():
            if (now := time.monotonic()) - started > seconds:
                self._note(f"{what}: not within {seconds:g} s")
                return False
            if now - said >= SAY_SECONDS:
                said = now
                self._say(f"waiting for {what}: {now - started:,.0f} s")
            time.sleep(LOOK_SECONDS)
        return True

    def _note(self, text: str) -> None:
        self._say(text)
        self.notes.append(text)

    def _idle(self, target: str) -> bool:
        running, last = self._reconciling(target)
        return not running and last is not None

    def _reconciling(self, target: str) -> tuple[bool, Mapping[str, Any] | None]:
        """Whether one is running (or nobody can tell), and how the last one ended."""
        try:
            with self._http() as http:
                told = done(http.get(f"{self._sync_url(target)}/reconcile"))
        except httpx.HTTPError:
            return True, None
        return told["current"] is not None, told["last"]

    def _held(self, part: str) -> int:
        return self.memory().get(part, 0)

    def _sync_url(self, target: str) -> str:
        return self._env[f"ROWCAST_SYNC_{target.upper()}_URL"]

    def _http(self) -> httpx.Client:
        return httpx.Client(timeout=30, trust_env=False)

    @property
    def _repository(self) -> Path:
        return Path(urlparse(self._env["ROWCAST_GIT_URL"]).path)


def measure(platform: Platform, size: Size, say: Say) -> Iterator[str]:
    """All steps; each gives its lines as soon as it has ended."""
    free = shutil.disk_usage(platform.state.folder).free
    yield (
        f"{size.rows:,} rows, {size.k8s:,} of them to Kubernetes, files at {size.path};"
        f" {free / 2**30:.0f} GiB of the disk are free"
    )
    steps = Million(platform, size, say)
    empty = steps.memory()
    yield from steps.insert()
    yield from steps.fill()
    yield from steps.snapshot()
    yield ""
    yield "while all rows wait:"
    yield from steps.tried("what crud answers while all rows wait", steps.asked)
    work: list[list[str]] = []
    for target in size.wanted:
        yield ""
        yield from steps.tried(f"{target}: drain", partial(steps.drain, target))
        # Before the next begins, so that its drain has the machine for itself.
        work += steps.tried(f"{target}: the reconcile after the snapshot", partial(steps.compared, target))
    yield ""
    yield from steps.tried("statuses", steps.recorded)
    yield ""
    yield from _memory_table(empty, steps.memory() | steps.held, size)
    yield ""
    yield from steps.tried("what crud answers", steps.asked)
    yield ""
    for what, step in (("reconcile", steps.reconcile), ("start", steps.restart)):
        for target in size.wanted:
            work += steps.tried(f"{target}: {what}", partial(step, target))
    yield from tables.table(("", "seconds", "MiB before", "MiB at most", "of it the process alone"), work)
    yield ""
    for target in size.wanted:
        yield from steps.tried(f"{target}: a backlog", partial(steps.backlog, target))
    yield ""
    yield "memory: proportional set size, of sync with git's commands; at most: as five looks a second have seen it"
    yield from (f"- {note}" for note in steps.notes)


def _differences(run: Mapping[str, Any]) -> int:
    return sum((run["differences"] or {}).values())


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _peak(before: int, most: memory.Peak) -> Sequence[str]:
    return tuple(f"{size / memory.MIB:,.0f}" for size in (before, most.bytes, most.alone))


def _memory_table(empty: Mapping[str, int], full: Mapping[str, int], size: Size) -> Iterator[str]:
    lines = []
    for part in sorted(full, key=lambda name: -full[name]):
        count = size.k8s if part in BY_K8S else size.rows
        grown = full[part] - empty.get(part, 0)
        held = (f"{its / memory.MIB:,.0f}" for its in (empty.get(part, 0), full[part]))
        lines.append([part, *held, f"{count:,}", f"{grown / count:,.0f}" if count else "—"])
    sums = (f"{sum(sizes.values()) / memory.MIB:,.0f}" for sizes in (empty, full))
    grown = sum(full.values()) - sum(empty.values())
    lines.append(["all parts", *sums, f"{size.rows:,}", f"{grown / size.rows:,.0f}"])
    yield from tables.table(("part", "MiB, no rows", "MiB after both drains", "rows", "bytes a row"), lines)
