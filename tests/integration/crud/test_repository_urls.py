"""URLs that the API refuses, and rows that have one from before."""

import httpx
import pytest
import sqlalchemy as sa

from .serving import make_settings, serving

TOKEN = "https://TOKEN@git.example/shop.git"


def body(name: str, url: str) -> dict[str, str]:
    return {"name": name, "repository_url": url, "environment": "dev"}


@pytest.mark.parametrize("url", [TOKEN, "https://h/x?private_token=1", "--upload-pack@host:x", "http://0xa9fea9fe/x"])
def test_every_way_to_write_refuses_what_may_hold_a_secret_or_lead_astray(crud: httpx.Client, url: str) -> None:
    item = {"action": "create", "config": body("new", url)}
    answers = [
        crud.post("/appconfigs", json=body("new", url)),
        crud.put("/appconfigs/1", json=body("new", url)),
        crud.patch("/appconfigs/1", json={"repository_url": url}),
        crud.post("/appconfigs:batch", json={"items": [item]}),
        crud.post("/appconfigs:import", json={"rows": [body("new", url)]}),
        crud.post("/appconfigs:preview", json={"config": body("new", url)}),
    ]
    for answer in answers:
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["field"].rpartition(".")[2], error["rule"]) == (422, "repository_url", "url")
        assert "TOKEN" not in answer.text


def test_a_row_that_has_one_can_be_read_changed_in_other_fields_and_deleted(
    crud: httpx.Client, sql: sa.Connection
) -> None:
    insert = (
        "INSERT INTO app_configs (name, repository_url, environment) VALUES ('from-before', :url, 'dev') RETURNING id"
    )
    row = f"/appconfigs/{sql.execute(sa.text(insert), {'url': TOKEN}).scalar_one()}"

    assert crud.get(row).json()["repository_url"] == TOKEN
    assert crud.patch(row, json={"branch": "next"}).json()["branch"] == "next"
    assert crud.delete(row).status_code == 204


def test_file_urls_are_taken_where_the_setting_says_so(crud: httpx.Client, migrated_url: str) -> None:
    local = body("local", "file:///srv/git/x.git")
    assert crud.post("/appconfigs", json=local).status_code == 422
    with serving(make_settings(migrated_url, allow_file_urls=True)) as taking:
        assert taking.post("/appconfigs", json=local).status_code == 201
        assert taking.post("/appconfigs", json=body("other", TOKEN)).status_code == 422
    assert crud.post("/appconfigs", json={**local, "name": "local-2"}).status_code == 422
