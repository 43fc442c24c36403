"""`rowcast reconcile`: what it prints, and its exit codes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from rowcast.cli import app

PLAN = [{"kind": "orphaned", "row_id": 1}]


def run_of(state: str, **other: Any) -> dict[str, Any]:
    return {
        "state": state,
        "started_at": "t",
        "finished_at": "t",
        "dry_run": False,
        "progress": {"done": 0, "total": 0},
        "error": None,
        "plan": [],
        "text": ["3 rows in the table, 3 at the target: 0 missing, 0 different, 0 orphaned"],
        "outcomes": {},
        "skipped": 0,
        "failed": [],
        **other,
    }


class Instance:
    """Answers as a sync instance would: the run first, then what it has become."""

    def __init__(self) -> None:
        self.status = 200
        self.busy = 0
        self.answers: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        instance = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                instance.asked.append(orjson.loads(body))
                if instance.busy:
                    instance.busy -= 1
                    self._answer({"detail": "a reconcile by period is running"}, 409)
                else:
                    self._answer(instance.answers.pop(0))

            def do_GET(self) -> None:
                self._answer({"current": None, "last": instance.answers.pop(0)})

            def _answer(self, body: dict[str, Any], status: int | None = None) -> None:
                self.send_response(status or instance.status)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(orjson.dumps(body))

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def instance() -> Iterator[Instance]:
    instance = Instance()
    thread = threading.Thread(target=instance.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield instance
    instance.server.shutdown()
    thread.join()
    instance.server.server_close()


def command(instance: Instance, *options: str) -> Any:
    return CliRunner().invoke(app, ["reconcile", "--target", "k8s", "--url", instance.url, *options])


@pytest.mark.parametrize(
    ("options", "answer", "code"),
    [
        ([], run_of("done"), 0),
        ([], run_of("done", plan=PLAN, outcomes={"deleted": 1}), 0),
        (["--dry-run"], run_of("done", dry_run=True), 0),
        (["--dry-run"], run_of("done", dry_run=True, plan=PLAN), 3),
        (["--dry-run"], run_of("refused", dry_run=True, plan=PLAN, error="would prune"), 1),
        ([], run_of("refused", plan=PLAN, error="would prune"), 1),
        ([], run_of("failed", error="crud is away"), 1),
    ],
    ids=["in sync", "put right", "dry, in sync", "dry, differences", "dry, refused", "refused", "failed"],
)
def test_the_exit_code_says_how_it_went(
    instance: Instance, options: list[str], answer: dict[str, Any], code: int
) -> None:
    instance.answers = [answer]

    ran = command(instance, *options)

    assert ran.exit_code == code, ran.output
    assert answer["text"][0] in ran.output
    assert answer["error"] is None or answer["error"] in ran.output


def test_a_long_run_is_followed_to_its_end(instance: Instance) -> None:
    instance.answers = [run_of("delivering", finished_at=None), run_of("done", outcomes={"created": 9})]

    ran = command(instance)

    assert (ran.exit_code, "done: 9 created" in ran.output) == (0, True)


def test_pruning_all_is_asked_for_by_its_option_only(instance: Instance) -> None:
    instance.answers = [run_of("done"), run_of("done")]

    command(instance)
    command(instance, "--yes-prune-all")

    assert [asked["prune_limit"] for asked in instance.asked] == [None, 1.0]


def test_one_that_runs_already_is_waited_for_since_it_began_before_this_was_asked(instance: Instance) -> None:
    instance.busy, instance.answers = 2, [run_of("done")]

    ran = command(instance)

    assert (ran.exit_code, len(instance.asked)) == (0, 3)
    assert "waiting: a reconcile by period is running" in ran.output


def test_an_instance_that_is_away_is_said_in_a_line() -> None:
    ran = CliRunner().invoke(app, ["reconcile", "--target", "git", "--url", "http://127.0.0.1:1"])

    assert (ran.exit_code, "cannot be reached" in ran.output) == (1, True)
