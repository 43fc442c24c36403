"""What the page of the pipeline makes of the stations' facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

from client.errors import UnavailableError
from pipeline import picture
from pipeline import view as pipeline_view
from pipeline.models import Pipeline, Station
from pipeline.poller import KEPT, PipelinePoller, Sample
from pipeline.view import Box, Line
from unit.ui.fakes.operations import NOW, captured_by_engine, healthy, with_station, with_tenants

EVENT = {"saved_at": "2026-01-02T03:04:00Z", "captured_at": "2026-01-02T03:04:00.034Z"}


def samples(name: str, *figures: float, seconds: float = 3) -> list[Sample]:
    return [Sample(NOW + timedelta(seconds=seconds * n), {name: value}) for n, value in enumerate(figures)]


def box(pipeline: Pipeline, name: str, history: list[Sample] | None = None) -> Box:
    station = pipeline.station(name)
    assert station is not None
    return pipeline_view.box(station, pipeline, history or [])


def test_the_way_goes_from_the_table_to_every_target() -> None:
    stages = pipeline_view.stages(healthy(), [])
    assert [[one.name for one in stage.boxes] for stage in stages] == [
        ["database", "rows"],
        ["slot"],
        ["connect", "connector"],
        ["broker"],
        ["sync-k8s", "sync-git"],
        ["target-k8s", "target-git"],
    ]
    assert [one.name for one in pipeline_view.beside(healthy(), [])] == ["sidecar", "dead-letters", "access"]


def test_whether_a_policy_decides_is_beside_the_way() -> None:
    assert box(with_station(healthy(), "access", facts={"rules": None}), "access").figures == (("policy", "none"),)
    assert box(with_station(healthy(), "access", facts={"rules": 12}), "access").figures == (("policy", "12 lines"),)


def test_rows_are_shown_by_renderer_where_there_is_more_than_the_built_in_one() -> None:
    assert pipeline_view.renderers(healthy()) == ()
    ours, theirs = pipeline_view.renderers(with_tenants())

    assert (ours["Renderer"], ours["Rows"], ours["Waits longest"], ours["Table"]) == ("appconfigs", "7", "", "well")
    assert theirs == {
        "Renderer": "tenants",
        "Rows": "1,200",
        "Waiting": "2",
        "Refused": "1",
        "Deletions": "3",
        "Waits longest": "acme, for 1 min",
        "Dead letters": "4",
        "Table": "there is no table public.tenants any more",
    }


def test_the_tables_of_renderers_stand_at_the_beginning_of_the_way() -> None:
    first, *_ = pipeline_view.stages(with_tenants(), [])
    assert [one.name for one in first.boxes] == ["database", "sources", "rows"]
    assert box(with_tenants(), "sources").figures == (("renderers", "1"), ("not captured", "1"))


def test_the_database_says_when_searches_read_all_rows() -> None:
    by_index, all_rows = (
        dict(box(with_station(healthy(), "database", facts={"searches": how}), "database").figures)
        for how in ("by index", "all rows")
    )
    assert (by_index.get("searches"), all_rows["searches"]) == (None, "read all rows: no pg_trgm")


def test_a_sync_shows_its_rate_the_last_changes_lag_and_what_it_is_at() -> None:
    facts = {"events": 160, "last_event": EVENT, "in_flight": {"events": 3}, "retrying": {"rows": 2}}
    found = box(with_station(healthy(), "sync-k8s", facts=facts), "sync-k8s", samples("sync-k8s.events", 100, 130, 160))
    assert found.figures == (("rate", "10/s"), ("last lag", "34 ms"), ("in delivery", "3"), ("tried again", "2"))
    assert found.line is not None
    assert found.line.words == "events over the last minutes: now 10/s, at most 10/s"


def test_a_target_shows_how_many_rows_wait_for_it_and_for_how_long() -> None:
    facts = {"targets": {"git": {"pending": 1200, "oldest_pending_seconds": 61.2}}}
    assert box(with_station(healthy(), "rows", facts=facts), "target-git").figures == (
        ("waiting", "1,200"),
        ("oldest", "1 min"),
    )


ENGINE: Mapping[str, Any] = {
    "application": "argocd/rowcast",
    "revision": "8be1c02a0d55e1f3b1c04a7d7d3d3e0f1a2b3c4d",
    "sync": "OutOfSync",
    "health": "Healthy",
    "message": "one or more objects failed to apply",
    "pending": 1200,
    "pending_truncated": False,
    "refused": 1,
    "since_seconds": 750.0,
    "observed_seconds": 12.0,
    "stale": False,
}


def followed(**facts: Any) -> Pipeline:
    """A way beyond whose Git repository an engine follows."""
    engine = Station("engine-git", "GitOps engine of git", "ok", facts={**ENGINE, **facts})
    return replace(healthy(), stations=(*healthy().stations, engine))


def test_where_an_engine_follows_the_way_goes_on_to_it() -> None:
    last = pipeline_view.stages(followed(), [])[-1]
    assert (last.title, [(one.name, one.title) for one in last.boxes]) == (
        "Applied",
        [("engine-git", "GitOps engine of Git")],
    )


def test_an_engine_shows_what_it_follows_what_it_says_and_who_waits_for_it() -> None:
    found = box(followed(), "engine-git", samples("engine-git.pending", 3, 1200))
    assert found.figures == (
        ("application", "argocd/rowcast"),
        ("sync", "OutOfSync"),
        ("health", "Healthy"),
        ("since", "12 min ago"),
        ("revision", "8be1c02a0d"),
        ("waiting", "1,200"),
        ("refused", "1"),
        ("told", "12.0 s ago"),
    )
    assert found.line is not None
    assert found.line.words == "rows that wait for it over the last minutes: now 1200, at most 1200"
    assert pipeline_view.measures(followed())["engine-git.pending"] == 1200


def test_an_old_word_of_an_engine_is_called_stale() -> None:
    figures = box(followed(stale=True, observed_seconds=600.0), "engine-git").figures
    assert ("stale, told", "10 min ago") in figures


def test_rows_that_are_too_many_to_be_named_are_not_called_few() -> None:
    assert ("waiting", "1,000 and more") in box(followed(pending=1000, pending_truncated=True), "engine-git").figures
    assert ("waiting", "all") in box(followed(pending=0, pending_truncated=True), "engine-git").figures


def test_a_part_that_nobody_watches_is_not_called_well() -> None:
    assert box(with_station(healthy(), "connect", state="ok", configured=False), "connect").word == "not known"


def test_what_told_nothing_shows_no_figures() -> None:
    pipeline = with_station(healthy(), "sync-git", state="down", message="sync-git doesn't answer")
    assert [found.figures for found in (box(pipeline, one.name) for one in pipeline.stations)] == [()] * 6 + [
        (("waiting", "not told"), ("kept", "not told"))
    ] + [()] * 6


def topic(name: str, *groups: tuple[str, int | None, int | None], **facts: Any) -> dict[str, Any]:
    readers = [{"name": group, "lag": lag, "unanswered": given, "consumers": 1} for group, lag, given in groups]
    unsaid = {"messages": None, "bytes": None, "oldest_at": None, "retention_seconds": None}
    return {"name": name, "groups": readers} | unsaid | facts


def test_where_the_engine_captures_the_way_has_it_in_the_place_of_connect() -> None:
    stages = pipeline_view.stages(captured_by_engine(), [])
    assert [[one.name for one in stage.boxes] for stage in stages][1:4] == [["slot"], ["capture"], ["broker"]]


def test_an_engine_that_captures_shows_its_rate_and_what_it_waits_for() -> None:
    facts = {"published": 160, "last_published_seconds": 2.0, "waiting_seconds": 40.0, "snapshot": True}
    pipeline = with_station(captured_by_engine(), "capture", facts=facts)
    pipeline = with_station(pipeline, "slot", facts={"heartbeat_seconds": 3.0})
    found = box(pipeline, "capture", samples("capture.published", 100, 130, 160))
    assert found.figures == (
        ("rate", "10/s"),
        ("last event", "2.0 s ago"),
        ("last beat", "3.0 s ago"),
        ("an event waits", "40.0 s"),
        ("reads", "the whole table"),
    )
    assert pipeline_view.measures(pipeline)["capture.published"] == 160


def test_a_broker_shows_what_waits_in_it_and_how_much_it_keeps() -> None:
    changes = topic("changes", ("sync-k8s", 3, 2), ("sync-git", 1200, 0), messages=5000, bytes=2048)
    pipeline = captured_by_engine(topics=[changes, topic("status", ("crud", 0, 0), messages=1, bytes=0)])
    assert box(pipeline, "broker").figures == (
        ("version", "7.2.5"),
        ("waiting", "1,203"),
        ("not answered", "2"),
        ("kept", "5,001, 2 KiB"),
    )
    assert pipeline_view.measures(pipeline)["broker.lag"] == 1203


def test_what_a_broker_does_not_tell_is_said_in_words_and_never_as_nought() -> None:
    pipeline = captured_by_engine(topics=[topic("changes", ("sync-k8s", 3, None), ("sync-git", None, None))])
    assert box(pipeline, "broker").figures[1:] == (
        ("waiting", "not told"),
        ("not answered", "not told"),
        ("kept", "not told"),
    )
    assert "broker.lag" not in pipeline_view.measures(pipeline)


def test_every_topic_has_a_line_for_each_of_its_readers() -> None:
    retained = {"messages": 7, "oldest_at": "2026-01-02T03:03:05+00:00", "retention_seconds": 604800.0}
    pipeline = captured_by_engine(topics=[topic("changes", ("sync-k8s", 3, None), **retained), topic("letters")])
    first, second = pipeline_view.topics(pipeline, NOW)
    assert first == {
        "Topic": "changes",
        "Reader": "sync-k8s",
        "Waiting": "3",
        "Not answered": "not told",
        "Readers now": "1",
        "Kept": "7",
        "Size": "not told",
        "Oldest": "1 min ago",
        "Kept for": "7 d",
    }
    assert (second["Topic"], second["Reader"], second["Waiting"]) == ("letters", "not told", "not told")
    assert pipeline_view.topics(healthy(), NOW) == ()


def test_what_is_wrong_is_told_worst_first_and_with_what_to_do() -> None:
    pipeline = with_station(
        healthy(), "dead-letters", state="degraded", message="2 open", action="replay them", page="a.md"
    )
    pipeline = with_station(pipeline, "target-git", state="down", message="refused")
    pipeline = with_station(pipeline, "connect", state="unknown", configured=False)
    assert [(one.title, one.message, one.action, one.page) for one in pipeline_view.troubles(pipeline)] == [
        ("Git repository", "refused", "", None),
        ("Dead letters", "2 open", "replay them", "a.md"),
    ]


def test_what_a_sidecar_wraps_in_json_is_told_by_its_cause() -> None:
    wrapped = json.dumps({"errorCode": "ERR_DIRECT_INVOKE", "message": "failed to invoke: dial: connection refused"})
    said = "sync-git or its sidecar doesn't answer"
    compact = wrapped.replace('": "', '":"').replace('", "', '","')
    assert pipeline_view.readable(f"{said}: 500: {compact}") == f"{said}: connection refused"
    assert pipeline_view.readable(f"{said}: no answer within 2 s") == f"{said}: no answer within 2 s"
    assert pipeline_view.readable('odd {"errorCode" and no more') == 'odd {"errorCode" and no more'


def test_a_rate_is_that_of_the_last_seconds_not_of_all_that_is_kept() -> None:
    assert pipeline_view.rate("a.events", samples("a.events", 0, 3000, 3003, 3006, 3009)) == 1
    assert pipeline_view.rate("a.events", samples("a.events", 7)) is None


def test_a_counter_that_begins_anew_is_no_negative_rate() -> None:
    assert pipeline_view.rates("a.events", samples("a.events", 50, 80, 2)) == (10, 0)
    assert pipeline_view.rate("a.events", samples("a.events", 80, 2)) == 0


def test_the_picture_says_in_words_what_it_shows_in_colours() -> None:
    pipeline = with_station(
        healthy(), "slot", facts={"present": True, "lag_bytes": 2048, "retained_bytes": 0}, state="down"
    )
    html = picture.picture(
        pipeline_view.stages(pipeline, samples("slot.lag_bytes", 1, 2)), pipeline_view.beside(pipeline, [])
    )
    assert "✕ down" in html
    assert html.count("✓ well") == 12
    assert 'alt="lag of the slot over the last minutes: now 2 B, at most 2 B"' in html
    assert 'aria-label="The way of a change"' in html


def test_a_name_from_outside_is_text_in_the_picture() -> None:
    pipeline = with_station(healthy(), "target-git", title="<script>alert(1)</script>")
    html = picture.picture(pipeline_view.stages(pipeline, []), ())
    assert "&lt;script&gt;" in html
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(html)
    assert "script" not in tags


def test_a_line_reaches_the_top_only_when_it_means_much() -> None:
    low = picture.sparkline(Line((0, 1), "", top=20))
    high = picture.sparkline(Line((0, 20), "", top=20))
    assert (f",{picture.HEIGHT - 3 - (picture.HEIGHT - 7) / 20:.1f}" in low, ",4.0" in high) == (
        True,
        True,
    )
    assert "nan" not in picture.sparkline(Line((0, 0), ""))


def test_a_watch_keeps_the_last_looks_and_forgets_the_first() -> None:
    moments = iter(range(1000))
    poller = PipelinePoller(lambda: replace(healthy(), checked_at=NOW + timedelta(seconds=next(moments))))
    for _ in range(KEPT + 5):
        poller.look()
    kept = poller.seen().samples
    assert len(kept) == KEPT
    assert kept[-1].at - kept[0].at == timedelta(seconds=KEPT - 1)


def test_a_watch_whose_service_is_down_says_so_and_keeps_what_it_saw() -> None:
    down = False

    def ask() -> Pipeline:
        if down:
            raise UnavailableError("The crud service is not available.")
        return healthy()

    poller = PipelinePoller(ask)
    poller.look()
    down = True
    seen = poller.look()
    assert (seen.trouble, seen.pipeline) == ("The crud service is not available.", healthy())
    down = False
    assert poller.look().trouble is None


def test_a_started_watch_looks_by_itself_and_makes_nobody_wait() -> None:
    import threading

    looked = threading.Event()

    def ask() -> Pipeline:
        looked.set()
        return healthy()

    poller = PipelinePoller(ask)
    poller.start()
    assert looked.wait(10)
    poller.stop()


def test_sizes_and_rates_are_said_as_people_say_them() -> None:
    assert [pipeline_view.size(n) for n in (0, 1023, 2048, 5 * 2**20, 3 * 2**30)] == [
        "0 B",
        "1023 B",
        "2 KiB",
        "5 MiB",
        "3.0 GiB",
    ]
    assert [pipeline_view.per_second(n) for n in (None, 0, 0.25, 12.4)] == ["", "0/s", "0.2/s", "12/s"]
    assert pipeline_view.per_second(2048, "B") == "2 KiB/s"
