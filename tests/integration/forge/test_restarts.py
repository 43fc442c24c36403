"""An instance that ends at the worst moment: the next one knows everything from the repository and the forge."""

from __future__ import annotations

import pytest

from contract.targets.rows import deleted, saved
from gitea_server import GiteaRepository
from rowcast.core.errors import TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered
from rowcast.core.row import app_config

from .review import HEAD, Review, path_of, stages

pytestmark = pytest.mark.anyio

A, B, C = (app_config(number) for number in (1, 2, 3))


async def test_the_next_instance_goes_on_with_the_same_request(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as first:
        await first.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
        await first.deliver([deleted(2, 2, "b"), saved(3, 1, "c")])
    async with review.target() as second:
        assert {int(held.row.key) for held in await second.inventory()} == {1, 3}
        results = await second.deliver([saved(1, 1, "a"), saved(3, 2, "c")])

        assert results[A] == Delivered(Outcome.UNCHANGED, repository.tip(HEAD))
        assert results[A].stage == "proposed"  # type: ignore[union-attr]
        assert [pull["title"] for pull in repository.pulls("all")] == ["Create a and c"]


async def test_a_push_without_a_request_gets_its_request(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as first:
        review.token_file.unlink()
        with pytest.raises(TransientError, match="token cannot be read"):
            await first.deliver([saved(1, 1, "a")])
        assert HEAD in repository.branches()
    review.give_token()
    async with review.target() as second:
        await second.look()
        assert [pull["title"] for pull in repository.pulls()] == ["Create a"]
        assert stages(review.news) == [(1, 1, "created", "proposed")]


@pytest.mark.parametrize("branch_goes", [False, True], ids=["branch kept", "branch deleted"])
async def test_what_is_merged_in_between_is_told(
    review: Review, repository: GiteaRepository, branch_goes: bool
) -> None:
    async with review.target() as first:
        await first.deliver([saved(1, 1, "a")])
        repository.merge(repository.pulls()[0]["number"])
        await first.look()
        await first.deliver([saved(1, 2, "a"), saved(2, 1, "b")])
    review.news.clear()
    repository.merge(repository.pulls()[0]["number"], "squash", delete_branch_after_merge=branch_goes)
    async with review.target(grace=0) as second:
        await second.look()
        assert stages(review.news) == [(1, 2, "configured", None), (2, 1, "created", None)]
        assert repository.branches() == {"main"}


async def test_a_persons_no_is_remembered(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as first:
        await first.deliver([saved(1, 1, "a")])
    repository.close(repository.pulls()[0]["number"])
    async with review.target() as second:
        await second.look()
        assert "closed by bob" in (review.news[0].result.trouble or "")
        assert repository.pulls() == []
    repository.ask("DELETE", "/branches/rowcast/main")
    async with review.target() as third:
        review.news.clear()
        await third.look()
        assert "closed by bob" in (review.news[0].result.trouble or "")
        assert repository.pulls() == []
        await third.deliver([saved(2, 1, "b")])
        assert [pull["title"] for pull in repository.pulls()] == ["Create a and b"]


async def test_what_was_withdrawn_does_not_come_back(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as first:
        await first.deliver([saved(1, 1, "a")])
        await first.deliver([deleted(1, 2, "a")])
    async with review.target() as second:
        await second.look()
        assert list(await second.inventory()) == []
        assert review.news == []
        assert repository.branches() == {"main"}


async def test_a_file_of_ours_is_shown_as_it_is_proposed(review: Review) -> None:
    async with review.target() as first:
        await first.deliver([saved(1, 1, "a")])
    async with review.target() as second:
        shown = await second.live(A)
        assert shown is not None
        assert shown.place == path_of("a")
        assert "release-1" in shown.text
        preview = await second.preview(saved(1, 2, "a"))
        assert preview.live == shown
