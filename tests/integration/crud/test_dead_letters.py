"""Dead letters: kept once, listed, replayed and discarded once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from rowcast.core.errors import TransientError
from rowcast.core.messages import replayed

from .serving import make_settings, serving

Json = dict[str, Any]
ROUTE = "/events/dead-letters"
NUMBERS = itertools.count(1)


class Broker(list[tuple[str, Any, dict[str, str]]]):
    """What was published. `refuses` fails what comes after so many messages."""

    refuses: int | None = None

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        if self.refuses is not None and len(self) >= self.refuses:
            raise TransientError("cannot publish: the broker is away")
        self.append((topic, data, metadata or {}))


@pytest.fixture(scope="module")
def broker() -> Broker:
    return Broker()


@pytest.fixture(scope="module")
def crud(migrated_url: str, broker: Broker) -> Iterator[httpx.Client]:
    with serving(make_settings(migrated_url), broker) as client:
        client.headers["x-rowcast-user"] = "ada"
        yield client


@pytest.fixture(autouse=True)
def clean(sql: sa.Connection, broker: Broker) -> None:
    sql.execute(sa.text("DELETE FROM dead_letters"))
    broker.clear()
    broker.refuses = None


def message(**other: Any) -> Json:
    """A dead letter as sync publishes it, of an event that no other letter has."""
    return {
        "target": "k8s",
        "reason": "not-owned",
        "error": "shop exists and is not managed by rowcast",
        "row_id": 7,
        "name": "shop",
        "generation": 3,
        "position": {"__offset": "12"},
        "event": {"specversion": "1.0", "data": {"after": {"id": 7, "number": next(NUMBERS)}}},
        "dead_lettered_at": "2026-01-01T10:00:00.000001+00:00",
        **other,
    }


def receive(crud: httpx.Client, letter: object) -> Json:
    answer = crud.post(ROUTE, json={"specversion": "1.0", "id": "1", "type": "t", "source": "s", "data": letter})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def kept(crud: httpx.Client, **other: Any) -> Json:
    """A letter that crud has just received, with its event."""
    assert receive(crud, message(**other)) == {"status": "SUCCESS"}
    return whole(crud, letters(crud)[0])


def whole(crud: httpx.Client, listed: Json) -> Json:
    """A letter of a list, with its event."""
    found: Json = crud.get(f"/deadletters/{listed['id']}").json()
    assert {name: value for name, value in found.items() if name != "event"} == listed
    return found


def letters(crud: httpx.Client, **params: Any) -> list[Json]:
    answer = crud.get("/deadletters", params=params)
    assert answer.status_code == 200, answer.text
    items: list[Json] = answer.json()["items"]
    return items


def of_row(**other: Any) -> Json:
    """A letter of a row and not of its event, as each reconcile publishes it again."""
    return message(once=True, message_id="0" * 32, **other)


def test_a_row_that_each_reconcile_finds_refused_has_one_letter_of_a_generation(
    crud: httpx.Client, sql: sa.Connection
) -> None:
    for _ in range(3):
        receive(crud, of_row())
    assert [letter["occurrences"] for letter in letters(crud)] == [1]
    answer = crud.post(f"/deadletters/{letters(crud)[0]['id']}:discard", json={"reason": "known"})
    assert answer.status_code == 200
    receive(crud, of_row())
    assert letters(crud) == []
    receive(crud, of_row(generation=4))
    receive(crud, of_row(target="git"))
    assert {(letter["target"], letter["generation"]) for letter in letters(crud)} == {("k8s", 4), ("git", 3)}


def test_a_row_whose_own_event_is_a_letter_gets_no_second_one_by_a_reconcile(crud: httpx.Client) -> None:
    receive(crud, message())
    receive(crud, of_row())
    assert len(letters(crud, state="any")) == 1
    arrived = crud.get("/deadletters:arrived", params={"target": "k8s", "id": "0" * 32})
    assert "0" * 32 in arrived.text


def test_a_row_that_is_refused_once_more_after_a_replay_has_a_letter_again(crud: httpx.Client) -> None:
    receive(crud, of_row())
    (letter,) = letters(crud)
    assert crud.post(f"/deadletters/{letter['id']}:replay").status_code == 200
    receive(crud, of_row())
    assert len(letters(crud)) == 1


def test_crud_subscribes_beside_the_statuses(crud: httpx.Client) -> None:
    topics = {one["topic"]: one["route"] for one in crud.get("/dapr/subscribe").json()}
    assert topics == {"rowcast.sync-status": "/events/sync-status", "rowcast.dead-letters": ROUTE}


def test_a_letter_is_listed_with_all_that_sync_said(crud: httpx.Client) -> None:
    sent = message()
    receive(crud, sent)

    (listed,) = letters(crud)
    letter = whole(crud, listed)
    assert {name: letter[name] for name in sent if name != "dead_lettered_at"} == {
        name: value for name, value in sent.items() if name != "dead_lettered_at"
    }
    assert letter["dead_lettered_at"] == "2026-01-01T10:00:00.000001Z"
    assert (letter["state"], letter["occurrences"], letter["resolved_at"]) == ("open", 1, None)


def test_the_same_message_again_makes_no_second_letter_even_when_the_first_is_resolved(crud: httpx.Client) -> None:
    sent = message()
    receive(crud, sent)
    receive(crud, sent)
    (letter,) = letters(crud)
    assert letter["occurrences"] == 1

    crud.post(f"/deadletters/{letter['id']}:replay")
    receive(crud, sent)
    assert letters(crud) == []


def test_copies_of_one_message_that_come_at_once_make_one_letter(crud: httpx.Client) -> None:
    sent = message()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: receive(crud, sent), range(16)))

    assert answers == [{"status": "SUCCESS"}] * 16
    (letter,) = letters(crud)
    assert letter["occurrences"] == 1


def test_an_event_that_fails_again_adds_to_its_open_letter_and_makes_a_new_one_after_that(crud: httpx.Client) -> None:
    first = kept(crud)
    again = message(event=first["event"], error="still there", dead_lettered_at="2026-01-01T11:00:00Z")
    receive(crud, again)
    (letter,) = letters(crud)
    assert (letter["id"], letter["occurrences"], letter["error"]) == (first["id"], 2, "still there")

    crud.post(f"/deadletters/{first['id']}:replay")
    receive(crud, {**again, "dead_lettered_at": "2026-01-01T12:00:00Z"})
    (letter,) = letters(crud)
    assert (letter["id"] != first["id"], letter["occurrences"]) == (True, 1)


def test_a_list_of_the_largest_letters_is_small(crud: httpx.Client) -> None:
    for number in range(64):
        receive(crud, message(event={"number": number, "text": "x" * 200_000}, error="e" * 1_000_000))
    answer = crud.get("/deadletters", params={"limit": 64})
    assert len(answer.json()["items"]) == 64
    assert len(answer.content) < 500_000
    found = crud.get(f"/deadletters/{answer.json()['items'][0]['id']}")
    assert len(found.json()["event"]["text"]) == 200_000


@pytest.mark.parametrize("depth", [70, 300, 900])
def test_a_letter_that_is_nested_deeply_is_kept_and_breaks_no_list(crud: httpx.Client, depth: int) -> None:
    event = "[" * depth + "]" * depth
    body = json.dumps({"data": message(event="EVENT")}).replace('"EVENT"', event)

    answer = crud.post(ROUTE, content=body, headers={"content-type": "application/cloudevents+json"})

    assert (answer.status_code, answer.json()) == (200, {"status": "SUCCESS"})
    (listed,) = letters(crud)
    assert whole(crud, listed)["event"] == event


def test_a_letter_that_was_kept_nested_deeply_is_shown_as_text(crud: httpx.Client, sql: sa.Connection) -> None:
    """From before they were bounded."""
    letter = kept(crud)
    event = "[" * 2_000 + "]" * 2_000
    statement = "UPDATE dead_letters SET event = NULL, event_text = :event WHERE id = :id"
    sql.execute(sa.text(statement), {"event": event, "id": letter["id"]})

    (listed,) = letters(crud)
    assert whole(crud, listed)["event"] == event
    assert crud.post(f"/deadletters/{listed['id']}:replay").status_code == 200


def test_one_event_that_fails_at_two_targets_makes_a_letter_for_each(crud: httpx.Client) -> None:
    first = kept(crud)
    receive(crud, message(event=first["event"], target="git"))
    assert [letter["target"] for letter in letters(crud)] == ["git", "k8s"]


@pytest.mark.parametrize(
    "event",
    ["garbage", None, 7, [], {}, {"a\x00": "b\x00"}, "\x00", {"n": 1e308}, {"deep": {"er": [1, [2, [3]]]}}],
    ids=repr,
)
def test_whatever_the_event_is_it_is_kept_and_replayed_as_it_came(
    crud: httpx.Client, broker: Broker, event: object
) -> None:
    letter = kept(crud, event=event, row_id=None, name="n\x00", generation=2**70)

    assert (letter["event"], letter["name"], letter["generation"]) == (event, "n\N{REPLACEMENT CHARACTER}", None)
    crud.post(f"/deadletters/{letter['id']}:replay")
    assert [(topic, replayed(data)) for topic, data, _ in broker] == [("rowcast.replay.k8s", (event, letter["id"]))]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"data": 1}', b'{"data": {"target": "K8S"}}'])
def test_what_is_no_dead_letter_is_dropped_and_counted(crud: httpx.Client, body: bytes) -> None:
    assert crud.post(ROUTE, content=body).json() == {"status": "DROP"}
    assert "rowcast_dead_letters_malformed_total" in crud.get("/metrics").text


def test_the_pages_make_up_the_list_newest_first(crud: httpx.Client) -> None:
    for _ in range(7):
        receive(crud, message())
    found: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = crud.get("/deadletters", params={"limit": 3, **cursor}).json()
        assert page["total"] == 7
        found += [letter["id"] for letter in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert (len(found), found) == (7, sorted(found, reverse=True))


def test_the_list_is_filtered(crud: httpx.Client) -> None:
    kept(crud)
    kept(crud, target="git", reason="undecodable", row_id=None)
    other = kept(crud, row_id=8)
    crud.post(f"/deadletters/{other['id']}:discard", json={"reason": "a test"})

    assert [letter["target"] for letter in letters(crud)] == ["git", "k8s"]
    assert [letter["target"] for letter in letters(crud, target="git")] == ["git"]
    assert [letter["target"] for letter in letters(crud, reason="not-owned")] == ["k8s"]
    assert letters(crud, row_id=8) == []
    assert [letter["id"] for letter in letters(crud, row_id=8, state="discarded")] == [other["id"]]
    assert len(letters(crud, state="any")) == 3


def test_a_cursor_of_another_list_is_refused(crud: httpx.Client) -> None:
    for name in ("one", "two"):
        config = {"name": name, "repository_url": "https://git.example/a.git", "environment": "dev"}
        crud.post("/appconfigs", json=config)
    cursor = crud.get("/appconfigs", params={"limit": 1}).json()["next_cursor"]
    assert crud.get("/deadletters", params={"cursor": cursor}).status_code == 422


@pytest.mark.parametrize("params", [{"state": "lost"}, {"row_id": 0}, {"target": "a\x00"}, {"limit": 1001}])
def test_a_list_that_cannot_be_made_is_refused(crud: httpx.Client, params: dict[str, str]) -> None:
    assert crud.get("/deadletters", params=params).status_code == 422


def test_a_replay_publishes_the_original_event_raw_to_its_target_and_says_who(
    crud: httpx.Client, broker: Broker
) -> None:
    letter = kept(crud)
    answer = crud.post(f"/deadletters/{letter['id']}:replay", json={"reason": "the foreign object is gone"})

    ((topic, data, metadata),) = broker
    assert (topic, metadata) == ("rowcast.replay.k8s", {"rawPayload": "true", "partitionKey": "appconfigs/7"})
    assert replayed(data) == (letter["event"], letter["id"])
    listed = answer.json()
    assert (answer.status_code, listed["state"], listed["resolved_by"]) == (200, "replayed", "ada")
    assert listed["resolution_reason"] == "the foreign object is gone"
    assert listed["resolved_at"] is not None
    assert letters(crud) == []


def test_a_letter_whose_event_the_broker_does_not_take_stays_open(crud: httpx.Client, broker: Broker) -> None:
    letter = kept(crud)
    broker.refuses = 0
    answer = crud.post(f"/deadletters/{letter['id']}:replay")

    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "the broker is away" in answer.json()["detail"]
    assert [whole(crud, one) for one in letters(crud)] == [letter]


def test_a_discard_keeps_who_and_why(crud: httpx.Client, broker: Broker) -> None:
    letter = kept(crud)
    answer = crud.post(f"/deadletters/{letter['id']}:discard", json={"reason": " a test of mine "})

    discarded = answer.json()
    assert (discarded["state"], discarded["resolved_by"]) == ("discarded", "ada")
    assert discarded["resolution_reason"] == "a test of mine"
    assert not broker


@pytest.mark.parametrize("body", [None, {}, {"reason": ""}, {"reason": "  "}, {"reason": None}, {"reason": "a\x00"}])
def test_a_discard_without_a_reason_is_refused(crud: httpx.Client, body: Json | None) -> None:
    letter = kept(crud)
    answer = crud.post(f"/deadletters/{letter['id']}:discard", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [whole(crud, one) for one in letters(crud)] == [letter]


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_what_is_resolved_is_not_resolved_again(crud: httpx.Client, broker: Broker, action: str) -> None:
    letter = kept(crud)
    crud.post(f"/deadletters/{letter['id']}:discard", json={"reason": "a test"})
    answer = crud.post(f"/deadletters/{letter['id']}:{action}", json={"reason": "again"})

    assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (409, "resolved")
    assert crud.get(f"/deadletters/{letter['id']}").json()["resolution_reason"] == "a test"
    assert not broker


def test_of_replays_that_come_at_once_one_is_done(crud: httpx.Client, broker: Broker) -> None:
    letter = kept(crud)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: crud.post(f"/deadletters/{letter['id']}:replay").status_code, range(8)))

    assert sorted(answers) == [200] + [409] * 7
    assert len(broker) == 1


@pytest.mark.parametrize("path", ["/deadletters/999999999", "/deadletters/999999999:replay"])
def test_a_letter_that_is_not_there_is_not_found(crud: httpx.Client, path: str) -> None:
    answer = crud.request("GET" if path.endswith("9") else "POST", path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_many_are_replayed_oldest_first_and_answered_in_the_order_asked_for(crud: httpx.Client, broker: Broker) -> None:
    ids = [kept(crud)["id"] for _ in range(5)]
    answer = crud.post("/deadletters:replay", json={"ids": ids[::-1]}).json()

    assert [letter["id"] for letter in answer["items"]] == ids[::-1]
    assert [data["event"]["data"]["after"]["number"] for _, data, _ in broker] == [
        whole(crud, letter)["event"]["data"]["after"]["number"] for letter in answer["items"][::-1]
    ]


def test_of_many_what_the_broker_took_is_replayed_and_the_rest_stays_open(crud: httpx.Client, broker: Broker) -> None:
    ids = [kept(crud)["id"] for _ in range(5)]
    broker.refuses = 2
    answer = crud.post("/deadletters:replay", json={"ids": ids})

    assert answer.status_code == 503
    assert "2 of 5" in answer.json()["detail"]
    assert [letter["id"] for letter in letters(crud)] == ids[:1:-1]


def test_many_are_resolved_all_or_none(crud: httpx.Client, broker: Broker) -> None:
    ids = [kept(crud)["id"] for _ in range(3)]
    crud.post(f"/deadletters/{ids[1]}:discard", json={"reason": "a test"})

    refused = crud.post("/deadletters:replay", json={"ids": ids})
    assert refused.status_code == 409
    assert [(error["index"], error["rule"]) for error in refused.json()["errors"]] == [(1, "resolved")]
    assert crud.post("/deadletters:discard", json={"ids": [ids[0], 999999999], "reason": "x"}).status_code == 404
    assert crud.post("/deadletters:discard", json={"ids": [ids[0], ids[0]], "reason": "x"}).status_code == 422
    assert crud.post("/deadletters:discard", json={"ids": [], "reason": "x"}).status_code == 422
    assert not broker
    discarded = crud.post("/deadletters:discard", json={"ids": [ids[0], ids[2]], "reason": "x"}).json()
    assert [letter["state"] for letter in discarded["items"]] == ["discarded", "discarded"]


def test_an_event_that_fails_again_before_its_replay_is_answered_makes_a_new_letter(
    crud: httpx.Client, broker: Broker, sql: sa.Connection
) -> None:
    letter = kept(crud)
    again = message(event=letter["event"], dead_lettered_at="2026-01-01T11:00:00Z")
    with ThreadPoolExecutor(1) as pool:
        with sql.engine.execution_options(isolation_level="READ COMMITTED").begin() as replaying:
            # What a replay does while it publishes: it holds the letter, then closes it.
            replaying.execute(sa.text("SELECT 1 FROM dead_letters WHERE id = :id FOR UPDATE"), {"id": letter["id"]})
            receiving = pool.submit(receive, crud, again)
            while not sql.execute(sa.text("SELECT 1 FROM pg_locks WHERE NOT granted")).first():
                assert not receiving.done()
            replaying.execute(
                sa.text("UPDATE dead_letters SET state = 'replayed', resolved_at = now(), resolved_by = 'x'")
            )
        assert receiving.result() == {"status": "SUCCESS"}

    (new,) = letters(crud)
    assert (new["id"] > letter["id"], new["occurrences"]) == (True, 1)


def test_a_letter_that_is_replayed_twice_is_published_under_two_ids(crud: httpx.Client, broker: Broker) -> None:
    """JetStream drops within two minutes what has the id of something that it has seen."""
    sent = message()
    for moment in ("10:00", "10:01"):
        receive(crud, {**sent, "dead_lettered_at": f"2026-01-01T{moment}:00Z"})
        crud.post(f"/deadletters/{letters(crud)[0]['id']}:replay").raise_for_status()

    (_, first, _), (_, second, _) = broker
    assert replayed(first)[0] == replayed(second)[0] == sent["event"]
    assert first["id"] != second["id"]


def test_a_message_that_sync_publishes_again_is_the_same_by_its_id(crud: httpx.Client) -> None:
    sent, its_id, other = message(), "a" * 32, "b" * 32
    receive(crud, {**sent, "message_id": its_id})
    receive(crud, {**sent, "message_id": its_id, "dead_lettered_at": "2026-01-01T11:00:00Z"})
    assert [letter["occurrences"] for letter in letters(crud)] == [1]
    receive(crud, {**sent, "message_id": other})
    assert [letter["occurrences"] for letter in letters(crud)] == [2]


def test_crud_says_which_messages_have_come_whatever_became_of_their_letters(crud: httpx.Client) -> None:
    here, gone, away = "1" * 32, "2" * 32, "3" * 32
    for its_id in (here, gone):
        receive(crud, message(message_id=its_id))
    crud.post(f"/deadletters/{letters(crud)[0]['id']}:discard", json={"reason": "a test"}).raise_for_status()

    def arrived(target: str) -> object:
        answer = crud.get("/deadletters:arrived", params={"target": target, "id": [away, here, gone]})
        return answer.json()["arrived"]

    assert (arrived("k8s"), arrived("git")) == ([here, gone], [])


def test_a_replay_is_asked_for_until_its_target_has_answered(crud: httpx.Client) -> None:
    first, second = kept(crud), kept(crud, target="git")
    open_one = kept(crud)
    for letter in (first, second):
        assert crud.post(f"/deadletters/{letter['id']}:replay").json()["answered_at"] is None

    def unanswered(seconds: float = 0) -> object:
        return crud.get("/deadletters:unanswered", params={"target": "k8s", "seconds": seconds}).json()["letters"]

    assert (unanswered(3600), unanswered()) == ([], [{"id": first["id"], "event": first["event"]}])
    told = {"target": "k8s", "ids": [first["id"], second["id"], open_one["id"]]}
    answers = [crud.post("/deadletters:answered", json=told).json() for _ in range(2)]

    assert (answers, unanswered()) == ([{"answered": 1}, {"answered": 0}], [])
    assert crud.get(f"/deadletters/{first['id']}").json()["answered_at"] is not None
    assert crud.get(f"/deadletters/{second['id']}").json()["answered_at"] is None
