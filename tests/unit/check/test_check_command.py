"""`rowcast check`: the life of one configuration, and what is left of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from rowcast.check import sidecar
from rowcast.cli import app
from unit.check.fake_crud import FakeCrud


def check(*options: str) -> Any:
    return CliRunner().invoke(app, ["check", *options])


def test_it_makes_a_configuration_and_follows_it_until_it_is_gone(crud: FakeCrud) -> None:
    ran = check()

    assert ran.exit_code == 0, ran.output
    times = r"saved \d+ ms, k8s \d+ ms, git \d+ ms"
    *steps, last = ran.stdout.splitlines()
    assert [bool(re.fullmatch(f"{step}: {times}", line)) for step, line in zip(STEPS, steps, strict=True)] == [True] * 4
    assert last.startswith("all arrived: ")
    assert (crud.rows, len(crud.gone)) == ({}, 1)
    assert "POST /v1.0/shutdown" not in crud.paths


STEPS = ("create", "update", "rename", "delete")


def test_it_waits_for_its_sidecar_and_for_crud(crud: FakeCrud) -> None:
    crud.failures = [500, 503]

    assert check().exit_code == 0
    assert crud.paths[:5] == ["GET /v1.0/healthz/outbound", "GET /v1.0/metadata", *["GET /appconfigs"] * 3]


@pytest.mark.parametrize(
    ("version", "old"), [("1.18.1", True), ("1.9.9", True), ("v2.0.0-rc.1", False), ("edge", False)]
)
def test_a_dapr_that_is_too_old_is_named_and_any_other_is_not(crud: FakeCrud, version: str, old: bool) -> None:
    crud.dapr = version

    ran = check()

    assert ran.exit_code == 0
    assert (f"this is Dapr {version}, and 1.18.2 or later is needed" in ran.stderr) is old


@pytest.mark.parametrize(("how", "code"), [("fails", 1), ("never", 3)])
def test_a_configuration_that_does_not_arrive_leaves_nothing_behind(crud: FakeCrud, how: str, code: int) -> None:
    crud.behaviour["git"] = how

    ran = check("--timeout", "1")

    assert (ran.exit_code, crud.rows) == (code, {})
    assert "stopped at: create" in ran.stderr
    assert f"git: {'failed' if how == 'fails' else 'pending'}" in ran.stderr


def test_a_target_that_is_not_asked_for_may_fail(crud: FakeCrud) -> None:
    crud.behaviour["git"] = "fails"

    assert check("--target", "k8s").exit_code == 0


def test_a_target_that_there_is_not_is_code_2(crud: FakeCrud) -> None:
    ran = check("--target", "moon")

    assert (ran.exit_code, crud.rows) == (2, {})


@pytest.mark.parametrize("how", ["arrives", "fails"])
def test_its_sidecar_ends_with_it_when_asked_to_also_after_a_failure(
    crud: FakeCrud, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAPR_API_TOKEN", "secret")
    crud.behaviour["k8s"] = how

    check("--shutdown-sidecar")

    method, path, headers = crud.requests[-1]
    assert (method, path, headers["dapr-api-token"]) == ("POST", "/v1.0/shutdown", "secret")


def test_a_sidecar_that_is_not_there_is_code_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAPR_HTTP_PORT", "1")
    monkeypatch.delenv("ROWCAST_CRUD_URL", raising=False)
    monkeypatch.setattr(sidecar, "SHUTDOWN_SECONDS", 0.1)

    ran = check("--timeout", "1", "--shutdown-sidecar")

    assert (ran.exit_code, "no sidecar answers at http://127.0.0.1:1" in ran.stderr) == (3, True)
    assert "the sidecar does not end" in ran.stderr


def test_an_answer_that_got_lost_makes_no_second_configuration(crud: FakeCrud) -> None:
    real, lost = crud.answer, [True]

    def answer(method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if (method, path) == ("POST", "/appconfigs"):
            if lost:
                lost.clear()
                real(method, path, query, body)
                return 502, {"message": "the answer got lost"}
            return 409, {"detail": "the name is taken"}
        return real(method, path, query, body)

    crud.answer = answer  # type: ignore[method-assign]

    assert check().exit_code == 0
    assert len(crud.gone) == 1


def test_a_pod_that_is_stopped_cleans_up_first(crud: FakeCrud) -> None:
    crud.behaviour["git"] = "never"
    command = [sys.executable, "-c", "from rowcast.cli import app; app()", "check", "--shutdown-sidecar"]
    process = subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    while not crud.looks:
        assert process.poll() is None

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)

    assert (process.returncode, crud.rows, crud.paths[-1]) == (143, {}, "POST /v1.0/shutdown")
