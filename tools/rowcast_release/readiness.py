"""Whether a checkout is the version that its tag names: gathered from files and Git, and judged in one function."""

import re
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from rowcast_images.references import version
from rowcast_release.errors import ReleaseError

TAG = re.compile(r"v((?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*))")
CHART = Path("charts/rowcast")


@dataclass(frozen=True)
class Facts:
    """What a checkout says of itself.

    `tag` is what is to be released, `tags` are those of the commit; `changed` what Git has otherwise, a path each.
    `versions` are all that a file repeats, by where they stand.
    """

    tag: str
    tags: tuple[str, ...]
    changed: tuple[str, ...]
    versions: Mapping[str, str]
    changelog: str


def facts(checkout: Path, tag: str | None) -> Facts:
    """Those of `checkout`, without a tag given: the commit's, or what it would be. Raises ReleaseError without Git."""
    tags = tuple(_git(checkout, "tag", "--points-at", "HEAD"))
    named = tag or next((each for each in tags if TAG.fullmatch(each)), f"v{version(checkout)}")
    changed = tuple(line[3:] for line in _git(checkout, "status", "--porcelain"))
    return Facts(named, tags, changed, versions(checkout), (checkout / "CHANGELOG.md").read_text())


def versions(checkout: Path) -> dict[str, str]:
    """Every place that repeats the version. Each part of the chart has its own: an image's default tag is that."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    found = {"pyproject.toml: version": str(project["version"])}
    for file in sorted((checkout / CHART).rglob("Chart.yaml")):
        chart = yaml.safe_load(file.read_text())
        name = file.relative_to(checkout).as_posix()
        found |= {f"{name}: {key}": str(chart[key]) for key in ("version", "appVersion") if key in chart}
        found |= {f"{name}: {part['name']}": str(part["version"]) for part in chart.get("dependencies", ())}
    return found


def version_of(tag: str) -> str:
    """`1.2.3` for `v1.2.3`. Raises ReleaseError for a tag of another form."""
    found = TAG.fullmatch(tag)
    if found is None:
        raise ReleaseError(f"the tag {tag!r} is none of a release: vMAJOR.MINOR.PATCH, as v1.2.3")
    return found[1]


def problems(known: Facts) -> list[str]:
    """All that keeps these facts from being a release, a sentence each. Raises ReleaseError as `version_of`."""
    wanted = version_of(known.tag)
    found = [f"{where} is {is_}, and not {wanted}" for where, is_ in known.versions.items() if is_ != wanted]
    if known.tag not in known.tags:
        found.append(f"the commit has no tag {known.tag}: git tag --annotate {known.tag}")
    if known.changed:
        found.append(f"Git has not all of it: commit or remove {', '.join(known.changed)}")
    if not re.search(rf"^## \[{re.escape(wanted)}\] - \d{{4}}-\d\d-\d\d$", known.changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md has no line `## [{wanted}] - YYYY-MM-DD`: give what is unreleased its version")
    return found


def _git(checkout: Path, *arguments: str) -> list[str]:
    command = ("git", "-C", str(checkout), *arguments)
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise ReleaseError(f"Git can't say what is to be released: {str(reason).strip()}") from error
