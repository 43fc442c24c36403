"""A change's way is told from what crud knows of it and the time of looking."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from configurations import timeline, timeline_view, view_model
from configurations.models import RowStatus, TargetStatus

SAVED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW = SAVED + timedelta(seconds=90)
SHA = "0123456789abcdef0123456789abcdef01234567"
TIMES = {
    "saved": SAVED,
    "captured": SAVED + timedelta(milliseconds=18),
    "delivered": SAVED + timedelta(milliseconds=43),
}
GIT = TargetStatus("git", "synced", 3, "configured", SHA, None, SAVED, TIMES)
COMMITS = "https://git.example/commit/{commit}"


def track(target: TargetStatus, generation: int | None = 3, commit_url: str = "") -> timeline.Track:
    return timeline.tracks(RowStatus(generation, (target,)), SAVED, NOW, commit_url)[0]


def moods(target: TargetStatus, generation: int | None = 3) -> list[str]:
    return [step.mood for step in track(target, generation).steps]


def test_a_delivered_change_has_each_station_with_its_lag() -> None:
    steps = track(GIT).steps
    assert [step.lag for step in steps] == ["", "+18 ms", "+43 ms"]
    assert {step.mood for step in steps} == {"done"}
    assert steps[-1].title == "Committed and pushed"
    assert steps[-1].note == "configured · commit 0123456789"


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("proposed", [("Merged", "waiting")]),
        ("committed", [("Applied by GitOps", "waiting"), ("Healthy", "next")]),
        ("synced", [("Applied by GitOps", "done"), ("Healthy", "waiting")]),
        ("healthy", [("Applied by GitOps", "done"), ("Healthy", "done")]),
        ("failed", [("Applied by GitOps", "failed")]),
        ("of a newer crud", []),
    ],
)
def test_what_follows_a_commit_is_told_by_its_stage(stage: str, expected: list[tuple[str, str]]) -> None:
    followed = track(replace(GIT, stage=stage))
    assert [(step.title, step.mood) for step in followed.steps[3:]] == expected
    assert followed.word == (stage if stage in view_model.STAGES else "synced")


@pytest.mark.parametrize(("stage", "mood"), [("synced", "waiting"), ("healthy", "done"), ("failed", "failed")])
def test_what_is_in_the_cluster_is_healthy_or_not_without_an_engine(stage: str, mood: str) -> None:
    followed = track(replace(GIT, target="k8s", stage=stage, stage_error="Deployment/a: 0 of 1 ready"))
    assert [(step.title, step.mood) for step in followed.steps[3:]] == [("Healthy", mood)]
    assert (followed.word, followed.error) == (stage, "Deployment/a: 0 of 1 ready")


def test_a_target_of_a_name_of_its_own_is_told_of_in_the_words_of_its_kind() -> None:
    named = replace(GIT, target="k8s-eu", kind="k8s", reference="4711", stage="healthy")
    assert [step.title for step in track(named).steps[2:]] == ["Applied to the Kubernetes API", "Healthy"]
    assert "resource version 4711" in track(named).steps[2].note
    assert track(named).target == "k8s-eu"


def test_what_the_engine_says_is_wrong_is_shown() -> None:
    assert track(replace(GIT, stage="failed", stage_error="denied the request")).error == "denied the request"


def test_a_proposed_change_links_to_its_pull_request_and_to_nothing_else() -> None:
    proposed = replace(GIT, stage="proposed", link="https://git.example/pulls/1")
    assert track(proposed).steps[-1].link == "https://git.example/pulls/1"
    assert track(replace(proposed, link="javascript:alert(1)")).steps[-1].link == ""


def test_a_change_that_is_not_reported_yet_does_not_borrow_the_times_of_the_one_before() -> None:
    steps = track(replace(GIT, state="pending", observed_generation=2)).steps
    assert [step.mood for step in steps] == ["done", "waiting", "next"]
    assert (steps[1].lag, steps[1].note) == ("for 1 min", "there is generation 2")
    assert steps[1].at is None


def test_a_target_that_says_why_it_cannot_deliver_has_captured_it() -> None:
    assert moods(replace(GIT, state="pending", observed_generation=2, error="refused")) == ["done", "done", "late"]


def test_one_that_waits_for_too_long_is_late() -> None:
    assert moods(TargetStatus("k8s", "pending", overdue=True)) == ["done", "late", "next"]


def test_a_dead_letter_ends_the_way() -> None:
    assert moods(replace(GIT, state="failed", outcome="dead-lettered")) == ["done", "done", "failed"]


def test_a_deleted_row_is_removed() -> None:
    steps = track(replace(GIT, observed_generation=4, outcome="deleted"), generation=None).steps
    assert [step.title for step in steps] == ["Deleted", "Captured from the database", "Removed by a commit"]


def test_without_the_time_of_the_save_nothing_waits_since_then() -> None:
    status = RowStatus(4, (GIT,))
    assert timeline.tracks(replace(status, targets=(replace(GIT, state="pending"),)), None, NOW)[0].steps[1].lag == ""


@pytest.mark.parametrize(
    ("target", "template", "link"),
    [
        (GIT, COMMITS, f"https://git.example/commit/{SHA}"),
        (GIT, "", ""),
        (GIT, "https://git.example/commits", ""),
        (GIT, "javascript:alert('{commit}')", ""),
        (replace(GIT, reference=None), COMMITS, ""),
        (TargetStatus("k8s", "synced", 3, "configured", "4711"), COMMITS, ""),
    ],
)
def test_a_commit_has_a_link_where_it_is_known_how_one_looks(target: TargetStatus, template: str, link: str) -> None:
    assert timeline.commit_link(target, template) == link


def test_what_others_wrote_is_text_in_the_picture() -> None:
    html = timeline_view.html(track(replace(GIT, outcome='<img src=x onerror="alert(1)">')))
    assert "<img" not in html
    assert "&lt;img" in html


def test_each_station_says_in_words_what_its_dot_says_by_colour() -> None:
    html = timeline_view.html(track(replace(GIT, state="pending", observed_generation=2, error="refused")))
    assert [word in html for word in ("(done)", "(waiting, late)", "(failed)")] == [True, True, False]
