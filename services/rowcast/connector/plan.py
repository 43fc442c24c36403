"""What must change in Connect, and whether what runs there is well. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

_SECRET = re.compile(r"password|secret|token|credential|[.]key$", re.IGNORECASE)
_REFERENCE = re.compile(r"[$][{][^}]+[}]")


class Change(StrEnum):
    """What applying does to the connector."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Difference:
    """One setting; None where it is absent. Secrets are masked already."""

    setting: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.setting} = {self.after}"
        if self.after is None:
            return f"- {self.setting} = {self.before}"
        return f"~ {self.setting} = {self.before} → {self.after}"


@dataclass(frozen=True)
class Plan:
    """The change and its settings, sorted by name."""

    change: Change
    differences: Sequence[Difference]


def plan(desired: Mapping[str, str], current: Mapping[str, str] | None, *, name: str) -> Plan:
    """Compares the wanted settings with those in Connect (None: there is no such connector).

    Connect adds the connector's name to its settings; that is no difference.
    """
    wanted = {**desired, "name": name}
    existing = dict(current or {})
    differences = [
        _difference(setting, existing.get(setting), wanted.get(setting))
        for setting in sorted(wanted.keys() | existing.keys())
        if existing.get(setting) != wanted.get(setting)
    ]
    if current is None:
        return Plan(Change.CREATED, differences)
    return Plan(Change.CONFIGURED if differences else Change.UNCHANGED, differences)


def _difference(setting: str, before: str | None, after: str | None) -> Difference:
    return Difference(setting, _masked(setting, before), _masked(setting, after))


def _masked(setting: str, value: str | None) -> str | None:
    # A reference says where the secret is, not what it is.
    if value is None or not _SECRET.search(setting) or _REFERENCE.fullmatch(value):
        return value
    return "***"


@dataclass(frozen=True)
class TaskStatus:
    """A task's number, its state (RUNNING, FAILED, …) and, if it failed, the first line of why."""

    number: int
    state: str
    error: str | None = None


@dataclass(frozen=True)
class Status:
    """The connector's own state and error, and its tasks'."""

    state: str
    tasks: Sequence[TaskStatus]
    error: str | None = None

    @property
    def running(self) -> bool:
        """A connector can be RUNNING with a failed task or with none yet, and then captures nothing."""
        return self.state == "RUNNING" and bool(self.tasks) and all(task.state == "RUNNING" for task in self.tasks)

    @property
    def failed_tasks(self) -> Sequence[TaskStatus]:
        """The tasks that stay as they are until somebody starts them again."""
        return [task for task in self.tasks if task.state == "FAILED"]

    @property
    def failed(self) -> bool:
        """Whether anything has failed, the connector itself or a task."""
        return self.state == "FAILED" or bool(self.failed_tasks)

    def __str__(self) -> str:
        tasks = ", ".join(f"task {task.number} {task.state}" for task in self.tasks) or "no task yet"
        errors = dict.fromkeys(error for error in (self.error, *(task.error for task in self.tasks)) if error)
        return ": ".join([f"connector {self.state}, {tasks}", *errors])


def root_cause(trace: str | None) -> str | None:
    """The line of a Java trace that says most: the innermost cause, or else the first line."""
    if not trace:
        return None
    lines = trace.strip().splitlines()
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    first = lines[0].strip()
    return _shortened(f"{first} (because of {causes[-1].strip()})" if causes else first)


def _shortened(line: str) -> str:
    # Debezium puts its whole state into the middle of some messages; what is wrong is at either end.
    return line if len(line) <= 400 else f"{line[:150]} … {line[-240:]}"
