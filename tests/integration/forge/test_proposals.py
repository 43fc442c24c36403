"""Rows by pull request, at a real Gitea."""

from __future__ import annotations

import pytest

from contract.targets.rows import deleted, saved
from gitea_server import GiteaRepository
from rowcast.core.errors import TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered
from rowcast.core.row import app_config

from .review import HEAD, Review, path_of, stages, until

pytestmark = pytest.mark.anyio

A, B = app_config(1), app_config(2)


async def test_a_row_is_proposed_and_committed_when_a_person_merges_it(
    review: Review, repository: GiteaRepository
) -> None:
    async with review.target(poll=0.2, grace=0) as target:
        results = await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])

        (pull,) = repository.pulls()
        proposed = results[A]
        assert isinstance(proposed, Delivered)
        assert (proposed.outcome, proposed.stage, proposed.link) == (Outcome.CREATED, "proposed", pull["html_url"])
        assert proposed.reference == repository.tip(HEAD)
        assert pull["title"] == "Create a and b"
        assert f"- create **a**, generation 1: `{path_of('a')}`" in pull["body"]
        assert repository.file(path_of("a")) is None
        assert review.news == []

        repository.merge(pull["number"])
        await until(lambda: len(review.news) >= 2)

        assert stages(review.news) == [(1, 1, "created", None), (2, 1, "created", None)]
        assert {one.result.reference for one in review.news} == {repository.tip()}
        assert "release-1" in (repository.file(path_of("a")) or "")
        await until(lambda: HEAD not in repository.branches())
        assert repository.pulls("closed")[0]["merged"]
        assert [int(held.row.key) for held in await target.inventory()] == [1, 2]


@pytest.mark.parametrize("how", ["squash", "rebase"])
async def test_it_is_committed_however_it_is_merged(review: Review, repository: GiteaRepository, how: str) -> None:
    async with review.target() as target:
        await target.deliver([saved(1, 1, "a")])
        await target.deliver([saved(1, 2, "a"), saved(2, 1, "b")])
        repository.merge(repository.pulls()[0]["number"], how)

        await target.look()

        assert stages(review.news) == [(1, 2, "created", None), (2, 1, "created", None)]
        results = await target.deliver([saved(1, 3, "a")])
        assert results[A] == Delivered(Outcome.CONFIGURED, repository.tip(HEAD))
        assert [pull["title"] for pull in repository.pulls()] == ["Update a"]
        assert review.log(HEAD)[0] == "Update a"


async def test_changes_while_it_is_open_go_into_the_same_request(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as target:
        first = await target.deliver([saved(1, 1, "a")])
        second = await target.deliver([saved(1, 2, "a", actor="dora")])
        await target.deliver([saved(2, 1, "b")])

        (pull,) = repository.pulls()
        assert first[A].link == second[A].link == pull["html_url"]  # type: ignore[union-attr]
        assert pull["title"] == "Create a and b"
        assert "**a**, generation 2" in pull["body"]
        assert review.log(HEAD, "%s by %an") == [
            "Create b by ann",
            "Update a by dora",
            "Create a by ann",
            "Initial commit by bob",
        ]
        assert "release-2" in (repository.file(path_of("a"), HEAD) or "")


async def test_deleting_the_last_proposed_row_closes_the_request(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as target:
        await target.deliver([saved(1, 1, "a")])

        results = await target.deliver([deleted(1, 2, "a")])

        assert results[A] == Delivered(Outcome.DELETED, repository.tip())
        assert results[A].stage is None  # type: ignore[union-attr]
        (pull,) = repository.pulls("closed")
        assert not pull["merged"]
        (comment,) = repository.ask("GET", f"/issues/{pull['number']}/comments")
        assert "Nothing is left to propose" in comment["body"]
        assert repository.branches() == {"main"}

        # A busy Gitea closes requests of the branch that was deleted late, and so this one of the same name.
        await target.deliver([saved(2, 1, "b")])
        await review.until_seen(target, lambda: [pull["title"] for pull in repository.pulls()] == ["Create b"])


async def test_a_deletion_is_proposed_too(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as target:
        await target.deliver([saved(1, 1, "a")])
        repository.merge(repository.pulls()[0]["number"])
        await target.look()
        review.news.clear()

        results = await target.deliver([deleted(1, 2, "a")])
        assert results[A].stage == "proposed"  # type: ignore[union-attr]
        assert repository.file(path_of("a")) is not None
        (pull,) = repository.pulls()
        assert pull["title"] == "Delete a"

        repository.merge(pull["number"], "squash")
        await target.look()
        assert stages(review.news) == [(1, 2, "deleted", None)]
        assert review.news[0].deleted
        assert repository.file(path_of("a")) is None


async def test_a_protected_branch_takes_what_is_merged(review: Review, repository: GiteaRepository) -> None:
    repository.protect()
    with pytest.raises(Exception, match="exit status 1"):
        review.push("main", "direct", "refused\n")

    async with review.target() as target:
        await target.deliver([saved(1, 1, "a")])
        repository.merge(repository.pulls()[0]["number"])
        await target.look()

        assert stages(review.news) == [(1, 1, "created", None)]
        assert repository.file(path_of("a")) is not None


async def test_a_revoked_token_is_told_and_a_new_one_is_taken(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as target:
        repository.server.revoke_tokens("rowcast")

        with pytest.raises(TransientError, match=r"answered 401 .*: the token is wrong, expired or revoked"):
            await target.deliver([saved(1, 1, "a")])
        with pytest.raises(TransientError, match="401"):
            await target.check()
        review.give_token()
        results = await target.deliver([saved(1, 1, "a")])

        assert results[A] == Delivered(Outcome.UNCHANGED, repository.tip(HEAD))
        assert results[A].stage == "proposed"  # type: ignore[union-attr]
        assert [pull["title"] for pull in repository.pulls()] == ["Create a"]
        await target.check()


async def test_a_token_without_the_permission_is_told(review: Review, repository: GiteaRepository) -> None:
    async with review.target() as target:
        review.token_file.write_text(repository.server.token("rowcast", "read:repository", "read:issue"))
        with pytest.raises(TransientError, match=r"answered 403 .*: the token lacks a permission"):
            await target.deliver([saved(1, 1, "a")])
