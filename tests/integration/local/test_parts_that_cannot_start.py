"""A real PostgreSQL under the supervisor that can't start: `up` says why at once, in its own words."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rowcast_local.assembly import OWN_SERVICES
from rowcast_local.platform import Platform, PlatformError
from rowcast_local.ports import HOST

OTHERS = (*OWN_SERVICES, "kafka", "connect", "etcd", "kube-apiserver")


@pytest.fixture
def alone() -> Iterator[Platform]:
    """A platform of PostgreSQL alone, which has been ready once."""
    folder = Path(tempfile.mkdtemp(prefix="rowcast-test-"))
    folder.chmod(0o711)
    platform = Platform(folder / "platform", free_ports=True, without=OTHERS)
    try:
        platform.start()
        platform.wait_ready()
        yield platform
    finally:
        platform.destroy()
        shutil.rmtree(folder)


def test_a_program_that_its_account_may_not_run_is_said_at_once(alone: Platform) -> None:
    alone.stop()
    program = alone.state.data / "postgres"
    program.write_bytes(b"")
    program.chmod(0o600)
    alone.__dict__["toolbox"] = replace(alone.toolbox, postgres=program.parent)
    alone.start()

    with pytest.raises(PlatformError) as error:
        alone.wait_ready()

    assert str(error.value).startswith("postgres does not start: exit status 126\n")
    assert f"  cannot run {program}" in str(error.value)
    assert ": Permission denied\n" in str(error.value)


def test_a_program_that_is_not_there_is_said_at_once(alone: Platform) -> None:
    alone.stop()
    alone.__dict__["toolbox"] = replace(alone.toolbox, postgres=alone.state.folder.parent)
    alone.start()

    with pytest.raises(PlatformError, match=r"postgres does not start: exit status 127\n(.*\n)*.*No such file"):
        alone.wait_ready()


def test_one_that_ends_again_and_again_is_told_with_its_last_words(alone: Platform) -> None:
    alone.stop()
    with (alone.blueprint.postgres.data / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = on\n")
    alone.start()

    with pytest.raises(PlatformError, match=r"it ended 3 times \(exit status 1\)\n(.*\n)*.*no_such_setting"):
        alone.wait_ready()


def test_one_whose_port_is_taken_is_not_ready_though_somebody_answers_there(alone: Platform) -> None:
    port = alone.blueprint.postgres.port
    alone.stop_part("postgres")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((HOST, port))
        other.listen()
        alone.start_part("postgres")

        with pytest.raises(PlatformError, match=r"it ended 3 times \(exit status 1\)\n(.*\n)*.*Address already in use"):
            alone.wait_ready(names=["postgres"])
