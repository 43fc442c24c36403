"""What the images are called: `<registry>/rowcast/<name>:<tag>`, as the chart's values have it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from rowcast_local.paths import CHECKOUT

REGISTRY = "ghcr.io"


@dataclass(frozen=True)
class Naming:
    """The part of a reference that all images have in common; `registry` may be empty."""

    registry: str
    tag: str

    def reference(self, name: str) -> str:
        """What the image `name` is called."""
        return "/".join([*filter(None, [self.registry]), "rowcast", f"{name}:{self.tag}"])


def version(checkout: Path = CHECKOUT) -> str:
    """The project's version, which is also the chart's default tag."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    return str(project["version"])
