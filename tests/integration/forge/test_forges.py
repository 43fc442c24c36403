"""What every forge has to do: a real Gitea does it, GitHub and GitLab as far as their descriptions say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rowcast.core.errors import TransientError
from rowcast.sync.forges.port import Forge, State

from .forge_places import ForgePlace, GiteaPlace, GitHubPlace, GitLabPlace

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["gitea", "github", "gitlab"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> ForgePlace:
    token_file = tmp_path / "token"
    made: ForgePlace
    if request.param == "gitea":
        made = GiteaPlace(request.getfixturevalue("repository"), token_file)
    else:
        made = GitHubPlace(token_file) if request.param == "github" else GitLabPlace(token_file)
    made.branch("topic")
    return made


@pytest.fixture
async def forge(place: ForgePlace) -> AsyncIterator[Forge]:
    made = place.forge()
    yield made
    await made.aclose()


async def test_a_branch_without_a_request_has_none(forge: Forge) -> None:
    assert await forge.find("topic", "main") is None


async def test_what_was_opened_is_found(forge: Forge) -> None:
    opened = await forge.open("topic", "main", "A title", "A *body*\n\nof two lines")

    found = await forge.find("topic", "main")
    assert found is not None
    assert (found.number, found.url, found.state) == (opened.number, opened.url, State.OPEN)
    assert (found.title, found.body, found.by) == ("A title", "A *body*\n\nof two lines", None)
    assert found.ref.endswith(f"/{found.number}/head")
    assert await forge.find("another", "main") is None


async def test_title_and_body_are_changed(forge: Forge) -> None:
    number = (await forge.open("topic", "main", "A title", "")).number
    changed = await forge.update(number, "Another title", "Another body")
    assert (changed.title, changed.body, changed.state) == ("Another title", "Another body", State.OPEN)
    assert (await forge.get(number)).title == "Another title"


async def test_closing_says_why(forge: Forge, place: ForgePlace) -> None:
    number = (await forge.open("topic", "main", "A title", "")).number
    closed = await forge.close(number, "Nothing is left.")
    assert (closed.state, closed.by) == (State.CLOSED, "rowcast")
    assert place.comments(number) == ["Nothing is left."]


async def test_it_tells_who_closed_it(forge: Forge, place: ForgePlace) -> None:
    number = (await forge.open("topic", "main", "A title", "")).number
    place.close(number)
    found = await forge.find("topic", "main")
    assert found is not None
    assert (found.number, found.state, found.by) == (number, State.CLOSED, "bob")


async def test_it_tells_who_merged_it(forge: Forge, place: ForgePlace) -> None:
    number = (await forge.open("topic", "main", "A title", "")).number
    place.merge(number)
    found = await forge.find("topic", "main")
    assert found is not None
    assert (found.number, found.state, found.by) == (number, State.MERGED, "bob")


async def test_of_several_the_open_one_is_found_and_else_the_newest(forge: Forge, place: ForgePlace) -> None:
    first = await forge.open("topic", "main", "First", "")
    place.close(first.number)
    second = await forge.open("topic", "main", "Second", "")
    found = await forge.find("topic", "main")
    assert found is not None
    assert (found.number, found.state) == (second.number, State.OPEN)
    place.close(second.number)
    found = await forge.find("topic", "main")
    assert found is not None
    assert (found.number, found.state) == (second.number, State.CLOSED)


async def test_a_second_request_is_refused(forge: Forge) -> None:
    await forge.open("topic", "main", "First", "")
    with pytest.raises(TransientError, match=r"(409|422) \(.*already exists"):
        await forge.open("topic", "main", "Second", "")


async def test_an_expired_token_is_told_and_a_new_one_is_read(forge: Forge, place: ForgePlace) -> None:
    await forge.find("topic", "main")
    place.new_token()
    with pytest.raises(TransientError, match=r"answered 401 \(.+\): the token is wrong, expired or revoked"):
        await forge.find("topic", "main")
    place.hand_out()
    assert await forge.find("topic", "main") is None


async def test_a_repository_that_is_not_there_is_told(place: ForgePlace) -> None:
    forge = place.forge("acme/nothing")
    with pytest.raises(TransientError, match=r"answered 404 \(.+\): is the repository named right"):
        await forge.find("topic", "main")
    await forge.aclose()
