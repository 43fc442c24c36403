"""Keycloak, an identity provider for tests: unpacked, built for one kind of database, and with that database begun."""

import shutil
from pathlib import Path

from rowcast_local.jvm import Artifact, fill
from rowcast_local.provision.commands import Commands
from rowcast_local.provision.step import Step
from rowcast_local.provision.wheels import download_environment

VERSION = "26.7.3"
ARCHIVE = Artifact(
    f"org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz",
    "77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47",
)
ADMINISTRATOR, PASSWORD = "admin", "admin"
"""Of a server that a test has on the loopback for a minute."""


def keycloak_step(cache: Path, java: Path, jgo: Path, needs: tuple[str, ...]) -> Step:
    """Its folder, in which a server writes nothing but `data`, and which works where it is moved to.

    `java` runs it, and `jgo` is the folder of the resolver, which get what they are from the steps `needs`.
    """

    def build(folder: Path, commands: Commands) -> None:
        downloads = folder / "downloads"
        fill(downloads, [ARCHIVE], jgo=jgo, environment=download_environment())
        commands.run("tar", "-xzf", downloads / ARCHIVE.file_name, "--strip-components=1", folder=folder)
        shutil.rmtree(downloads)
        program = folder / "bin" / "kc.sh"
        # Quick to start rather than quick to run: nothing of it runs long.
        environment = {"JAVA": str(java), "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1", "KC_GIVEN": PASSWORD}
        commands.run(program, "build", "--db=dev-file", "--cache=local", folder=folder, environment=environment)
        # The tables and the first realm take longer than all the rest of a start.
        account = ("--username", ADMINISTRATOR, "--password:env", "KC_GIVEN")
        options = ("--optimized", "--http-management-port=0")
        commands.run(program, "bootstrap-admin", "user", *account, *options, folder=folder, environment=environment)

    return Step(f"keycloak {VERSION}", cache / f"keycloak-{VERSION}-{ARCHIVE.sha256[:8]}", build, needs, heavy=True)
