"""Makes the checkout's `.venv` what the locks say, and becomes go-task. Standard library only; run by `./task`."""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "tools"))

from rowcast_local.pip_settings import uv_environment  # noqa: E402 - it is ours, and found by the line above

VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
BOOTSTRAP = CHECKOUT / "requirements" / "bootstrap.txt"
DEV = CHECKOUT / "requirements" / "dev.txt"
# Written last: an environment without it is not whole, whatever else is there.
STAMP = VENV / "rowcast.stamp"


class BootstrapError(Exception):
    """The environment cannot be made; the text is for the person who wants it."""


def main() -> None:
    """Brings the environment up to date, if it isn't, and hands over to go-task."""
    # As images of Python set it: each of some thousand processes would compile all that it imports once more.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        if _stamp() != _wanted_stamp():
            with _alone():
                if _stamp() != _wanted_stamp():
                    make_environment()
    except BootstrapError as error:
        sys.exit(f"task: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    os.chdir(CHECKOUT)
    command = [str(VENV / "bin" / "task"), *sys.argv[1:]]
    if sys.stdin is not None and sys.stdin.isatty():
        # Ctrl-C reaches the command itself, which is in the terminal's foreground.
        os.execv(command[0], command)
    sys.exit(run_forwarding(command))


def run_forwarding(command: list[str]) -> int:
    """Runs `command` to its end and returns its exit code; signals go on to it and to all that it runs.

    go-task leaves it to the terminal to interrupt what it runs; a CI job's runner signals one process.
    """
    process = subprocess.Popen(command, process_group=0)

    def forward(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, forward)
    code = process.wait()
    return code if code >= 0 else 128 - code


def make_environment() -> None:
    """Makes `.venv`, or mends it. Raises BootstrapError."""
    started = time.monotonic()
    STAMP.unlink(missing_ok=True)
    if not _works():
        if importlib.util.find_spec("ensurepip") is None:
            raise BootstrapError("this Python lacks ensurepip; get it with: apt install python3-venv (or python3-full)")
        _say(f"making .venv with Python {sys.version.split()[0]}")
        _run(sys.executable, "-m", "venv", "--clear", str(VENV))
    _say("installing uv and go-task")
    pip = (str(PYTHON), "-m", "pip", "--disable-pip-version-check")
    _run(*pip, "install", "--quiet", "--require-hashes", "-r", str(BOOTSTRAP))
    _say("installing the locked packages")
    settings = {**uv_environment(PYTHON, os.environ), "VIRTUAL_ENV": str(VENV)}
    uv = (str(VENV / "bin" / "uv"), "pip")
    _run(*uv, "sync", "--quiet", "--require-hashes", str(DEV), str(BOOTSTRAP), environment=settings)
    _run(*uv, "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", str(CHECKOUT), environment=settings)
    STAMP.write_text(_wanted_stamp())
    _say(f"ready after {time.monotonic() - started:.0f} s")


def _wanted_stamp() -> str:
    # A checkout that was moved has scripts that name the old place.
    content = hashlib.sha256(str(CHECKOUT).encode())
    for file in (BOOTSTRAP, DEV, CHECKOUT / "pyproject.toml"):
        content.update(file.read_bytes())
    return content.hexdigest()


def _stamp() -> str:
    try:
        return STAMP.read_text()
    except FileNotFoundError:
        return ""


def _works() -> bool:
    if not PYTHON.exists():
        return False
    check = "import pip, sys; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([str(PYTHON), "-c", check], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    try:
        opened = (CHECKOUT / ".venv.lock").open("w")
    except OSError as error:
        raise BootstrapError(f"{CHECKOUT} can't be written, where .venv would be: {error.strerror}") from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another ./task that makes .venv")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, check=False)
    if done.returncode != 0:
        raise BootstrapError(f"`{' '.join(command[:4])} …` failed with code {done.returncode}")


def _say(text: str) -> None:
    print(f"task: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
