from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

Row = dict[str, Any]


def config(name: str) -> dict[str, str]:
    return {"name": name, "repository_url": "https://git.example/shop.git", "branch": "main", "environment": "dev"}


def create(name: str) -> Row:
    return {"action": "create", "config": config(name)}


def send(crud: httpx.Client, *items: Row) -> httpx.Response:
    return crud.post("/appconfigs:batch", json={"items": items}, headers={"x-rowcast-user": "ada"})


def refused(response: httpx.Response, status: int) -> list[tuple[int, str, str]]:
    assert response.status_code == status, response.text
    return [(error["index"], error["field"], error["rule"]) for error in response.json()["errors"]]


def test_a_batch_answers_with_the_rows_in_the_order_of_its_items(crud: httpx.Client, new: Callable[..., Row]) -> None:
    first, second = new("first"), new("second")
    response = send(
        crud,
        {"action": "delete", "id": first["id"], "generation": 1},
        create("zulu"),
        {"action": "update", "id": second["id"], "config": {"branch": "next"}},
        create("alpha"),
    )
    deleted, zulu, updated, alpha = response.json()["items"]
    assert deleted is None
    assert (zulu["name"], alpha["name"], alpha["updated_by"]) == ("zulu", "alpha", "ada")
    assert (updated["branch"], updated["generation"]) == ("next", 2)
    assert crud.get(f"/appconfigs/{first['id']}").status_code == 404


def test_two_rows_can_swap_their_names(crud: httpx.Client, new: Callable[..., Row]) -> None:
    left, right = new("left"), new("right")
    response = send(
        crud,
        {"action": "update", "id": left["id"], "config": {"name": "right"}},
        {"action": "update", "id": right["id"], "config": {"name": "left"}},
    )
    assert [row["name"] for row in response.json()["items"]] == ["right", "left"]


def test_a_name_can_move_from_a_deleted_row_to_a_new_one(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("moving")
    response = send(crud, create("moving"), {"action": "delete", "id": row["id"]})
    assert response.json()["items"][0]["id"] > row["id"]


def test_a_thousand_rows_go_in_one_transaction(crud: httpx.Client) -> None:
    response = send(crud, *(create(f"many-{number}") for number in range(1000)))
    assert [row["name"] for row in response.json()["items"]] == [f"many-{number}" for number in range(1000)]
    assert len({row["created_at"] for row in response.json()["items"]}) == 1


@pytest.mark.parametrize(("count", "rule"), [(0, "min-items"), (1001, "max-items")])
def test_a_batch_has_one_to_a_thousand_items(crud: httpx.Client, count: int, rule: str) -> None:
    response = send(crud, *(create(f"count-{number}") for number in range(count)))
    assert [(error["field"], error["rule"]) for error in response.json()["errors"]] == [("items", rule)]


def test_a_batch_with_taken_names_names_each_and_does_nothing(crud: httpx.Client, new: Callable[..., Row]) -> None:
    new("held")
    response = send(crud, create("fresh"), create("held"), create("twice"), create("twice"))
    unique = [(index, "name", "unique") for index in (1, 2, 3)]
    assert refused(response, 409) == unique
    assert crud.get("/appconfigs", params={"search": "fresh"}).json()["total"] == 0


def test_a_batch_with_stale_and_missing_rows_names_each(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("stale")
    response = send(
        crud,
        {"action": "update", "id": row["id"], "generation": 2, "config": {"branch": "b"}},
        {"action": "delete", "id": 2**40},
    )
    assert refused(response, 412) == [(0, "generation", "generation"), (1, "id", "not-found")]


def test_a_row_can_be_in_a_batch_only_once(crud: httpx.Client, new: Callable[..., Row]) -> None:
    row = new("once")
    item = {"action": "delete", "id": row["id"]}
    assert refused(send(crud, item, item), 422) == [(1, "id", "duplicate")]


def test_an_invalid_item_is_named_by_index_field_and_rule(crud: httpx.Client) -> None:
    response = send(crud, create("fine"), create("Not fine"), {"action": "update", "id": 1, "config": {"branch": ".."}})
    assert refused(response, 422) == [(1, "name", "dns-1123-label"), (2, "branch", "git-branch")]


def test_of_batches_that_race_for_a_name_one_wins(crud: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: send(crud, create(f"side-{number}"), create("prize")), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert all(refused(answer, 409) == [(1, "name", "unique")] for answer in answers if answer.status_code == 409)


def test_batches_that_change_the_same_rows_in_opposite_order_both_succeed(
    crud: httpx.Client, new: Callable[..., Row]
) -> None:
    ids = [new(f"cross-{number}")["id"] for number in range(20)]

    def change(number: int) -> int:
        order = ids if number % 2 else ids[::-1]
        items = [{"action": "update", "id": row_id, "config": {"branch": f"b{number}"}} for row_id in order]
        return send(crud, *items).status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(change, range(12))) == {200}


def test_of_batches_that_expect_the_same_generation_one_wins(crud: httpx.Client, new: Callable[..., Row]) -> None:
    ids = [new(f"expected-{number}")["id"] for number in range(5)]

    def change(number: int) -> int:
        config = {"branch": f"b{number}"}
        items = [{"action": "update", "id": row_id, "generation": 1, "config": config} for row_id in ids]
        return send(crud, *items).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(change, range(8))) == [200] + [412] * 7
