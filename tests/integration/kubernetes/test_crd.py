"""`rowcast crd apply` on a real API server; the definition that others use stays, a test's own one goes again."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from rowcast.cli import app
from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.outcomes import Outcome
from rowcast.crd.apply import ApiServer, apply, check_established
from rowcast.crd.definition import read_definitions
from rowcast.runtime.deadline import Deadline
from rowcast_local.platform import Platform

NAME = "appconfigs.rowcast.dev"
Kubectl = Callable[..., str]


@pytest.fixture
def kubectl(api_server: Platform, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    monkeypatch.setenv("KUBECONFIG", api_server.env()["KUBECONFIG"])
    environment = {**os.environ, **api_server.env()}

    def run(*arguments: str) -> str:
        command = ["kubectl", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout

    return run


@pytest.fixture
def own(kubectl: Kubectl) -> Iterator[dict[str, Any]]:
    """A definition like Rowcast's that only this test uses; with a kind of its own, or kubectl would mix them up."""
    body = copy.deepcopy(read_definitions()[0])
    group = f"g{uuid.uuid4().hex[:8]}.example.com"
    body["metadata"]["name"] = f"others.{group}"
    body["spec"]["group"] = group
    body["spec"]["names"] = {"kind": "Other", "listKind": "OtherList", "plural": "others", "singular": "other"}
    yield body
    kubectl("delete", "crd", body["metadata"]["name"], "--ignore-not-found")


def command(*options: str) -> Any:
    return CliRunner().invoke(app, ["crd", "apply", *options])


def test_a_definition_that_is_not_there_is_created_and_waited_for(kubectl: Kubectl, own: dict[str, Any]) -> None:
    cluster, name = ApiServer(os.environ["KUBECONFIG"]), own["metadata"]["name"]
    with pytest.raises(TransientError):
        check_established(cluster, name)

    assert apply(cluster, own, dry_run=True) is Outcome.CREATED
    assert cluster.get(name) is None
    assert apply(cluster, own, dry_run=False) is Outcome.CREATED
    Deadline(30).until(lambda: check_established(cluster, name))

    kubectl("get", name, "-A")
    assert apply(cluster, own, dry_run=False) is Outcome.UNCHANGED


def test_what_another_version_or_hand_has_left_is_put_right(kubectl: Kubectl) -> None:
    pristine = json.loads(kubectl("get", "crd", NAME, "-o", "json"))["spec"]
    edit = [{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns/0"}]
    kubectl("patch", "crd", NAME, "--type=json", "--patch", json.dumps(edit))

    dry, ran, again = command("--dry-run"), command(), command()

    assert (dry.exit_code, dry.stdout) == (0, f"{NAME}: configured (dry run)\n")
    assert (ran.exit_code, ran.stdout) == (0, f"{NAME}: configured\n")
    assert (again.exit_code, again.stdout) == (0, f"{NAME}: unchanged\n")
    assert json.loads(kubectl("get", "crd", NAME, "-o", "json"))["spec"] == pristine


def test_a_cluster_that_refuses_is_code_1_and_says_why(kubectl: Kubectl, api_server: Platform) -> None:
    config = ["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]
    access = json.loads(kubectl(*config))
    access["users"][0]["user"] = {"token": "nobody"}
    stranger = api_server.state.folder / f"stranger-{uuid.uuid4().hex}"
    stranger.write_text(json.dumps(access))

    ran = CliRunner(env={"KUBECONFIG": str(stranger)}).invoke(app, ["crd", "apply"])

    assert (ran.exit_code, "API server: 401: Unauthorized" in ran.stderr) == (1, True)


def test_a_definition_that_the_server_finds_wrong_is_refused(kubectl: Kubectl, own: dict[str, Any]) -> None:
    own["spec"]["scope"] = "Everywhere"

    with pytest.raises(PermanentError, match="scope"):
        apply(ApiServer(os.environ["KUBECONFIG"]), own, dry_run=False)
