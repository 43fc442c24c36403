"""Programs that work on Rowcast's packages, or try its tests' patience, by name: `tool("helm")`."""

from functools import cache
from pathlib import Path

from rowcast_local.errors import LocalError
from rowcast_local.paths import cache_folder
from rowcast_local.provision.go_parts import DAPR_CLI, FAULT_TOOLS, PACKAGING_TOOLS, RELEASE_TOOLS
from rowcast_local.provision.golang import GoFiles, GoPart, built_folder
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.toolbox import provide_built


class ToolError(LocalError):
    """There is no such tool; the text names those that there are."""


@cache
def tool(name: str) -> Path:
    """The program `name` of PACKAGING_TOOLS, FAULT_TOOLS or RELEASE_TOOLS (helm, promtool …), as it is pinned here.

    It is built now if it is missing, which takes minutes: `./task test` gets all that it needs before. Raises
    ToolError for an unknown name, and StepError if it can't be built.
    """
    return provide_built([_part(name)], cache_folder(), Progress())[name]


def is_built(name: str) -> bool:
    """Whether `tool` need not build it. Raises ToolError for an unknown name."""
    return built_folder(_part(name), cache_folder()).exists()


def _part(name: str) -> GoPart | GoFiles:
    known = {part.name: part for part in (*PACKAGING_TOOLS, *FAULT_TOOLS, DAPR_CLI, *RELEASE_TOOLS)}
    if name not in known:
        raise ToolError(f"no tool {name}; there is {', '.join(known)}")
    return known[name]
