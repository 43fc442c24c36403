"""crud asks the sync instances; what they don't answer is told, and what is wrong is refused before they are asked."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from .serving import make_settings, serving

New = Callable[..., dict[str, Any]]
CONFIG = {"name": "seen", "repository_url": "https://git.example/shop.git", "branch": "main", "environment": "dev"}


@pytest.fixture(scope="module")
def crud(migrated_url: str) -> Iterator[httpx.Client]:
    """Its sidecar's port is one where nobody is."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        with serving(make_settings(migrated_url, dapr_http_port=reserved.getsockname()[1])) as client:
            yield client


def preview(crud: httpx.Client, row_id: int | None = None, **config: str) -> httpx.Response:
    return crud.post("/appconfigs:preview", json={"id": row_id, "config": CONFIG | config})


def test_targets_that_cannot_be_asked_are_told_and_nothing_is_changed(crud: httpx.Client, sql: sa.Connection) -> None:
    answer = preview(crud)

    assert answer.status_code == 200
    assert answer.json()["generation"] == 1
    assert [one["target"] for one in answer.json()["targets"]] == ["k8s", "git"]
    assert all("sidecar doesn't answer" in one["unavailable"] for one in answer.json()["targets"])
    assert sql.execute(sa.text("SELECT count(*) FROM app_configs WHERE name = 'seen'")).scalar_one() == 0


def test_the_generation_rises_only_where_something_differs(crud: httpx.Client, new: New) -> None:
    row = new("rises", branch="main")

    assert preview(crud, row["id"], name="rises", branch="next").json()["generation"] == 2
    same = {name: row[name] for name in CONFIG}
    assert preview(crud, row["id"], **same).json()["generation"] == 1


def test_what_saving_would_refuse_the_preview_refuses_alike(crud: httpx.Client, new: New) -> None:
    new("taken")

    assert preview(crud, branch="a..b").json()["errors"][0]["rule"] == "git-branch"
    assert preview(crud, name="taken").status_code == 409
    assert preview(crud, 987654321).status_code == 404
    another = crud.post("/appconfigs:preview", json={"config": CONFIG, "updated_by": "a\nb"})
    assert (another.status_code, another.json()["errors"][0]["rule"]) == (422, "printable")


def test_what_is_live_is_asked_also_of_a_deleted_row_but_not_of_one_that_never_was(
    crud: httpx.Client, new: New
) -> None:
    row = new("lives")
    crud.delete(f"/appconfigs/{row['id']}")

    assert crud.get(f"/appconfigs/{row['id']}/live").json()["targets"][0]["unavailable"]
    assert crud.get("/appconfigs/987654321/live").status_code == 404


def test_reconciles_of_instances_that_are_down_are_told_or_refused_with_503(crud: httpx.Client) -> None:
    assert [one["target"] for one in crud.get("/reconciles").json()["targets"]] == ["k8s", "git"]
    assert crud.post("/reconciles/git", json={"dry_run": True}).status_code == 503
    assert crud.post("/reconciles/elsewhere", json={}).status_code == 404
    assert crud.post("/reconciles/git", json={"prune_limit": 2}).status_code == 422
