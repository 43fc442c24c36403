from __future__ import annotations

from rowcast.sync import subscription
from rowcast.sync.settings import SyncSettings


def settings(**values: object) -> SyncSettings:
    return SyncSettings(target="k8s", **values)  # type: ignore[arg-type]


def test_a_bulk_subscription_says_how_large_and_how_long_a_batch_is() -> None:
    (announced,) = subscription.subscriptions(settings(batch_size=100, batch_wait_ms=20))

    assert announced["route"] == subscription.BULK_ROUTE
    assert announced["bulkSubscribe"] == {"enabled": True, "maxMessagesCount": 100, "maxAwaitDurationMs": 20}


def test_a_single_subscription_has_a_route_of_its_own() -> None:
    (announced,) = subscription.subscriptions(settings(subscription="single"))

    assert announced["route"] == subscription.SINGLE_ROUTE
    assert "bulkSubscribe" not in announced


def test_every_entry_of_a_bulk_post_gets_its_own_answer() -> None:
    entries = subscription.bulk({"entries": [{"entryId": "a", "event": 1}, {"entryId": "b"}]})

    assert subscription.answer(entries, {"b"}) == {
        "statuses": [{"entryId": "a", "status": "SUCCESS"}, {"entryId": "b", "status": "RETRY"}]
    }


def test_the_position_of_a_single_event_is_what_the_broker_put_into_headers() -> None:
    entry = subscription.single({}, {"__offset": "7", "content-type": "application/cloudevents+json"})

    assert entry.position == {"__offset": "7"}
