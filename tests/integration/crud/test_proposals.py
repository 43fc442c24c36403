"""Where the policy wants an approval nobody changes a row alone, whichever way they ask; another person makes it so."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from .serving import make_settings, serving

TOKEN = "of-the-sidecar"
POLICY = """\
p, role:editor, rows, *, appconfigs/*, allow
p, role:editor, rows, approve, */*, deny
p, role:editor, promotions, promote, appconfigs/*, allow
p, role:approver, rows, *, appconfigs/*, allow
p, role:approver, promotions, *, appconfigs/*, allow
p, role:approver, audit, view, *, allow
p, only-dev@example.com, rows, *, appconfigs/dev, allow
p, says-yes@example.com, rows, view, appconfigs/*, allow
p, says-yes@example.com, rows, approve, appconfigs/*, allow
p, anonymous, rows, *, appconfigs/*, allow
p, app:pipeline, rows, *, appconfigs/*, allow
g, ada@example.com, role:editor
g, bob@example.com, role:approver
g, eve@example.com, role:approver
approval, appconfigs/prod
"""
URL = "https://git.example/shop.git"


def by(person: str | None, app: str = "ui") -> dict[str, str]:
    headers = {"dapr-api-token": TOKEN, "dapr-caller-app-id": app}
    return headers if person is None else headers | {"x-rowcast-user": person, "x-rowcast-user-verified": "true"}


ADA, BOB, EVE = (by(f"{name}@example.com") for name in ("ada", "bob", "eve"))
ONLY_DEV, SAYS_YES = by("only-dev@example.com"), by("says-yes@example.com")


@pytest.fixture(scope="module")
def reviewed(serving_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """As the role that crud serves as, behind its sidecar, off the loopback as it says."""
    policy = tmp_path_factory.mktemp("policy") / "policy.csv"
    policy.write_text(POLICY)
    promotion = json.dumps({"order": ["dev", "prod"]})
    settings = make_settings(
        serving_url, policy=policy, app_api_token=TOKEN, http_host="0.0.0.0", promotion=promotion, target_kinds="k8s"
    )
    with serving(settings) as client:
        yield client


@pytest.fixture(scope="module")
def as_approved(reviewed: httpx.Client) -> Any:
    """Makes a row of production, which takes two."""

    def make(environment: str = "prod", **other: str) -> dict[str, Any]:
        asked = reviewed.post("/appconfigs", json=config(environment, **other), headers=ADA)
        if asked.status_code == 201:
            return dict(asked.json())
        assert asked.status_code == 202, asked.text
        approved = reviewed.post(f"/proposals/{asked.json()['id']}:approve", headers=BOB)
        assert approved.status_code == 200, approved.text
        name = asked.json()["changes"][0]["name"]
        return dict(reviewed.get("/appconfigs", params={"search": name}, headers=ADA).json()["items"][0])

    return make


def config(environment: str = "prod", **other: str) -> dict[str, str]:
    return {"name": f"row-{uuid.uuid4().hex[:12]}", "repository_url": URL, "environment": environment, **other}


def read(client: httpx.Client, row: dict[str, Any]) -> dict[str, Any]:
    return dict(client.get(f"/appconfigs/{row['id']}", headers=ADA).json())


def production(sql: sa.Connection) -> Any:
    return sql.execute(
        sa.text("SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM public.app_configs AS t")
    ).scalar()


def approver(sql: sa.Connection, row: dict[str, Any]) -> Any:
    query = "SELECT approved_by FROM rowcast.rows WHERE renderer = 'appconfigs' AND key = :key"
    return sql.execute(sa.text(query), {"key": str(row["id"])}).scalar_one()


def test_a_change_is_a_proposal_until_another_person_approves_it(
    reviewed: httpx.Client, as_approved: Any, sql: sa.Connection
) -> None:
    row = as_approved()
    headers = ADA | {"x-rowcast-comment": "the new release"}
    asked = reviewed.patch(f"/appconfigs/{row['id']}", json={"branch": "next"}, headers=headers)
    assert asked.status_code == 202
    proposal = asked.json()
    assert asked.headers["location"] == f"/proposals/{proposal['id']}"
    assert proposal["state"] == "open"
    assert proposal["comment"] == "the new release"
    [change] = proposal["changes"]
    assert change["fields"] == {"branch": ["main", "next"]}
    assert change["generation"] == row["generation"]
    assert read(reviewed, row)["branch"] == "main"
    waiting = reviewed.get("/proposals", params={"for_approval": "true"}, headers=BOB).json()
    assert proposal["id"] in {each["id"] for each in waiting["items"]}
    assert reviewed.get("/proposals", params={"for_approval": "true"}, headers=ADA).json()["items"] == []

    approved = reviewed.post(f"/proposals/{proposal['id']}:approve", headers=BOB)
    assert approved.status_code == 200, approved.text
    assert approved.json()["state"] == "approved"
    assert approved.json()["decided_by"] == "bob@example.com"
    after = read(reviewed, row)
    assert (after["branch"], after["updated_by"], after["updated_by_verified"]) == ("next", "ada@example.com", True)
    assert approver(sql, row) == "bob@example.com"
    latest = reviewed.get(f"/appconfigs/{row['id']}/history", headers=ADA).json()["items"][0]
    assert latest["changed_by"] == "ada@example.com"
    assert latest["proposal"]["decided_by"] == "bob@example.com"
    assert latest["proposal"]["id"] == proposal["id"]
    entries = reviewed.get("/audit", headers=BOB).json()["items"]
    [made] = [each for each in entries if each["path"] == f"/proposals/{proposal['id']}:approve"]
    assert made["subject"] == "bob@example.com"
    assert "ada@example.com" in made["why"]
    [first] = [each for each in entries if each["outcome"] == "proposed" and each["path"].endswith(f"/{row['id']}")]
    assert first["subject"] == "ada@example.com"
    assert first["environments"] == ["prod"]
    again = reviewed.post(f"/proposals/{proposal['id']}:approve", headers=BOB)
    assert again.status_code == 409
    assert again.json()["errors"][0]["rule"] == "resolved"
    # The next change of it is one that nobody has approved.
    sql.execute(sa.text("UPDATE app_configs SET branch = 'by-sql' WHERE id = :id"), {"id": row["id"]})
    assert approver(sql, row) is None


def test_no_writing_route_changes_such_a_row_for_one_person(
    reviewed: httpx.Client, as_approved: Any, sql: sa.Connection
) -> None:
    row, other = as_approved(), as_approved()
    below = as_approved("dev", application=row["name"], branch="next")
    whole = {name: row[name] for name in ("name", "repository_url", "branch", "environment")}
    dev = {"action": "create", "config": config("dev")}
    promotion = {
        "from_key": str(below["id"]),
        "from_generation": below["generation"],
        "to_key": str(row["id"]),
        "to_generation": row["generation"],
    }
    ways: list[tuple[str, str, Any]] = [
        ("POST", "/appconfigs", config()),
        ("PUT", f"/appconfigs/{row['id']}", whole | {"branch": "x"}),
        ("PATCH", f"/appconfigs/{row['id']}", {"branch": "x"}),
        ("PATCH", f"/appconfigs/{row['id']}", {"environment": "dev"}),
        ("PATCH", f"/appconfigs/{below['id']}", {"environment": "prod"}),
        ("PATCH", f"/appconfigs/{row['id']}", {"application": "another"}),
        ("DELETE", f"/appconfigs/{row['id']}", None),
        ("POST", "/appconfigs:batch", {"items": [dev, {"action": "delete", "id": row["id"]}]}),
        ("POST", "/appconfigs:import", {"rows": [config("dev"), whole | {"branch": "x"}], "partial": True}),
        ("POST", "/renderers/appconfigs/promotions", {"items": [promotion]}),
    ]
    swap = [
        {"action": "update", "id": one["id"], "config": {"name": two["name"]}}
        for one, two in ((row, other), (other, row))
    ]
    ways.append(("POST", "/appconfigs:batch", {"items": swap}))
    before = production(sql)
    for method, path, body in ways:
        promotes = path.endswith("/promotions")
        for who in (ADA, BOB) if promotes else (ADA, BOB, by(None, app="pipeline")):
            answer = reviewed.request(method, path, json=body, headers=who)
            assert answer.status_code == 202, (method, path, answer.text)
        for who in (by(None), {"dapr-api-token": TOKEN}):
            answer = reviewed.request(method, path, json=body, headers=who)
            assert promotes or answer.status_code == 403, (method, path, answer.text)
    assert production(sql) == before


def test_all_of_a_batch_is_one_proposal_and_is_made_as_a_whole(reviewed: httpx.Client, as_approved: Any) -> None:
    one, two, gone = as_approved(), as_approved(), as_approved()
    new = config("dev")
    items = [
        {"action": "update", "id": one["id"], "config": {"name": two["name"]}},
        {"action": "update", "id": two["id"], "config": {"name": one["name"]}},
        {"action": "delete", "id": gone["id"]},
        {"action": "create", "config": new},
    ]
    asked = reviewed.post("/appconfigs:batch", json={"items": items}, headers=ADA)
    assert asked.status_code == 202
    assert len(asked.json()["changes"]) == 4
    again = reviewed.post("/appconfigs:batch", json={"items": items}, headers=ADA)
    assert again.json()["id"] == asked.json()["id"] or len(again.json()["changes"]) == 4
    assert reviewed.get("/appconfigs", params={"search": new["name"]}, headers=ADA).json()["total"] == 0
    approved = reviewed.post(f"/proposals/{asked.json()['id']}:approve", headers=BOB)
    assert approved.status_code == 200, approved.text
    assert read(reviewed, one)["name"] == two["name"]
    assert read(reviewed, two)["name"] == one["name"]
    assert reviewed.get(f"/appconfigs/{gone['id']}", headers=ADA).status_code == 404
    history = reviewed.get(f"/appconfigs/{gone['id']}/history", headers=ADA).json()["items"]
    assert history[0]["change"] == "deleted"
    assert history[0]["proposal"]["decided_by"] == "bob@example.com"
    assert reviewed.get("/appconfigs", params={"search": new["name"]}, headers=ADA).json()["total"] == 1


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (ADA, "has proposed it"),
        (by("ADA@example.com"), ""),
        (ONLY_DEV, "no proposal"),
        (SAYS_YES, "may not edit rows"),
        (by(None), "nobody vouches"),
        (by(None, app="pipeline"), "nobody vouches"),
        ({"dapr-api-token": TOKEN, "x-rowcast-user": "bob@example.com"}, "nobody vouches"),
        ({"dapr-api-token": TOKEN, "x-rowcast-user": "bob@example.com", "x-rowcast-user-verified": "true"}, "vouches"),
    ],
)
def test_who_may_not_approve(reviewed: httpx.Client, as_approved: Any, who: dict[str, str], why: str) -> None:
    row = as_approved()
    asked = reviewed.patch(f"/appconfigs/{row['id']}", json={"branch": "next"}, headers=ADA).json()
    answer = reviewed.post(f"/proposals/{asked['id']}:approve", headers=who)
    assert answer.status_code in (403, 404)
    assert why in answer.text
    assert read(reviewed, row)["branch"] == "main"


def test_a_proposal_whose_row_has_changed_is_stale_and_can_be_renewed(reviewed: httpx.Client, as_approved: Any) -> None:
    row = as_approved()
    path = f"/appconfigs/{row['id']}"
    first = reviewed.patch(path, json={"branch": "first"}, headers=ADA).json()
    second = reviewed.patch(path, json={"branch": "second"}, headers=BOB).json()
    assert reviewed.post(f"/proposals/{second['id']}:approve", headers=EVE).status_code == 200
    stale = reviewed.get(f"/proposals/{first['id']}", headers=ADA).json()
    assert stale["state"] == "stale"
    assert str(second["id"]) in stale["why"]
    assert reviewed.post(f"/proposals/{first['id']}:approve", headers=BOB).status_code == 409
    assert read(reviewed, row)["branch"] == "second"

    renewed = reviewed.post(f"/proposals/{first['id']}:renew", headers=BOB)
    assert renewed.status_code == 202
    assert renewed.json()["replaces"] == first["id"]
    assert renewed.json()["changes"][0]["fields"] == {"branch": ["second", "first"]}
    for author in (ADA, BOB):
        assert reviewed.post(f"/proposals/{renewed.json()['id']}:approve", headers=author).status_code == 403
    assert reviewed.post(f"/proposals/{renewed.json()['id']}:approve", headers=EVE).status_code == 200
    assert read(reviewed, row)["branch"] == "first"


def test_a_change_by_sql_makes_it_stale_and_says_what_has_changed(
    reviewed: httpx.Client, as_approved: Any, sql: sa.Connection
) -> None:
    row = as_approved()
    asked = reviewed.patch(f"/appconfigs/{row['id']}", json={"branch": "next"}, headers=ADA).json()
    sql.execute(sa.text("UPDATE public.app_configs SET branch = 'sql' WHERE id = :id"), {"id": row["id"]})
    [said] = reviewed.get(f"/proposals/{asked['id']}", headers=ADA).json()["outdated"]
    assert row["name"] in said
    assert f"generation {row['generation'] + 1}" in said
    answer = reviewed.post(f"/proposals/{asked['id']}:approve", headers=BOB)
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["rule"] == "stale"
    assert row["name"] in answer.json()["detail"]
    assert reviewed.get(f"/proposals/{asked['id']}", headers=ADA).json()["state"] == "stale"
    assert read(reviewed, row)["branch"] == "sql"


def test_it_is_rejected_with_a_reason_and_withdrawn_by_its_author(reviewed: httpx.Client, as_approved: Any) -> None:
    row = as_approved()
    path = f"/appconfigs/{row['id']}"
    one = reviewed.patch(path, json={"branch": "one"}, headers=ADA).json()
    assert reviewed.post(f"/proposals/{one['id']}:reject", json={}, headers=BOB).status_code == 422
    assert reviewed.post(f"/proposals/{one['id']}:reject", json={"why": "no"}, headers=ADA).status_code == 403
    rejected = reviewed.post(f"/proposals/{one['id']}:reject", json={"why": "not on a Friday"}, headers=BOB).json()
    assert (rejected["state"], rejected["why"]) == ("rejected", "not on a Friday")
    two = reviewed.patch(path, json={"branch": "two"}, headers=ADA).json()
    assert reviewed.post(f"/proposals/{two['id']}:withdraw", headers=BOB).status_code == 403
    assert reviewed.post(f"/proposals/{two['id']}:withdraw", headers=ADA).json()["state"] == "withdrawn"
    assert reviewed.post(f"/proposals/{two['id']}:approve", headers=BOB).status_code == 409
    assert read(reviewed, row)["branch"] == "main"


def test_who_may_not_see_the_environment_sees_no_proposal_of_it(reviewed: httpx.Client, as_approved: Any) -> None:
    row = as_approved()
    asked = reviewed.patch(f"/appconfigs/{row['id']}", json={"branch": "next"}, headers=ADA).json()
    assert reviewed.get(f"/proposals/{asked['id']}", headers=ONLY_DEV).status_code == 404
    assert reviewed.get("/proposals", headers=ONLY_DEV).json()["total"] == 0
    assert reviewed.post(f"/proposals/{asked['id']}:withdraw", headers=ONLY_DEV).status_code == 404
    found = reviewed.get("/proposals", params={"environment": "prod", "state": "open"}, headers=ADA).json()
    assert asked["id"] in {each["id"] for each in found["items"]}


def test_what_is_refused_is_refused_before_it_is_a_proposal(reviewed: httpx.Client, as_approved: Any) -> None:
    row = as_approved()
    taken = reviewed.post("/appconfigs", json=config(name=row["name"]), headers=ADA)
    assert taken.status_code == 409
    seen = ADA | {"if-match": f'"{row["generation"] + 1}"'}
    assert reviewed.patch(f"/appconfigs/{row['id']}", json={"branch": "x"}, headers=seen).status_code == 412
    same = reviewed.patch(f"/appconfigs/{row['id']}", json={"branch": row["branch"]}, headers=ADA)
    assert same.status_code == 200, "what changes nothing needs nobody"


def test_it_is_said_beforehand_where_a_change_becomes_a_proposal(reviewed: httpx.Client) -> None:
    assert reviewed.get("/access:mine", headers=ADA).json()["proposes"] == {"appconfigs": ["prod"]}
    assert reviewed.get("/access:mine", headers=by("nobody@example.com")).json()["proposes"] == {}
    asked = {"verb": "edit", "renderer": "appconfigs", "environment": "prod"}
    explained = reviewed.get("/access:explain", params=asked, headers=ADA).json()
    assert explained["allowed"]
    assert explained["approval"]["text"] == "approval, appconfigs/prod"
    other = reviewed.get("/access:explain", params=asked | {"environment": "dev"}, headers=ADA).json()
    assert other["approval"] is None


def test_other_environments_are_changed_at_once(reviewed: httpx.Client, as_approved: Any) -> None:
    row = as_approved("dev")
    assert reviewed.patch(f"/appconfigs/{row['id']}", json={"branch": "x"}, headers=ADA).status_code == 200


def test_old_proposals_go(reviewed: httpx.Client, as_approved: Any, sql: sa.Connection) -> None:
    row = as_approved()
    asked = reviewed.patch(f"/appconfigs/{row['id']}", json={"branch": "next"}, headers=ADA).json()
    age = sa.text("UPDATE rowcast.proposals SET asked_at = now() - interval '100 days' WHERE id = :id")
    sql.execute(age, {"id": asked["id"]})
    sql.execute(sa.text("SELECT rowcast.prune_proposals(interval '90 days', 10)"))
    assert reviewed.get(f"/proposals/{asked['id']}", headers=ADA).status_code == 404
