"""A software bill of materials beside each archive, when a tool that writes one is on this machine."""

import shutil
from pathlib import Path

from rowcast_local.provision.commands import Commands

FILE = "sbom.cdx.json"
TOOLS = ("syft", "trivy")


def sbom_tool() -> str | None:
    """Which tool writes it."""
    return next((tool for tool in TOOLS if shutil.which(tool)), None)


def write_sbom(archive: Path, commands: Commands) -> None:
    """Writes `sbom.cdx.json` (CycloneDX) beside the archive, if there is a tool for it. Raises CommandError."""
    target = archive.with_name(FILE)
    commands_of = {
        "syft": by_syft("syft", archive),
        "trivy": ("trivy", "image", "--format", "cyclonedx", "--output", str(target), "--input", str(archive)),
    }
    if tool := sbom_tool():
        commands.run(*commands_of[tool], folder=archive.parent)


def by_syft(syft: str | Path, archive: Path) -> tuple[str, ...]:
    """The command by which a syft writes it."""
    return (str(syft), f"docker-archive:{archive}", "--output", f"cyclonedx-json={archive.with_name(FILE)}")
