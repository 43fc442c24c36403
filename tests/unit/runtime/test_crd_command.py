"""`rowcast crd apply` where there is no cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rowcast.cli import app


def test_without_a_cluster_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(variable, raising=False)

    ran = CliRunner().invoke(app, ["crd", "apply"])

    assert (ran.exit_code, "KUBECONFIG names one" in ran.stderr) == (1, True)


def test_an_api_server_that_is_away_is_tried_until_time_is_up(tmp_path: Path) -> None:
    place = {
        "clusters": [{"name": "away", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "away", "context": {"cluster": "away", "user": "me"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "current-context": "away",
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(place))

    ran = CliRunner(env={"KUBECONFIG": str(kubeconfig)}).invoke(app, ["crd", "apply", "--timeout", "0"])

    assert (ran.exit_code, "not within 0 s: API server" in ran.stderr) == (3, True)
