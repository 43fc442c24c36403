"""Runs steps side by side, each as soon as what it needs is done."""

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rowcast_local.provision.commands import CommandError, Commands, Running
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.step import Step, StepError

HEAVY_AT_ONCE = 2
LOCK_POLL_SECONDS = 0.2


def run_steps(steps: Sequence[Step], cache: Path, progress: Progress) -> None:
    """Does every step whose target isn't there. Interrupted, it ends the commands under way and leaves none half made.

    Raises StepError for the first step that fails, after ending the others.
    """
    todo = {step.name: step for step in steps if not step.target.exists()}
    if not todo:
        return
    if any(step.heavy for step in todo.values()):
        progress.say("  Some are built from source, once: that takes several minutes on a small machine.")
    run = _Run(cache, progress)
    with ThreadPoolExecutor(max_workers=len(todo)) as pool:
        try:
            _schedule(todo, pool, run)
        except BaseException:
            run.running.cancel()
            raise


def _schedule(todo: dict[str, Step], pool: ThreadPoolExecutor, run: "_Run") -> None:
    waiting = dict(todo)
    under_way: dict[Future[None], str] = {}
    while waiting or under_way:
        unfinished = waiting.keys() | set(under_way.values())
        for step in [step for step in waiting.values() if not unfinished.intersection(step.needs)]:
            del waiting[step.name]
            under_way[pool.submit(run.do, step)] = step.name
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            del under_way[future]
            future.result()


class _Run:
    def __init__(self, cache: Path, progress: Progress) -> None:
        self.running = Running()
        self._progress = progress
        self._durations = cache / "durations"
        self._logs = cache / "logs"
        self._heavy = threading.Semaphore(HEAVY_AT_ONCE)
        for folder in (self._durations, self._logs):
            folder.mkdir(parents=True, exist_ok=True)

    def do(self, step: Step) -> None:
        if not step.heavy:
            return self._do(step)
        with self._heavy:
            return self._do(step)

    def _do(self, step: Step) -> None:
        self._progress.start(step.name, self._last_seconds(step))
        step.target.parent.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{step.target.name}.log"
        try:
            with self._locked(step):
                made = not step.target.exists() and self._make(step, log)
        except (CommandError, OSError) as error:
            self._progress.fail(step.name)
            raise StepError(f"{step.name}: {error}\n  (its whole log: {log})") from error
        self._progress.finish(step.name, "" if made else "made by another checkout")

    def _make(self, step: Step, log: Path) -> bool:
        started = time.monotonic()
        log.write_bytes(b"")
        commands = Commands(self.running, log)
        if step.resumable:
            step.build(step.target.parent, commands)
        else:
            _make_whole(step, commands)
        (self._durations / step.target.name).write_text(f"{time.monotonic() - started:.1f}")
        return True

    def _last_seconds(self, step: Step) -> float | None:
        try:
            return float((self._durations / step.target.name).read_text())
        except (FileNotFoundError, ValueError):
            return None

    @contextmanager
    def _locked(self, step: Step) -> Iterator[None]:
        with step.target.with_name(f".{step.target.name}.lock").open("w") as lock:
            while not _try_lock(lock):
                if self.running.cancelled:
                    raise CommandError("interrupted")
                self._progress.note(step.name, "another checkout is at it")
                time.sleep(LOCK_POLL_SECONDS)
            self._progress.note(step.name, "")
            yield


def _try_lock(lock: IO[str]) -> bool:
    # Polled, since a thread that waits inside flock() can't be interrupted.
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_whole(step: Step, commands: Commands) -> None:
    # Under the lock, what another run left half made is nobody's.
    for stale in step.target.parent.glob(f"{step.target.name}.partial-*"):
        shutil.rmtree(stale, ignore_errors=True)
    partial = step.target.with_name(f"{step.target.name}.partial-{os.getpid()}")
    partial.mkdir()
    try:
        step.build(partial, commands)
        partial.rename(step.target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
