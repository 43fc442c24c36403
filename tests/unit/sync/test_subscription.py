from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.sync import subscription
from rowcast.sync.batch import Entry
from rowcast.sync.settings import SyncSettings


def settings(**values: object) -> SyncSettings:
    return SyncSettings(target="k8s", **values)  # type: ignore[arg-type]


def test_a_bulk_subscription_says_how_large_and_how_long_a_batch_is() -> None:
    announced, replays = subscription.subscriptions(settings(batch_size=100, batch_wait_ms=20))

    assert announced["route"] == subscription.BULK_ROUTE
    assert announced["bulkSubscribe"] == {"enabled": True, "maxMessagesCount": 100, "maxAwaitDurationMs": 20}
    assert (replays["route"], replays["bulkSubscribe"]) == (subscription.REPLAYS_BULK, announced["bulkSubscribe"])


def test_a_single_subscription_has_a_route_of_its_own() -> None:
    announced, replays = subscription.subscriptions(settings(subscription="single"))

    assert announced["route"] == subscription.SINGLE_ROUTE
    assert replays["route"] == subscription.REPLAYS
    assert not any("bulkSubscribe" in one for one in (announced, replays))


def test_what_the_sidecar_cannot_read_comes_again_raw_where_replays_come() -> None:
    announced, replays = subscription.subscriptions(settings())

    assert announced["deadLetterTopic"] == replays["topic"] == "rowcast.replay.k8s"
    assert replays["metadata"] == {"rawPayload": "true", "queueType": "quorum"}
    assert "deadLetterTopic" not in replays


def test_every_entry_of_a_bulk_post_gets_its_own_answer() -> None:
    entries = subscription.bulk({"entries": [{"entryId": "a", "event": 1}, {"entryId": "b"}]})

    assert subscription.answer(entries, {"b"}) == {
        "statuses": [{"entryId": "a", "status": "SUCCESS"}, {"entryId": "b", "status": "RETRY"}]
    }


def test_the_position_of_a_single_event_is_what_the_broker_put_into_headers() -> None:
    entry = subscription.single({}, {"__offset": "7", "content-type": "application/cloudevents+json"})

    assert entry.position == {"__offset": "7"}


UNREADABLE = {
    "deeper than a parser goes": b"[" * 5_000 + b"]" * 5_000,
    "deeper than a writer goes": b'{"a":' * 300 + b"1" + b"}" * 300,
    "half of a character": b'"\\ud83d"',
    "a number of thousands of digits": b'{"id":' + b"9" * 5_000 + b"}",
    "an infinite number": b"1e999",
    "not a number": b"NaN",
    "not UTF-8": b'"\xff"',
    "no JSON": b"garbage",
    "NUL": b"\0",
    "nothing": b"",
}


def body(*events: bytes) -> bytes:
    """A bulk post as the sidecar makes it."""
    entries = [
        b'{"entryId":"%d","event":%s,"contentType":"application/json","metadata":{"__offset":"%d"}}' % (n, one, n)
        for n, one in enumerate(events)
    ]
    return b'{"id":"x","entries":[' + b", ".join(entries) + b'],"topic":"t","type":"com.dapr.event.sent.bulk"}'


@pytest.mark.parametrize("unreadable", UNREADABLE.values(), ids=UNREADABLE)
def test_an_entry_that_no_parser_takes_is_text_alone(unreadable: bytes) -> None:
    good = {"a": ["]},\\", '"', {}]}

    before, wrong, after = subscription.bulk(body(orjson.dumps(good), unreadable, orjson.dumps(good)))

    assert (before, after) == (Entry("0", good, {"__offset": "0"}), Entry("2", good, {"__offset": "2"}))
    assert wrong == Entry("1", unreadable.decode(errors="replace"), {"__offset": "1"})


@pytest.mark.parametrize(
    ("entry", "read"),
    [
        (7, Entry("", 7)),
        ({}, Entry("", None)),
        ({"entryId": ["a"], "event": 1}, Entry("", 1)),
        ({"entryId": "a", "metadata": 7}, Entry("a", None)),
        ({"entryId": "a", "metadata": {"__offset": 7, "__topic": "t"}}, Entry("a", None, {"__topic": "t"})),
    ],
)
def test_an_entry_of_wrong_types_keeps_what_is_right(entry: object, read: Entry) -> None:
    entries = subscription.bulk(orjson.dumps({"entries": [entry, {"entryId": "b"}]}))

    assert entries == [read, Entry("b", None)]
    assert len(subscription.answer(entries, set())["statuses"]) == (2 if read.id else 1)


@pytest.mark.parametrize("no_batch", [b"", b"[]", b"{}", b'{"entries": 7}', b"\xff", b'{"entries": [NaN', b'"entries"'])
def test_what_is_no_batch_is_refused_whole(no_batch: bytes) -> None:
    with pytest.raises(ValueError, match="not a batch"):
        subscription.bulk(no_batch)


def entries_of(posted: bytes) -> list[Entry]:
    try:
        return subscription.bulk(posted)
    except ValueError:  # no batch
        return []


@given(st.lists(st.binary() | st.sampled_from([*UNREADABLE.values(), b"}", b"]", b'"', b"\\", b",", b"[{"])))
def test_whatever_a_bulk_post_has_in_it_it_is_read_or_no_batch(events: list[bytes]) -> None:
    whole = body(*events)
    for posted in (whole, whole[:-20], b"".join(events)):
        assert all(isinstance(entry.id, str) for entry in entries_of(posted))
        orjson.dumps([entry.event for entry in entries_of(posted)])


@given(st.binary())
def test_whatever_a_raw_post_has_in_it_it_is_one_entry(posted: bytes) -> None:
    assert subscription.single_raw(posted, {}).id == "0"
