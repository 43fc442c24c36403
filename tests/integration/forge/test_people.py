"""What people do to a proposal, and beside it."""

from __future__ import annotations

import pytest

from contract.targets.places import git
from contract.targets.rows import deleted, saved
from gitea_server import GiteaRepository
from rowcast.core.errors import TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered
from rowcast.core.row import RowKey, app_config

from .review import HEAD, Review, path_of, stages

pytestmark = pytest.mark.anyio

A, B = app_config(1), app_config(2)


async def test_a_request_closed_by_a_person_stays_closed_until_a_row_in_it_changes(
    review: Review, repository: GiteaRepository
) -> None:
    async with review.target() as target:
        await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
        (pull,) = repository.pulls()
        repository.close(pull["number"])

        await target.look()
        assert stages(review.news) == [(1, 1, "created", None), (2, 1, "created", None)]
        told = review.news[0].result
        assert told.trouble == (
            f"pull request {pull['number']} was closed by bob without being merged, so main is as before."
            " Reopen it, or change the row: its next change is proposed anew."
        )
        assert told.link == pull["html_url"]
        again = await target.deliver([saved(1, 1, "a")])
        assert again[A].trouble == told.trouble  # type: ignore[union-attr]
        await target.look()
        assert repository.pulls() == []
        assert len(review.news) == 2

        review.news.clear()
        results = await target.deliver([saved(1, 2, "a")])
        (second,) = repository.pulls()
        assert second["number"] != pull["number"]
        assert (results[A].stage, results[A].link) == ("proposed", second["html_url"])  # type: ignore[union-attr]
        assert [(int(one.row.key), one.result.stage, one.result.link) for one in review.news] == [
            (2, "proposed", second["html_url"])
        ]


async def test_a_request_that_a_person_opens_again_is_followed_again(
    review: Review, repository: GiteaRepository
) -> None:
    async with review.target() as target:
        await target.deliver([saved(1, 1, "a")])
        (pull,) = repository.pulls()
        repository.close(pull["number"])
        await target.look()
        review.news.clear()

        repository.ask("PATCH", f"/pulls/{pull['number']}", json={"state": "open"})
        await target.look()

        assert stages(review.news) == [(1, 1, "created", "proposed")]
        assert review.news[0].result.trouble is None


async def test_a_branch_that_a_person_deletes_is_made_again_by_the_next_change(
    review: Review, repository: GiteaRepository
) -> None:
    async with review.target() as target:
        await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
        repository.ask("DELETE", "/branches/rowcast/main")

        # Gitea closes the request of a branch that is gone a little later.
        while not repository.pulls("closed"):
            await target.look()
        await target.look()
        assert "closed by bob without being merged" in (review.news[-1].result.trouble or "")
        assert repository.branches() == {"main"}

        await target.deliver([saved(1, 2, "a")])
        assert [pull["title"] for pull in repository.pulls()] == ["Create a and b"]
        assert repository.file(path_of("b"), HEAD) is not None


async def test_when_the_branch_moves_the_proposal_is_made_again_on_its_tip(
    review: Review, repository: GiteaRepository
) -> None:
    async with review.target() as target:
        await target.deliver([saved(1, 1, "a")])
        await target.deliver([saved(1, 2, "a"), saved(2, 1, "b")])
        theirs = review.push("main", "theirs", "theirs\n")

        await target.look()

        assert review.log(HEAD, "%H")[2] == theirs
        assert review.log(HEAD)[:3] == ["Create b, update a", "Create a", "Bob was here"]
        assert len(repository.pulls()) == 1
        repository.merge(repository.pulls()[0]["number"])
        assert repository.file("theirs") == "theirs\n"


async def test_an_edit_of_the_same_file_makes_no_conflict(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as target:
        await target.deliver([saved(1, 1, "a")])
        repository.merge(repository.pulls()[0]["number"])
        await target.deliver([saved(1, 2, "a")])
        content = repository.file(path_of("a")) or ""
        review.push("main", path_of("a"), content.replace("release-1", "mine"))

        await target.look()

        (pull,) = repository.pulls()
        repository.merge(pull["number"])
        assert "release-2" in (repository.file(path_of("a")) or "")


async def test_an_edit_of_what_is_merged_is_drift(review: Review, repository: GiteaRepository) -> None:
    drifted: list[RowKey] = []
    async with review.target() as target:
        target.listen(drifted.append)
        await target.deliver([saved(1, 1, "a")])
        repository.merge(repository.pulls()[0]["number"])
        await target.look()
        assert drifted == []
        content = repository.file(path_of("a")) or ""
        review.push("main", path_of("a"), content.replace("release-1", "mine"))

        await target.look()
        assert drifted == [A]
        assert repository.pulls() == []


async def test_what_a_reviewer_pushed_is_not_overwritten(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as target:
        await target.deliver([saved(1, 1, "a")])
        (pull,) = repository.pulls()
        theirs = review.push(HEAD, "note", "theirs\n")

        with pytest.raises(TransientError, match=rf"pushed to rowcast/main \({theirs[:10]} by Bob\).*merge pull req"):
            await target.deliver([saved(1, 2, "a")])
        await target.look()
        assert repository.tip(HEAD) == theirs
        async with review.target() as after_a_restart:
            with pytest.raises(TransientError, match="somebody else has pushed"):
                await after_a_restart.deliver([saved(2, 1, "b")])
        assert repository.tip(HEAD) == theirs

        repository.merge(pull["number"], "squash")
        results = await target.deliver([saved(1, 2, "a")])
        assert results[A] == Delivered(Outcome.CONFIGURED, repository.tip(HEAD))
        assert repository.file("note") == "theirs\n"
        assert [pull["title"] for pull in repository.pulls()] == ["Update a"]


async def test_the_base_merged_into_our_branch_is_no_ones_change(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as target:
        await target.deliver([saved(1, 1, "a")])
        review.push("main", "theirs", "theirs\n")
        (pull,) = repository.pulls()
        repository.ask("POST", f"/pulls/{pull['number']}/update")
        async with review.target() as after_a_restart:
            assert [int(held.row.key) for held in await after_a_restart.inventory()] == [1]

        results = await target.deliver([saved(1, 2, "a")])

        assert results[A].stage == "proposed"  # type: ignore[union-attr]
        assert review.log(HEAD)[:3] == ["Update a", "Create a", "Bob was here"]


async def test_a_file_that_is_not_ours_is_left_alone(review: Review, repository: GiteaRepository) -> None:
    review.push("main", path_of("a"), "theirs\n")
    async with review.target() as target:
        results = await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])

        assert "not managed by rowcast" in str(results[A].error)  # type: ignore[union-attr]
        assert results[B].stage == "proposed"  # type: ignore[union-attr]
        assert [pull["title"] for pull in repository.pulls()] == ["Create b"]


async def test_an_empty_repository_is_told(review: Review, repository: GiteaRepository) -> None:
    review.repository.ask("PATCH", "", json={"default_branch": "main"})
    clone = review.clone("main")
    git("-C", str(clone), "push", "--quiet", "origin", "HEAD:other")
    repository.ask("PATCH", "", json={"default_branch": "other"})
    repository.ask("DELETE", "/branches/main")
    with pytest.raises(TransientError, match="there is no branch main to propose to"):
        async with review.target():
            pass


async def test_an_older_event_changes_nothing(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as target:
        await target.deliver([saved(1, 3, "a")])
        tip = repository.tip(HEAD)
        results = await target.deliver([saved(1, 2, "a"), deleted(2, 2, "b")])
        assert results[A] == Delivered(Outcome.STALE)
        assert results[B] == Delivered(Outcome.UNCHANGED, repository.tip())
        assert repository.tip(HEAD) == tip
