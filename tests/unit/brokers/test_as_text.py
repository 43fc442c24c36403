"""How a broker's facts are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rowcast.brokers.as_text import as_json, table
from rowcast.core.broker import BrokerFacts, GroupFacts, TopicFacts, subscriptions

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
FACTS = BrokerFacts(
    "redis",
    "7.4.1",
    (
        TopicFacts("changes", 3, 700, NOW - timedelta(seconds=90), 604800.0, (GroupFacts("sync-k8s", 1, 2, 4),)),
        TopicFacts("replays", groups=()),
    ),
    ("it forgets",),
)


def test_a_table_has_a_line_for_each_reader_and_a_dash_for_what_is_not_told() -> None:
    assert list(table(FACTS, NOW)) == [
        "redis 7.4.1",
        "TOPIC    MESSAGES  BYTES  OLDEST       KEPT             READER    LAG  UNANSWERED  CONSUMERS",
        "changes  3         700    0:01:30 ago  7 days, 0:00:00  sync-k8s  1    2           4",
        "replays  -         -      -            -                -         -    -           -",
        "warning: it forgets",
    ]


def test_json_has_null_for_what_is_not_told() -> None:
    written = as_json(FACTS)
    assert written["topics"][0]["oldest_at"] == "2026-11-28T11:58:30+00:00"
    assert written["topics"][1]["messages"] is None
    assert written["warnings"] == ("it forgets",)


def test_every_topic_that_somebody_publishes_to_has_its_reader() -> None:
    assert {(each.topic, each.app_id) for each in subscriptions("p", ["k8s", "git"])} == {
        ("p.public.app_configs", "sync-k8s"),
        ("p.public.app_configs", "sync-git"),
        ("p.replay.k8s", "sync-k8s"),
        ("p.replay.git", "sync-git"),
        ("p.sync-status", "crud"),
        ("p.dead-letters", "crud"),
    }
