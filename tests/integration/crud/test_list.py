import base64
import json

import httpx
import pytest
import sqlalchemy as sa

NAMES = [f"app-{number:03}" for number in range(25)]


@pytest.fixture(scope="module", autouse=True)
def rows(crud: httpx.Client) -> None:
    for index, name in enumerate(NAMES):
        config = {
            "name": name,
            "repository_url": f"https://git.example/{'even' if index % 2 == 0 else 'odd'}.git",
            "branch": "100%_done" if index == 7 else "main",
            "environment": "prod" if index % 5 == 0 else "dev",
        }
        assert crud.post("/appconfigs", json=config).status_code == 201


def pages(crud: httpx.Client, **params: str | int) -> list[dict[str, object]]:
    """All items of a list, read page by page."""
    items: list[dict[str, object]] = []
    cursor = None
    while True:
        page = crud.get("/appconfigs", params={**params, **({"cursor": cursor} if cursor else {})}).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            assert page["total"] == len(items)
            return items


@pytest.mark.parametrize("sort", ["name", "-name", "updated_at", "-updated_at", "id", "-id"])
@pytest.mark.parametrize("limit", [1, 7, 25, 1000])
def test_the_pages_make_up_the_whole_list_in_its_order(crud: httpx.Client, sort: str, limit: int) -> None:
    names = [item["name"] for item in pages(crud, sort=sort, limit=limit)]
    assert names == (NAMES[::-1] if sort.startswith("-") else NAMES)


def test_rows_of_the_same_time_are_all_on_some_page(crud: httpx.Client, sql: sa.Connection) -> None:
    sql.execute(sa.text("UPDATE app_configs SET environment = environment || '-x'"))  # one time for all
    assert sorted(str(item["name"]) for item in pages(crud, sort="-updated_at", limit=4)) == NAMES
    sql.execute(sa.text("UPDATE app_configs SET environment = left(environment, -2)"))


def test_a_row_that_is_deleted_between_pages_hides_no_other(crud: httpx.Client) -> None:
    first = crud.get("/appconfigs", params={"limit": 3, "sort": "name"}).json()
    last = first["items"][-1]
    crud.delete(f"/appconfigs/{last['id']}")
    second = crud.get("/appconfigs", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [item["name"] for item in second["items"]] == NAMES[3:6]
    body = {key: last[key] for key in ("name", "repository_url", "branch", "environment")}
    assert crud.post("/appconfigs", json=body).status_code == 201


def test_a_list_is_filtered_by_environment(crud: httpx.Client) -> None:
    assert [item["name"] for item in pages(crud, environment="prod", limit=2, sort="name")] == NAMES[::5]


@pytest.mark.parametrize(
    ("search", "count"), [("APP-00", 10), ("even", 13), ("odd.git", 12), ("%_", 1), ("_", 1), ("\\", 0), ("", 25)]
)
def test_a_search_looks_for_the_text_itself_in_name_repository_and_branch(
    crud: httpx.Client, search: str, count: int
) -> None:
    assert len(pages(crud, search=search)) == count


def forged(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


STRANGE = [
    "",
    "x",
    "!!",
    "e30",
    "a" * 3000,
    forged(2, "id", "1", 1),
    forged(1, "branch", "a", 1),
    forged(1, "id", "x", 1),
]
STRANGE += [
    forged(1, "--id", "1", 1),
    forged(1, "id", "9" * 30, 1),
    forged(1, "updated_at", "noon", 1),
    forged(1, "id", "1", 2**63),
]


@pytest.mark.parametrize("cursor", STRANGE)
def test_a_cursor_of_somebody_elses_making_is_refused(crud: httpx.Client, cursor: str) -> None:
    response = crud.get("/appconfigs", params={"cursor": cursor})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "cursor")


def test_a_cursor_does_not_continue_a_list_in_another_order(crud: httpx.Client) -> None:
    cursor = crud.get("/appconfigs", params={"limit": 1, "sort": "name"}).json()["next_cursor"]
    response = crud.get("/appconfigs", params={"cursor": cursor, "sort": "-name"})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "cursor")


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 1001}, {"sort": "branch"}])
def test_a_list_that_cannot_be_made_is_refused(crud: httpx.Client, params: dict[str, str]) -> None:
    assert crud.get("/appconfigs", params=params).status_code == 422


def test_a_row_of_which_nothing_is_known_is_pending_at_every_target(crud: httpx.Client) -> None:
    sync = crud.get("/appconfigs", params={"limit": 1}).json()["items"][0]["sync"]
    assert {target: status["state"] for target, status in sync.items()} == {"k8s": "pending", "git": "pending"}
