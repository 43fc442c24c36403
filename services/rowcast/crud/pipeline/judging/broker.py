"""The broker between capture and the targets, as far as it tells of itself to whatever captures."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from rowcast.core.broker import BrokerFacts, GroupFacts, TopicFacts, subscriptions
from rowcast.core.capture import CaptureFacts, ConnectFacts
from rowcast.core.words import count, duration
from rowcast.crud.pipeline.advice import Advice
from rowcast.crud.pipeline.judging.verdict import OK, Verdict

NEARLY = 0.9
"""The share of the retention after which what nobody has read is called in danger."""


def broker(facts: CaptureFacts, prefix: str, targets: Sequence[str], now: datetime) -> Verdict:
    """The broker. With Kafka Connect only that Connect could read from it: Kafka itself is asked nothing."""
    if isinstance(facts, ConnectFacts):
        if facts.status is None or facts.offsets_known:
            return OK
        return Verdict(
            "unknown",
            "Kafka Connect could not read from Kafka just now",
            "see whether Kafka runs, if that lasts",
            Advice.PART_DOWN,
        )
    if not facts.broker_configured:
        action = "set ROWCAST_BROKER_URL (or ROWCAST_BROKER_URL_FILE) for rowcast capture"
        return Verdict("unknown", "capture has not been told where the broker is", action)
    if facts.broker_error is not None:
        words = f"capture can't ask it: {facts.broker_error}"
        return Verdict("down", words, "see whether it runs, and its log", Advice.PART_DOWN)
    if facts.broker is None:
        return Verdict("unknown", "capture has not asked it yet", "wait a moment")
    return _told(facts.broker, prefix, targets, now)


def waits(facts: BrokerFacts, app_ids: Collection[str]) -> int | None:
    """How many messages these applications have yet to read or answer; None if the broker doesn't tell of all."""
    groups = [
        group for topic in facts.topics for group in topic.groups if any(reads(group, app_id) for app_id in app_ids)
    ]
    # Kafka counts what is unanswered as lag.
    numbers = [number for group in groups for number in (group.lag, 0 if facts.kind == "kafka" else group.unanswered)]
    known = [number for number in numbers if number is not None]
    return sum(known) if groups and len(known) == len(numbers) else None


def reads(group: GroupFacts, app_id: str) -> bool:
    """Whether a group is an application's: its app id, or that behind a platform's prefix."""
    before, found, after = group.name.rpartition(app_id)
    return bool(found) and not after and not before[-1:].isalnum()


def _told(facts: BrokerFacts, prefix: str, targets: Sequence[str], now: datetime) -> Verdict:
    if gone := list(_gone(facts, prefix, targets)):
        return Verdict(
            "down",
            f"gone, and all that was in it: {', '.join(gone)}",
            "restart capture, which makes it; then rowcast capture resnapshot, and reconcile each target",
            Advice.RECREATED_TOPIC,
        )
    if facts.warnings:
        return Verdict("degraded", " ".join(facts.warnings), "set it so, and restart it", Advice.BROKER_SETUP)
    pairs = [(topic, group) for topic in facts.topics for group in topic.groups]
    for topic, group in pairs:
        if group.lag and group.consumers == 0:
            words = f"{count(group.lag, 'message')} of {topic.name} wait for {group.name}, and nobody reads them"
            return Verdict("degraded", words, "see that application and its sidecar", Advice.NOBODY_READS)
    for topic, group in pairs:
        if (age := _expiring(topic, group, now)) is not None:
            words = f"{topic.name} has messages of {duration(age)} ago that {group.name} has not read"
            kept = duration(timedelta(seconds=topic.retention_seconds or 0))
            return Verdict(
                "degraded", f"{words}, and keeps them for {kept}", "see that application", Advice.NOBODY_READS
            )
    return OK


def _gone(facts: BrokerFacts, prefix: str, targets: Sequence[str]) -> Iterator[str]:
    topics = {topic.name: topic for topic in facts.topics}
    for each in subscriptions(prefix, targets):
        topic = topics.get(each.topic)
        if topic is None:
            yield each.topic
        # Kafka remembers a group only from its first commit on.
        elif facts.kind != "kafka" and not any(reads(group, each.app_id) for group in topic.groups):
            yield f"{each.app_id}'s place in {each.topic}"


def _expiring(topic: TopicFacts, group: GroupFacts, now: datetime) -> timedelta | None:
    """The age of a topic's oldest message if it will soon be gone, and the group has read nothing of what is there."""
    if topic.oldest_at is None or not topic.retention_seconds:
        return None
    if group.lag is None or topic.messages is None or not 0 < topic.messages <= group.lag:
        return None
    age = now - topic.oldest_at
    return age if age.total_seconds() > NEARLY * topic.retention_seconds else None
