import subprocess
import sys

import pytest
from typer.testing import CliRunner

from rowcast import __version__, cli

runner = CliRunner()


def test_it_says_its_version() -> None:
    assert runner.invoke(cli.app, ["--version"]).stdout.strip() == f"rowcast {__version__}"


def test_help_lists_every_service() -> None:
    output = runner.invoke(cli.app, ["--help"]).stdout
    assert all(name in output for name in ("crud", "sync", "connector"))


def test_a_service_that_does_not_import_leaves_the_others_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli._SERVICES, "sync", ("rowcast.no_such_module", "…"))
    broken = runner.invoke(cli.app, ["sync", "serve"])
    assert broken.exit_code == 1
    assert "no_such_module" in broken.stderr
    assert runner.invoke(cli.app, ["crud", "--help"]).exit_code == 0


def test_a_command_that_is_the_first_process_of_its_container_ends_when_told() -> None:
    # The kernel keeps from such a process every signal that it has no handler for: a handler shows in the exit code.
    command = [sys.executable, "-c", "from rowcast.cli import app; app()", "crud", "migrate", "--wait"]
    environment = {"ROWCAST_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "waiting for the database" in process.stdout.readline()

    process.terminate()

    assert process.wait(timeout=30) == cli.TERMINATED
    process.stdout.close()


def test_who_runs_a_command_does_not_wait_for_a_server_to_be_imported() -> None:
    services = {"crud", "sync", "capture", "crd", "secrets", "broker", "connector", "renderer", "targets"}
    modules = ", ".join(
        sorted({module.partition(":")[0] for name, (module, _) in cli._SERVICES.items() if name not in services})
    )
    script = f"import sys, {modules}; print(*{{'fastapi', 'starlette', 'sqlalchemy', 'kubernetes'}} & {{*sys.modules}})"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "\n"
