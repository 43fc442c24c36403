"""The chart as people get it: one archive, and what it tells them after the install."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

from charting.rendering import CHART
from rowcast_local.provision.tools import tool


def _notes(*settings: str) -> str:
    """What `helm install` says at its end."""
    options = [word for setting in ("global.dapr.requireCrds=false", *settings) for word in ("--set", setting)]
    command = [str(tool("helm")), "install", "rowcast", str(CHART), "--namespace", "team", "--dry-run=client"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:")[2]


def test_the_archive_holds_the_resource_type_itself_and_no_link(tmp_path: Path) -> None:
    subprocess.run(
        [tool("helm"), "package", CHART, "--destination", tmp_path], check=True, capture_output=True, timeout=60
    )
    (archive,) = tmp_path.glob("rowcast-*.tgz")
    with tarfile.open(archive) as packed:
        member = packed.getmember("rowcast/crds/appconfigs.yaml")
        content = packed.extractfile(member)
        names = packed.getnames()

        assert member.isfile()
        assert content is not None
        assert content.read() == (CHART / "crds" / "appconfigs.yaml").read_bytes()
    assert not [name for name in names if "/ci/" in name]


def test_after_the_install_people_know_what_to_do_next() -> None:
    notes = _notes()

    for command in (
        "kubectl -n team get pods -l app.kubernetes.io/instance=rowcast",
        "helm test rowcast -n team --logs",
        "kubectl -n team port-forward service/rowcast-ui 8501:80",
        "kubectl -n team get appconfigs",
        "git clone http://rowcast@localhost:8080/rowcast.git",
    ):
        assert command in notes


def test_they_know_what_stays_when_it_is_removed() -> None:
    notes = _notes()

    for kept in (
        "data-rowcast-postgres-0",
        "data-rowcast-kafka-0",
        "data-rowcast-git-server-0",
        "secret rowcast-postgres",
    ):
        assert kept in notes
    assert "appconfigs.rowcast.dev" in notes


def test_they_are_told_of_the_broker_that_they_have() -> None:
    notes = _notes("global.broker.kind=jetstream")

    assert "The included PostgreSQL and NATS are for an evaluation" in notes
    assert "(global.postgres, global.jetstream)" in notes
    assert "data-rowcast-jetstream-0" in notes
    assert "kafka" not in notes.lower()


def test_they_are_not_told_of_what_is_not_there() -> None:
    notes = _notes(
        "global.targets.git.enabled=false", "check.enabled=false", "ui.enabled=false", "kafka.persistence.enabled=false"
    )

    for absent in ("git clone", "helm test", "port-forward", "data-rowcast-git-server-0", "data-rowcast-kafka-0"):
        assert absent not in notes
