"""When a target may let go of a row that has moved to another one."""

from __future__ import annotations

import pytest

from rowcast.core.moves import Reported, Whereabouts, may_leave


def at(generation: int, outcome: str = "created", *, deleted: bool = False, stage: str | None = None) -> Reported:
    return Reported(generation, deleted, outcome, stage)


def left(**others: Reported | None) -> bool:
    """Whether `k8s` may let go of a row that has left it with generation 5."""
    return may_leave(Whereabouts("prod", 6, {"k8s": at(5, "elsewhere"), **others}), "k8s", 5)


@pytest.mark.parametrize("outcome", ["created", "configured", "unchanged"])
@pytest.mark.parametrize("stage", [None, "synced", "healthy"])
def test_it_may_when_another_target_has_it(outcome: str, stage: str | None) -> None:
    assert left(git=at(5, outcome, stage=stage))
    assert left(git=at(6, outcome, stage=stage), other=None)


@pytest.mark.parametrize("stage", ["proposed", "committed", "failed"])
def test_what_reviewers_or_an_engine_have_not_let_through_is_not_there(stage: str) -> None:
    assert not left(git=at(5, stage=stage))


@pytest.mark.parametrize("stage", ["synced", "healthy", "failed"])
def test_what_is_in_the_cluster_is_there_healthy_or_not(stage: str) -> None:
    assert may_leave(Whereabouts("prod", 6, {"git": at(5, "elsewhere"), "k8s": at(5, stage=stage)}), "git", 5)


@pytest.mark.parametrize(
    "reported", [None, at(4), at(5, "dead-lettered"), at(5, deleted=True), at(4, "elsewhere"), at(5, "stale")]
)
def test_it_waits_while_the_other_has_not_spoken_has_an_older_state_or_refuses_it(reported: Reported | None) -> None:
    assert not left(git=reported)


def test_it_may_when_no_other_target_delivers_it() -> None:
    assert left()
    assert left(git=at(6, "elsewhere"), other=at(6, "elsewhere"))
    assert not left(git=at(6, "elsewhere"), other=None)


KINDS = {"eu": "k8s", "us": "k8s", "asia": "k8s"}


def left_eu(**others: Reported | None) -> bool:
    """Whether one cluster of three may let go of a row that has left it with generation 5 for another one."""
    return may_leave(Whereabouts("prod", 5, {"eu": at(5, "elsewhere"), **others}, KINDS), "eu", 5)


@pytest.mark.parametrize("us", [None, at(4), at(5, "dead-lettered")], ids=["silent", "older", "refused"])
def test_a_cluster_keeps_a_row_until_the_one_that_it_goes_to_has_it_whoever_else_does(us: Reported | None) -> None:
    assert not left_eu(us=us, asia=at(5))
    assert not left_eu(us=us, git=at(5))
    assert not left_eu(us=us, git=at(5, "elsewhere"))


def test_a_cluster_lets_go_of_a_row_that_has_arrived_at_another_or_at_git_where_no_cluster_has_it() -> None:
    assert left_eu(us=at(5), asia=at(5, "elsewhere"))
    assert left_eu(us=at(5, stage="failed"), asia=at(5), git=None)
    assert left_eu(us=at(5, "elsewhere"), asia=at(5, "elsewhere"), git=at(5))
    assert not left_eu(us=at(5, "elsewhere"), git=at(5, stage="committed"))


def test_it_waits_while_another_may_deliver_what_the_row_is_now() -> None:
    """Generation 5 went to nobody; generation 6 may have gone to Git, which has not come to it."""
    assert not left(git=at(5, "elsewhere"))
