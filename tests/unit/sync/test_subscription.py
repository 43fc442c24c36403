from __future__ import annotations

from rowcast.sync import subscription
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
    assert replays["metadata"] == {"rawPayload": "true"}
    assert "deadLetterTopic" not in replays


def test_every_entry_of_a_bulk_post_gets_its_own_answer() -> None:
    entries = subscription.bulk({"entries": [{"entryId": "a", "event": 1}, {"entryId": "b"}]})

    assert subscription.answer(entries, {"b"}) == {
        "statuses": [{"entryId": "a", "status": "SUCCESS"}, {"entryId": "b", "status": "RETRY"}]
    }


def test_the_position_of_a_single_event_is_what_the_broker_put_into_headers() -> None:
    entry = subscription.single({}, {"__offset": "7", "content-type": "application/cloudevents+json"})

    assert entry.position == {"__offset": "7"}
