"""From facts to words: every case that Rowcast knows has its state, its advice and something to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rowcast.core.broker import BrokerFacts, GroupFacts, TopicFacts, subscriptions
from rowcast.core.capture import ConnectFacts, EngineFacts
from rowcast.core.connector import Status, TaskStatus
from rowcast.core.row import RowKey
from rowcast.crud.pipeline.advice import Advice, page
from rowcast.crud.pipeline.database import DatabaseFacts, GitOpsEngine, Guards
from rowcast.crud.pipeline.judging import broker, capture, delivery, engine, rights, table
from rowcast.crud.pipeline.judging.verdict import Verdict
from rowcast.crud.pipeline.rows import Rows, Waiting, together
from rowcast.crud.pipeline.stations import Station, overall
from rowcast.crud.sources.faults import SourceState

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PATIENCE = timedelta(seconds=60)
MIB = 1024 * 1024


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def slot(captured: ConnectFacts | EngineFacts | None = None, **changed: Any) -> Verdict:
    well = {
        "present": True,
        "active": True,
        "wal_status": "reserved",
        "lsn": 5000,
        "confirmed_lsn": 4900,
        "lag_bytes": 100,
        "retained_bytes": 200,
        "beat_at": ago(3),
        "marked_at": ago(3),
        "mark_confirmed": True,
    }
    return capture.slot(DatabaseFacts(NOW, well | changed), captured)


def connector(
    lsn: int | None = 4000, state: str = "RUNNING", task: str = "RUNNING", trace: str = "no disk"
) -> ConnectFacts:
    return ConnectFacts("4.3.0", Status(state, [TaskStatus(0, task, trace if task == "FAILED" else None)]), True, lsn)


@pytest.mark.parametrize(
    ("changed", "state", "advice"),
    [
        ({}, "ok", None),
        ({"present": False}, "down", Advice.LOST_SLOT),
        ({"wal_status": "lost", "active": False}, "down", Advice.LOST_SLOT),
        ({"active": False}, "down", Advice.SLOT_BEHIND),
        ({"wal_status": "unreserved"}, "degraded", Advice.SLOT_BEHIND),
        ({"retained_bytes": 600 * MIB}, "degraded", Advice.SLOT_BEHIND),
        ({"beat_at": ago(100)}, "degraded", Advice.SLOT_BEHIND),
        ({"mark_confirmed": False, "marked_at": ago(100)}, "degraded", Advice.RESTORED_DATABASE),
        ({"mark_confirmed": False, "marked_at": ago(10)}, "ok", None),
        ({"mark_confirmed": None, "marked_at": None}, "ok", None),
    ],
)
def test_a_slot(changed: dict[str, Any], state: str, advice: Advice | None) -> None:
    verdict = slot(**changed)
    assert (verdict.state, verdict.advice) == (state, advice)


def guarded(**guards: Any) -> DatabaseFacts:
    slot = {"present": True, "wal_status": "reserved", "active": False, "lsn": 1, "lag_bytes": 1, "beat_at": NOW}
    return DatabaseFacts(NOW, slot | {"mark_confirmed": True}, guards=Guards(**guards))


def test_a_broken_publication_comes_before_a_slot_that_nobody_reads() -> None:
    verdict = capture.slot(guarded(publication=["there is no publication rowcast"]), None)
    assert (verdict.state, verdict.advice) == ("down", Advice.CAPTURE_SETUP)
    assert "there is no publication rowcast" in str(verdict.message)
    assert capture.slot(guarded(), None).advice == Advice.SLOT_BEHIND


@pytest.mark.parametrize(
    ("guards", "state", "advice"),
    [
        ({}, "ok", None),
        ({"triggers": ["trigger app_configs_before is disabled"]}, "degraded", Advice.CAPTURE_SETUP),
        ({"login": "rowcast", "excess": ["owns the table"]}, "degraded", Advice.TOO_MANY_RIGHTS),
        ({"triggers": ["t"], "login": "rowcast", "excess": ["owns the table"]}, "degraded", Advice.CAPTURE_SETUP),
    ],
)
def test_a_database_that_answers(guards: dict[str, Any], state: str, advice: Advice | None) -> None:
    verdict = capture.database(guarded(**guards))
    assert (verdict.state, verdict.advice) == (state, advice)


def test_a_connector_that_has_read_further_than_the_database_has_written_shows_a_restored_database() -> None:
    assert slot(connector(lsn=9000)).advice == Advice.RESTORED_DATABASE
    assert slot(connector(lsn=4000)).state == "ok"


def test_without_a_connector_there_need_be_no_slot_yet() -> None:
    assert slot(ConnectFacts("4.3.0", None, False, None), present=False).state == "degraded"


@pytest.mark.parametrize(
    ("facts", "state", "advice"),
    [
        (connector(), "ok", None),
        (ConnectFacts("4.3.0", None, False, None), "down", Advice.CONNECTOR_MISSING),
        (connector(task="FAILED"), "down", Advice.CONNECTOR_FAILED),
        (connector(task="FAILED", trace=f"{capture.REFUSED} '0/1C' on"), "down", Advice.LOST_OFFSETS),
        (connector(state="PAUSED", task="PAUSED"), "down", Advice.CONNECTOR_FAILED),
        (connector(task="RESTARTING"), "degraded", Advice.CONNECTOR_FAILED),
        (connector(lsn=None), "degraded", Advice.LOST_OFFSETS),
    ],
)
def test_a_connector(facts: ConnectFacts, state: str, advice: Advice | None) -> None:
    verdict = capture.connector(facts, slot_present=True)
    assert (verdict.state, verdict.advice) == (state, advice)


def own_engine(lsn: int | None = 4000, **changed: Any) -> EngineFacts:
    """`rowcast capture`, well, before a broker that is well."""
    well = EngineFacts("3.6.3.Final", "RUNNING", None, True, lsn, False, 9, ago(3), None, at_broker(), None)
    return replace(well, **changed)


def at_broker(lag: int | None = 0, consumers: int | None = 1, **changed: Any) -> BrokerFacts:
    """A broker with every topic and reader; `lag` and `consumers` are sync-git's at the topic of changes."""
    readers: dict[str, list[GroupFacts]] = {}
    for one in subscriptions("rowcast", ["k8s", "git"]):
        theirs = one.topic == "rowcast.public.app_configs" and one.app_id == "sync-git"
        facts = GroupFacts(f"rowcast-{one.app_id}", lag if theirs else 0, 0, consumers if theirs else 1)
        readers.setdefault(one.topic, []).append(facts)
    topics = tuple(
        replace(TopicFacts(name, 9, 900, ago(60), 1000.0, tuple(groups)), **changed) for name, groups in readers.items()
    )
    return BrokerFacts("redis", "7.2", topics)


@pytest.mark.parametrize(
    ("facts", "state", "advice", "words"),
    [
        (own_engine(), "ok", None, ""),
        (own_engine(waiting_since=ago(3)), "ok", None, ""),
        (own_engine(snapshot=True), "ok", None, ""),
        (own_engine(waiting_since=ago(40), error="OOM"), "down", Advice.BROKER_REFUSES, "an event for 40 s: OOM"),
        (own_engine(state="RETRYING", waiting_since=ago(40)), "down", Advice.BROKER_REFUSES, "an event for 40 s"),
        (own_engine(state="RETRYING", error="no route"), "degraded", Advice.CAPTURE_FAILED, "tries again: no route"),
        (own_engine(state="STARTING"), "degraded", Advice.CAPTURE_FAILED, "it starts"),
        (own_engine(state="FAILED", error="no plugin"), "down", Advice.CAPTURE_FAILED, "failed: no plugin"),
        (own_engine(state="FAILED", error=f"{capture.REFUSED} 1"), "down", Advice.LOST_OFFSETS, "does not go back"),
        (own_engine(lsn=None), "degraded", Advice.LOST_OFFSETS, "remembers no place"),
        (own_engine(lsn=None, offsets_known=False), "ok", None, ""),
    ],
)
def test_a_capture_of_our_own(facts: EngineFacts, state: str, advice: Advice | None, words: str) -> None:
    verdict = capture.engine(facts, slot_present=True, broker="redis", now=NOW)
    assert (verdict.state, verdict.advice) == (state, advice)
    assert words in (verdict.message or "")


@pytest.mark.parametrize(
    ("kind", "words"),
    [("kafka", "disk"), ("redis", "INFO memory"), ("rabbitmq", "alarms"), ("jetstream", "nats stream report")],
)
def test_a_broker_that_takes_no_more_is_looked_at_in_its_own_way(kind: Any, words: str) -> None:
    assert words in str(capture.engine(own_engine(waiting_since=ago(40)), True, kind, NOW).action)


@pytest.mark.parametrize(
    ("captured", "reader", "words"),
    [
        (connector(lsn=9000), capture.CONNECTOR, "rowcast connector resnapshot"),
        (own_engine(lsn=9000), capture.ENGINE, "rowcast capture resnapshot"),
    ],
)
def test_what_is_to_be_done_for_the_slot_is_said_for_whatever_reads_it(captured: Any, reader: Any, words: str) -> None:
    facts = DatabaseFacts(NOW, {"present": True, "wal_status": "reserved", "lsn": 5000})
    verdict = capture.slot(facts, captured, reader)
    assert verdict.advice == Advice.RESTORED_DATABASE
    assert words in str(verdict.action)


def test_a_capture_that_starts_for_the_first_time_makes_the_slot_and_has_lost_none() -> None:
    assert slot(own_engine(None, state="STARTING"), present=False).state == "degraded"
    assert slot(own_engine(4000, state="STARTING"), present=False).advice == Advice.LOST_SLOT


def less(facts: BrokerFacts, topic: str, group: str | None = None) -> BrokerFacts:
    """The broker without a topic, or without a group of it."""
    kept = []
    for one in facts.topics:
        if one.name != topic:
            kept.append(one)
        elif group is not None:
            kept.append(replace(one, groups=tuple(each for each in one.groups if each.name != group)))
    return replace(facts, topics=tuple(kept))


CHANGES = "rowcast.public.app_configs"


@pytest.mark.parametrize(
    ("facts", "state", "advice", "words"),
    [
        (connector(), "ok", None, ""),
        (ConnectFacts("4.3.0", None, False, None), "ok", None, ""),
        (replace(connector(), offsets_known=False), "unknown", Advice.PART_DOWN, "could not read from Kafka"),
        (own_engine(), "ok", None, ""),
        (own_engine(broker=None), "unknown", None, "not asked it yet"),
        (own_engine(broker=None, broker_configured=False), "unknown", None, "has not been told where the broker is"),
        (own_engine(broker=None, broker_error="refused"), "down", Advice.PART_DOWN, "can't ask it: refused"),
        (own_engine(broker=at_broker(lag=70)), "ok", None, ""),
        (own_engine(broker=at_broker(lag=None, consumers=None)), "ok", None, ""),
        (
            own_engine(broker=at_broker(lag=1200, consumers=0)),
            "degraded",
            Advice.NOBODY_READS,
            "1,200 messages of rowcast.public.app_configs wait for rowcast-sync-git, and nobody reads them",
        ),
        (own_engine(broker=at_broker(lag=0, consumers=0)), "ok", None, ""),
        (
            own_engine(broker=at_broker(lag=9, oldest_at=ago(960))),
            "degraded",
            Advice.NOBODY_READS,
            "has messages of 16 min ago that rowcast-sync-git has not read, and keeps them for 16 min",
        ),
        (own_engine(broker=at_broker(lag=8, oldest_at=ago(960))), "ok", None, ""),
        (own_engine(broker=at_broker(lag=9, oldest_at=ago(960), messages=None)), "ok", None, ""),
        (
            own_engine(broker=replace(at_broker(lag=9), warnings=("Redis may lose it. Set appendfsync always.",))),
            "degraded",
            Advice.BROKER_SETUP,
            "Set appendfsync always.",
        ),
        (own_engine(broker=less(at_broker(), CHANGES)), "down", Advice.RECREATED_TOPIC, f"in it: {CHANGES}"),
        (
            own_engine(broker=less(at_broker(), CHANGES, "rowcast-sync-git")),
            "down",
            Advice.RECREATED_TOPIC,
            f"sync-git's place in {CHANGES}",
        ),
        (
            own_engine(broker=replace(less(at_broker(), CHANGES, "rowcast-sync-git"), kind="kafka")),
            "ok",
            None,
            "",
        ),
    ],
)
def test_a_broker(facts: Any, state: str, advice: Advice | None, words: str) -> None:
    verdict = broker.broker(facts, "rowcast", ["k8s", "git"], NOW)
    assert (verdict.state, verdict.advice) == (state, advice)
    assert words in (verdict.message or "")


@pytest.mark.parametrize(
    ("group", "theirs"),
    [
        ("sync-git", True),
        ("rowcast-sync-git", True),
        ("rowcast.sync-git", True),
        ("sync-git2", False),
        ("other", False),
    ],
)
def test_a_group_is_an_applications_by_its_id_behind_whatever_stands_before(group: str, theirs: bool) -> None:
    assert broker.reads(GroupFacts(group), "sync-git") is theirs
    assert not broker.reads(GroupFacts("resync-git"), "sync-git")


WELL_SYNC: dict[str, Any] = {
    "target": "git",
    "not_ready": None,
    "target_error": None,
    "sidecar_error": None,
    "in_flight": {"batches": 0, "events": 0, "since": None},
    "retrying": {"rows": 0, "since": None, "error": None},
    "last_event": None,
    "last_error": None,
    "last_bug_at": None,
    "topic_recreated_at": None,
    "reconcile": {"period_seconds": 300.0, "drift": "correct", "current": None, "last": None},
}


NO_RIGHT = {
    "kind": "ConfigMap",
    "resource": "configmaps",
    "verbs": ["create", "patch"],
    "renderers": ["shops", "tenants"],
    "place": None,
}
NO_KIND = {"kind": "a.io/Widget", "resource": None, "verbs": [], "renderers": ["shops"], "place": "far"}


@pytest.mark.parametrize(
    ("told", "error", "state", "advice", "words"),
    [
        (None, None, "ok", None, ""),
        ([], "away", "down", Advice.TARGET_DOWN, "away"),
        ([NO_RIGHT], None, "degraded", Advice.MISSING_RIGHTS, "may not create, patch configmaps (shops, tenants)"),
        ([NO_RIGHT, NO_KIND], None, "degraded", Advice.MISSING_RIGHTS, "finds no kind a.io/Widget at far (shops)"),
        ([NO_RIGHT], "not allowed to create", "down", Advice.MISSING_RIGHTS, "(shops, tenants); not allowed to create"),
        ([NO_RIGHT] * 7, None, "degraded", Advice.MISSING_RIGHTS, "and 2 kinds more"),
    ],
)
def test_every_right_that_is_missing_is_named(
    told: Any, error: str | None, state: str, advice: Advice | None, words: str
) -> None:
    verdict = rights.allowed_target(error, {"target": "k8s"} | ({} if told is None else {"rights": {"missing": told}}))

    assert (verdict.state, verdict.advice) == (state, advice)
    assert words in (verdict.message or "")


def missing(captured: Any, unheard: dict[str, int] | None, **changed: Any) -> dict[str, int]:
    rows = Rows(9, 2, 0, {"git": Waiting(5, 0, ago(20))}, {}, Waiting(), unheard)
    found = table.missing({"appconfigs": rows}, captured, {"git": WELL_SYNC | changed}, NOW)
    return {target: numbers["appconfigs"] for target, numbers in found.items()}


def received(seconds: float) -> dict[str, Any]:
    return {"last_event": {"captured_at": ago(seconds).isoformat()}}


def test_events_that_were_published_and_have_not_come_to_an_idle_target_are_missing() -> None:
    assert missing(connector(), {"git": 3}) == {"git": 3}
    assert missing(own_engine(), {"git": 3}, **received(1)) == {"git": 3}
    assert missing(connector(), {"k8s": 3}) == {"git": 0}


@pytest.mark.parametrize(
    ("captured", "changed"),
    [
        (connector(), received(1)),
        (connector(), {"in_flight": {"batches": 1, "events": 9, "since": ago(1).isoformat()}}),
        (connector(), {"retrying": {"rows": 3, "since": ago(9).isoformat(), "error": "503"}}),
        (connector(), {"target_error": "refused"}),
        (connector(), {"not_ready": "starts"}),
        (connector(), {"reconcile": {"current": {"state": "reading"}}}),
        (own_engine(broker=at_broker(lag=3)), {}),
        (own_engine(broker=at_broker(lag=None)), received(1)),
    ],
)
def test_what_a_busy_target_may_still_come_to_is_not_called_missing(captured: Any, changed: dict[str, Any]) -> None:
    assert missing(captured, {"git": 3}, **changed) == {"git": 0}


@pytest.mark.parametrize(
    "captured",
    [
        None,
        connector(task="FAILED"),
        connector(lsn=None),
        replace(connector(), snapshot=True),
        own_engine(state="STARTING"),
        own_engine(snapshot=True),
    ],
)
def test_before_capture_is_past_the_snapshot_nothing_is_known_of_what_is_missing(captured: Any) -> None:
    assert missing(captured, {"git": 3}) == {}


def test_nothing_is_known_of_what_is_missing_if_nobody_could_be_asked() -> None:
    assert missing(connector(), None) == {}
    rows = {"appconfigs": Rows(9, 2, 0, {}, {}, Waiting(), {"git": 3})}
    assert table.missing(rows, connector(), {"git": None}, NOW) == {}


def at_git(renderer: str, count: int, overdue: int = 0, seconds: float = 20, key: str = "7", **more: Any) -> Rows:
    """A renderer of nine rows, of which some wait at git."""
    waiting = Waiting(count, overdue, ago(seconds), RowKey(renderer, key))
    return Rows(9, 9 - count, 0, {"git": waiting}, {}, **({"deletions": Waiting()} | more))


def test_events_of_each_renderer_are_missing_by_themselves() -> None:
    rows = {name: replace(at_git(name, 3), unheard={"git": n}) for name, n in (("appconfigs", 0), ("tenants", 3))}
    assert table.missing(rows, connector(), {"git": WELL_SYNC}, NOW) == {"git": {"appconfigs": 0, "tenants": 3}}


def test_a_gap_is_named_with_its_renderer_its_oldest_row_and_who_closes_it() -> None:
    rows = {"appconfigs": at_git("appconfigs", 1, seconds=5), "tenants": at_git("tenants", 5, 5, 600, "acme")}
    verdict = table.rows(rows, NOW, {"git": {"appconfigs": 0, "tenants": 3}, "k8s": {"tenants": 0}}, 5.0)
    assert verdict.message == (
        "events have been published and not come through: 3 rows of tenants at git;"
        " the oldest is tenants/acme, for 10 min; sync looks for them every 5 s"
    )
    assert (verdict.state, verdict.advice) == ("degraded", Advice.MISSING_EVENTS)
    assert table.rows(rows, NOW, {"git": {"tenants": 0}}).advice == Advice.RECONCILE


def sync(**changed: Any) -> Verdict:
    return delivery.sync(WELL_SYNC | changed, NOW, PATIENCE)


def reconciled(**last: Any) -> dict[str, Any]:
    done = {"state": "done", "dry_run": False, "started_at": ago(20).isoformat(), "finished_at": ago(10).isoformat()}
    return {"reconcile": {"period_seconds": 300.0, "drift": "correct", "current": None, "last": {**done, **last}}}


@pytest.mark.parametrize(
    ("changed", "words", "advice"),
    [
        ({"not_ready": "the inventory has not been read"}, "takes no events yet", Advice.TARGET_DOWN),
        ({"sidecar_error": "the sidecar doesn't answer"}, "sidecar", Advice.PART_DOWN),
        (
            {"retrying": {"rows": 1200, "since": ago(300).isoformat(), "error": "503"}},
            "1,200 rows tried again for 5 min: 503",
            Advice.TARGET_DOWN,
        ),
        (
            {"in_flight": {"batches": 1, "events": 9, "since": ago(90).isoformat()}},
            "in delivery for 90 s",
            Advice.TARGET_DOWN,
        ),
        ({"last_bug_at": ago(9).isoformat(), "last_error": "KeyError"}, "a bug of Rowcast's", None),
        ({"topic_recreated_at": ago(5).isoformat()}, "made anew", Advice.RECREATED_TOPIC),
        ({**reconciled(), "topic_recreated_at": ago(15).isoformat()}, "made anew", Advice.RECREATED_TOPIC),
        (reconciled(state="refused", error="would prune 9 of 9 rows"), "would prune 9", Advice.RECONCILE_REFUSED),
        (reconciled(state="failed", error="crud answered 503"), "failed", Advice.RECONCILE),
        (reconciled(finished_at=ago(1000).isoformat()), "16 min ago", None),
    ],
)
def test_a_sync_that_is_not_well_says_why(changed: dict[str, Any], words: str, advice: Advice | None) -> None:
    verdict = sync(**changed)
    assert verdict.state in ("degraded", "down")
    assert words in (verdict.message or "")
    assert (verdict.advice, bool(verdict.action)) == (advice, True)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        reconciled(),
        {"in_flight": {"batches": 1, "events": 9, "since": ago(5).isoformat()}},
        {**reconciled(), "topic_recreated_at": ago(30).isoformat()},
        {"last_bug_at": ago(900).isoformat()},
    ],
)
def test_a_sync_that_is_well_says_nothing(changed: dict[str, Any]) -> None:
    assert sync(**changed) == Verdict()


def test_rows_that_are_overdue_come_before_those_that_were_refused() -> None:
    gone = Waiting(1, 1, ago(99), RowKey("appconfigs", "8"))
    rows = {"appconfigs": replace(at_git("appconfigs", 5, 5, 600), failed=2, deletions=gone)}
    failing = RowKey("tenants", "acme")
    refused = {"appconfigs": at_git("appconfigs", 0), "tenants": replace(at_git("tenants", 0), failed=2)}
    refused["tenants"] = replace(refused["tenants"], failing=failing)

    late = table.rows(rows, NOW)
    failed = table.rows(refused, NOW)

    assert late.message == "overdue: 5 rows at git, 1 deletion; the oldest is appconfigs/7, for 10 min"
    assert late.advice == Advice.RECONCILE
    assert failed.message == "2 rows of tenants refused by a target; one is tenants/acme"
    assert failed.advice == Advice.DEAD_LETTERS


def test_rows_that_wait_for_a_target_that_is_not_known_are_told_with_the_command_that_forgets_it() -> None:
    rows = {"appconfigs": replace(at_git("appconfigs", 0), failed=2)}
    verdict = table.rows(rows, NOW, unknown_targets={"k8s-eu": 1, "k8s-us": 2000})
    assert verdict.message == (
        "k8s-eu is not among the targets, and 1 row waits for it;"
        " k8s-us is not among the targets, and 2,000 rows wait for it"
    )
    assert (verdict.action or "").endswith("if it is gone for good: rowcast targets forget k8s-eu")
    assert (verdict.state, verdict.advice) == ("degraded", Advice.UNKNOWN_TARGET)


def test_rows_that_are_overdue_at_a_target_come_before_those_that_wait_for_one_that_is_not_known() -> None:
    rows = {"appconfigs": at_git("appconfigs", 5, 5, 600)}
    assert table.rows(rows, NOW, unknown_targets={"k8s-eu": 1}).advice == Advice.RECONCILE
    assert table.rows({"appconfigs": at_git("appconfigs", 0)}, NOW, unknown_targets={}).state == "ok"


def test_what_is_overdue_is_said_by_renderer_where_there_are_several() -> None:
    rows = {
        "appconfigs": at_git("appconfigs", 5, 2, 120),
        "tenants": replace(at_git("tenants", 1, 1, 600, "acme"), deletions=Waiting(1, 1, ago(900), None)),
    }
    assert table.rows(rows, NOW).message == (
        "overdue: 2 rows of appconfigs at git, 1 row of tenants at git, 1 deletion of tenants"
    )


def test_rows_of_all_renderers_together_have_the_oldest_of_them() -> None:
    ours = Rows(9, 5, 1, {"git": Waiting(3, 1, ago(60), RowKey("appconfigs", "7"))}, {"git": 1}, Waiting(), {"git": 2})
    theirs = Rows(4, 3, 0, {"git": Waiting(1, 0, ago(90), RowKey("tenants", "a"))}, {"git": 0}, Waiting(1), {"git": 1})

    both = together([ours, theirs])

    assert (both.total, both.synced, both.failed, both.refused) == (13, 8, 1, {"git": 1})
    assert both.pending == {"git": Waiting(4, 1, ago(90), RowKey("tenants", "a"))}
    assert (both.deletions.count, both.unheard) == (1, {"git": 3})


def test_tables_that_are_not_captured_are_named_with_their_renderers() -> None:
    well = SourceState("hosts", 1, "public.hosts")
    broken = SourceState("tenants", 2, "public.tenants", ("there is no table public.tenants any more",))
    many = [replace(broken, renderer=f"r{number}") for number in range(5)]

    verdict = table.sources([well, broken])

    assert table.sources([well]) == Verdict()
    assert (verdict.state, verdict.advice) == ("degraded", Advice.SOURCE_CHANGED)
    assert str(verdict.message).endswith("tenants: there is no table public.tenants any more")
    assert "r2" in str(table.sources(many).message)
    assert str(table.sources(many).message).endswith(". and 2 others")


def test_dead_letters_are_counted_over_all_renderers_and_the_oldest_is_named() -> None:
    letters = {
        ("", "git"): Waiting(1, 0, ago(5)),
        ("appconfigs", "git"): Waiting(2, 0, ago(60), RowKey("appconfigs", "7")),
        ("tenants", "k8s"): Waiting(1, 0, ago(600), RowKey("tenants", "acme")),
    }
    verdict = table.dead_letters(letters, NOW)
    assert verdict.message == "4 dead letters open, the oldest for 10 min: tenants/acme"
    assert table.dead_letters({}, NOW) == Verdict()


def test_the_whole_is_as_its_worst_part_that_is_configured() -> None:
    def part(state: Any, configured: bool = True) -> Station:
        return Station(name="n", title="t", state=state, configured=configured, checked_at=NOW)

    assert overall([part("ok"), part("unknown", configured=False)]) == "ok"
    assert overall([part("ok"), part("unknown"), part("degraded")]) == "degraded"
    assert overall([part("down"), part("degraded")]) == "down"


@pytest.mark.parametrize("advice", list(Advice))
def test_every_advice_leads_to_a_page_and_its_place_there(advice: Advice) -> None:
    path, _, anchor = page(advice).partition("#")
    text = Path(__file__).parents[3].joinpath(path).read_text()
    headings = [line.lstrip("#").strip().split("`")[1] for line in text.splitlines() if line.startswith("## `")]
    assert not anchor or anchor in headings


@pytest.mark.parametrize(
    ("changed", "state", "words"),
    [
        ({}, "ok", None),
        ({"health": "Missing", "sync": "OutOfSync", "pending": 9}, "ok", None),
        ({"observed_at": ago(299)}, "ok", None),
        ({"health": "Degraded"}, "degraded", "argocd/rowcast is Degraded"),
        ({"message": "failed to load:\n no\n"}, "degraded", "failed to load: no"),
        ({"message": "some failed", "refused": {"7": "denied"}}, "degraded", "1 row refused: denied"),
        (
            {"observed_at": ago(720), "message": "failed to load"},
            "unknown",
            "nothing was told of it for 12 min; the last was Synced, Healthy: failed to load",
        ),
    ],
)
def test_an_engine(changed: dict[str, Any], state: str, words: str | None) -> None:
    well = GitOpsEngine("argocd/rowcast", "abc", "Synced", "Healthy", None, ago(9000), ago(9), 0, False, {})
    verdict = engine.engine(replace(well, **changed), NOW)
    assert (verdict.state, verdict.message) == (state, words)
    assert (verdict.advice, verdict.action is None) == ((None, True) if state == "ok" else (Advice.ENGINE, False))
