"""How a connector is, as Kafka Connect tells it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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


def read_status(content: Mapping[str, Any]) -> Status:
    """The answer of `GET /connectors/{name}/status`. Raises KeyError or TypeError if it isn't one."""
    tasks = [TaskStatus(task["id"], task["state"], root_cause(task.get("trace"))) for task in content["tasks"]]
    connector = content["connector"]
    return Status(connector["state"], tasks, root_cause(connector.get("trace")))


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
