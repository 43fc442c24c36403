"""What the tests want of the machine itself: installed if that is possible, or left out by name.

Everything else is downloaded or built (`toolbox`).
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rowcast_local.provision import debian, rabbitmq
from rowcast_local.provision.browser import find_browser
from rowcast_local.provision.debian import PackageError
from rowcast_local.provision.progress import Progress

PROBE_SECONDS = 60.0


@dataclass(frozen=True)
class Need:
    """A program: what it is called, the Debian package that has it, how it is found, and the tests that want it.

    One that answers nothing to the arguments `probe` is there and doesn't run, as without its libraries.
    """

    name: str
    package: str
    find: Callable[[], Path | None]
    tests: str
    probe: tuple[str, ...] = ("--version",)

    def trouble(self) -> str:
        """Why the tests can't have it; empty if they can. Raises PackageError for a choice of the user's that isn't."""
        program = self.find()
        if program is None:
            return f"no {self.name} here (apt-get install {self.package})"
        if not self.probe:
            return ""
        try:
            asked = subprocess.run(
                [program, *self.probe], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"{program} does not run: {error}"
        if asked.returncode:
            last = (asked.stderr.strip() or asked.stdout.strip() or f"exit code {asked.returncode}").splitlines()[-1]
            return f"{program} does not run: {last}"
        return ""


def on_path(name: str) -> Path | None:
    """A program by its name, also where only administrators look."""
    found = shutil.which(name, path=debian.search_path())
    return Path(found).absolute() if found else None


CHROMIUM = Need("Chromium", "chromium", find_browser, "the dashboard in a browser")
SSHD = Need("sshd", "openssh-server", partial(on_path, "sshd"), "Git over SSH", probe=())
GPG = Need("gpg", "gnupg", partial(on_path, "gpg"), "commits signed by OpenPGP")
RABBITMQ = Need("RabbitMQ", rabbitmq.PACKAGE, rabbitmq.obtainable, "all on RabbitMQ", probe=())
NEEDS = (CHROMIUM, SSHD, GPG, RABBITMQ)


def settle_needs(progress: Progress, needs: Sequence[Need] = NEEDS) -> list[str]:
    """Installs what is missing, if this machine lets us; returns what is missing still and for what, a line each."""
    absent = {need.name: need.package for need in needs if need.find() is None}
    if os.geteuid() == 0:
        with suppress(PackageError):  # said below, with what it is for
            debian.provide(progress, absent)
    return [f"{trouble}: {need.tests}" for need in needs if (trouble := need.trouble())]


def must_be_whole(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a test that can't be run here counts as failed: in CI ($CI is set), where nothing may go untested."""
    return environment.get("CI", "").lower() not in ("", "0", "false")


def refuse_or_say(missing: Sequence[str], environment: Mapping[str, str] = os.environ) -> str:
    """One line on what will be left out; empty if nothing is. Raises PackageError where all must run."""
    if not missing:
        return ""
    if must_be_whole(environment):
        raise PackageError(f"with CI set, every test must run; missing here: {'; '.join(missing)}")
    return f"Left out here: {'; '.join(missing)}. All else is run."
