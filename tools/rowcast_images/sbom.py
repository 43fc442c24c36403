"""A software bill of materials beside each archive, when a tool that writes one is on this machine."""

import shutil
from pathlib import Path

from rowcast_local.provision.commands import Commands

FILE = "sbom.cdx.json"
TOOLS = ("syft", "trivy")


def sbom_tool() -> str | None:
    """Which tool writes it."""
    return next((tool for tool in TOOLS if shutil.which(tool)), None)


def write_sbom(name: str, archive: Path, commands: Commands) -> None:
    """Writes `sbom.cdx.json` (CycloneDX) of image `name` beside the archive, if there is a tool for it.

    Raises CommandError.
    """
    commands_of = {
        "syft": by_syft("syft", name, archive),
        "trivy": ("trivy", "image", "--format", "cyclonedx", "--output", FILE, "--input", archive.name),
    }
    if tool := sbom_tool():
        commands.run(*commands_of[tool], folder=archive.parent)


def by_syft(syft: str | Path, name: str, archive: Path) -> tuple[str, ...]:
    """The command by which a syft writes it, in the archive's folder; else it would say where that is, to everybody."""
    what = (f"docker-archive:{archive.name}", "--source-name", f"rowcast/{name}")
    return (str(syft), *what, "--output", f"cyclonedx-json={FILE}")
