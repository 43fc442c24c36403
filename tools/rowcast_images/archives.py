"""The docker-archives in the cache, and elsewhere."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

KEPT = 2


@dataclass(frozen=True)
class Made:
    """One image, as it was made; `only_archive`: its builder has no storage in which people would look for it."""

    name: str
    reference: str
    archive: Path
    sbom: Path | None
    only_archive: bool = True

    @property
    def bytes(self) -> int:
        """The size of the archive, in bytes: that of all its layers, not compressed."""
        return self.archive.stat().st_size


def place(made: Sequence[Made], output: Path) -> tuple[Made, ...]:
    """Puts archives (as `<name>.tar`) and bills of materials into `output`, which is made. Costs no space if it can."""
    output.mkdir(parents=True, exist_ok=True)
    placed = []
    for image in made:
        archive = _link(image.archive, output / f"{image.name}.tar")
        sbom = _link(image.sbom, output / f"{image.name}.cdx.json") if image.sbom else None
        placed.append(replace(image, archive=archive, sbom=sbom))
    return tuple(placed)


def forget_old(cache: Path, name: str) -> None:
    """Removes all archives of an image from the cache but the newest."""
    # Names such as git-server-0123456789ab: twelve digits, and no image's name ends like that.
    versions = sorted(cache.glob(f"{name}-{'[0-9a-f]' * 12}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in versions[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def _link(source: Path, target: Path) -> Path:
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
    return target
