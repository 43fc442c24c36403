"""A commit is released only if it is what its tag says, and all that keeps it from that is said at once."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from rowcast_release.errors import ReleaseError
from rowcast_release.readiness import Facts, facts, problems, version_of, versions

CHECKOUT = Path(__file__).parents[3]
READY = Facts(
    tag="v1.2.3",
    tags=("latest", "v1.2.3"),
    changed=(),
    versions={"pyproject.toml: version": "1.2.3", "charts/rowcast/Chart.yaml: appVersion": "1.2.3"},
    changelog="# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-29\n",
)


def test_a_commit_that_is_what_its_tag_says_is_ready() -> None:
    assert problems(READY) == []


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = Facts("v1.3.0", ("v1.2.3",), ("README.md",), READY.versions, READY.changelog)

    assert problems(wrong) == [
        "pyproject.toml: version is 1.2.3, and not 1.3.0",
        "charts/rowcast/Chart.yaml: appVersion is 1.2.3, and not 1.3.0",
        "the commit has no tag v1.3.0: git tag --annotate v1.3.0",
        "Git has not all of it: commit or remove README.md",
        "CHANGELOG.md has no line `## [1.3.0] - YYYY-MM-DD`: give what is unreleased its version",
    ]


@pytest.mark.parametrize("line", ["## [1.2.3]", "## [1.2.30] - 2026-11-29", "### [1.2.3] - 2026-11-29", "## 1.2.3"])
def test_a_changelog_without_the_version_and_its_day_is_not_ready(line: str) -> None:
    assert len(problems(replace(READY, changelog=line + "\n"))) == 1


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v01.2.3", "v1.2.3-rc.1", "v1.2.3\n", "release"])
def test_a_tag_of_another_form_is_refused_with_the_form(tag: str) -> None:
    with pytest.raises(ReleaseError, match=r"none of a release: vMAJOR\.MINOR\.PATCH"):
        version_of(tag)


def test_every_part_of_the_chart_is_asked_for_its_version() -> None:
    """An image's default tag is the appVersion of the part that it belongs to."""
    found = versions(CHECKOUT)

    parts = [file.parent.name for file in CHECKOUT.glob("charts/rowcast/charts/*/Chart.yaml")]
    assert {f"charts/rowcast/charts/{part}/Chart.yaml: version" for part in parts} <= found.keys()
    assert {f"charts/rowcast/Chart.yaml: {part}" for part in parts} <= found.keys()
    assert len(set(found.values())) == 1, found


def test_the_tag_is_the_commits_or_what_it_would_be(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        person = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *person, *words], check=True, capture_output=True)

    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.4.0"\n')
    (tmp_path / "CHANGELOG.md").touch()
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "First")
    assert facts(tmp_path, None).tag == "v0.4.0"

    git("tag", "nightly")
    git("tag", "v0.5.0")
    (tmp_path / "new").touch()
    known = facts(tmp_path, None)

    assert (known.tag, known.tags, known.changed) == ("v0.5.0", ("nightly", "v0.5.0"), ("new",))
