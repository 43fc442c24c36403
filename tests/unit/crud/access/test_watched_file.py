"""A file of who may do what is used whole or not at all, as it is now."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from rowcast.crud.access.issuers import Issuer, read_issuers
from rowcast.crud.access.watched_file import LOOK_SECONDS, WatchedFile

GOOD = "issuers: [{issuer: 'https://issuer.example', audiences: [rowcast]}]"
OTHER = "issuers: [{issuer: 'https://other.example', audiences: [rowcast]}]"


class Watching:
    """The issuers of a file, and a clock that only a look moves on."""

    def __init__(self, path: Path) -> None:
        self.path, self.now = path, 0.0
        nothing: Sequence[Issuer] = ()
        self.file = WatchedFile("the issuers", path, read_issuers, nothing, lambda: self.now)

    def look(self) -> tuple[list[str], str | None]:
        self.now += LOOK_SECONDS
        return [each.issuer for each in self.file.content], self.file.fault


@pytest.fixture
def watching(tmp_path: Path) -> Watching:
    path = tmp_path / "issuers.yaml"
    path.write_text(GOOD)
    return Watching(path)


def test_what_a_file_says_is_used_as_it_changes(watching: Watching) -> None:
    assert watching.look() == (["https://issuer.example"], None)
    watching.path.write_text(OTHER)
    assert watching.look() == (["https://other.example"], None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("issuers: [", "no YAML"),
        (GOOD[:-1] + ", {issuer: 'https://other.example'}]", "issuers.1.audiences: Field required"),
        (GOOD[:-1] + ", {issuer: 'http://other.example', audiences: [rowcast]}]", "issuers.1.issuer.*https"),
        (GOOD[:-1] + GOOD[9:].replace("[", ", ", 1), "there twice"),
        ("[" * 10_000, "no YAML"),
        ("#" * 1024 * 1024 + "#", "more than 1048576 bytes"),
        (None, "can't be read"),
    ],
)
def test_a_wrong_one_is_refused_as_a_whole_and_the_one_before_stays(
    watching: Watching, text: str | None, why: str
) -> None:
    if text is None:
        watching.path.unlink()
    else:
        watching.path.write_text(text)
    issuers, fault = watching.look()
    assert issuers == ["https://issuer.example"]
    assert fault is not None
    assert re.search(why, fault)
    watching.path.write_text(GOOD)
    assert watching.look() == (["https://issuer.example"], None)


def test_before_the_first_good_one_there_is_nothing(tmp_path: Path) -> None:
    watching = Watching(tmp_path / "issuers.yaml")
    assert watching.look()[0] == []
    watching.path.write_text(GOOD)
    assert watching.look() == (["https://issuer.example"], None)
