"""Nobody sees or changes what the policy doesn't grant, by whichever way they ask."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowcast.crud.access.routes import ROUTES

from .serving import make_settings, serving

TOKEN = "of-the-sidecar"
POLICY = """\
p, role:dev, rows, view, appconfigs/dev, allow
p, role:dev, rows, edit, appconfigs/dev, allow
p, role:dev, rows, delete, appconfigs/dev, allow
p, role:dev, rows, operate, appconfigs/dev, allow
p, looker@example.com, rows, view, appconfigs/*, allow
p, mover@example.com, rows, view, appconfigs/*, allow
p, mover@example.com, rows, edit, appconfigs/dev, allow
p, all-but@example.com, rows, *, */*, allow
p, all-but@example.com, rows, *, appconfigs/prod, deny
p, auditor@example.com, audit, view, *, allow
g, group:developers, role:dev
g, dev@example.com, role:dev
g, admin@example.com, role:admin
"""
URL = "https://git.example/shop.git"


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "policy.csv"
    path.write_text(POLICY)
    return path


@pytest.fixture(scope="module")
def enforced(serving_url: str, policy: Path) -> Iterator[httpx.Client]:
    """As the role that crud serves as, behind its sidecar."""
    with serving(make_settings(serving_url, policy=policy, app_api_token=TOKEN)) as client:
        yield client


def by(person: str | None, *groups: str, app: str = "ui") -> dict[str, str]:
    """What the sidecar passes on of somebody for whom the dashboard vouches."""
    headers = {"dapr-api-token": TOKEN, "dapr-caller-app-id": app}
    if person is not None:
        headers |= {"x-rowcast-user": person, "x-rowcast-user-verified": "true"}
    return headers | ({"x-rowcast-user-groups": json.dumps(groups)} if groups else {})


ADMIN, DEV, LOOKER = by("admin@example.com"), by("dev@example.com"), by("looker@example.com")


STRANGERS = (by("nobody@example.com"), by(None), by(None, app="other"), by("role:admin"), by("group:developers"))


def make(client: httpx.Client, environment: str, mark: str = "row") -> dict[str, Any]:
    config = {"name": f"{mark}-{uuid.uuid4().hex[:12]}", "repository_url": URL, "environment": environment}
    answer = client.post("/appconfigs", json=config, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    return row


def test_every_route_refuses_who_has_no_rights_and_who_is_not_known(enforced: httpx.Client) -> None:
    row = make(enforced, "prod")
    values = {"id:segment": row["id"], "id": 1, "name:renderer": "tenants", "name": "tenants", "key:path": "1"}
    values |= {"number": 1, "revision": 1, "target": "k8s"}
    for (method, template), need in ROUTES.items():
        if need.scope == "open":
            continue
        path = template
        for name, value in values.items():
            path = path.replace("{" + name + "}", str(value))
        for who in (
            by("nobody@example.com"),
            by(None),
            by(None, app="other"),
            by("role:admin"),
            by("group:developers"),
        ):
            answer = enforced.request(method, path, headers=who)
            if need.scope == "each":  # they look at each thing, and there is none for them
                assert row["name"] not in answer.text
                assert method == "GET" or answer.status_code in (404, 422), (method, path, answer.text)
            else:
                assert answer.status_code == 403, (method, path, answer.text)
        assert enforced.request(method, path).status_code == 401
        assert enforced.request(method, path, headers={"authorization": "Bearer x"}).status_code == 401
        forged = {"authorization": "Bearer x", "dapr-caller-app-id": "sync-k8s", "x-rowcast-user": "admin@example.com"}
        assert enforced.request(method, path, headers=forged).status_code == 401


def test_a_targets_instance_reads_what_it_always_did_and_no_more(enforced: httpx.Client) -> None:
    sync = by(None, app="sync-k8s")
    for path in (
        "/appconfigs:snapshot",
        "/rows:snapshot",
        "/rows:late?target=k8s",
        "/deadletters:unanswered?target=k8s",
    ):
        assert enforced.get(path, headers=sync).status_code == 200, path
    assert enforced.post("/appconfigs", json={}, headers=sync).status_code == 403
    assert enforced.get("/rows:snapshot", headers=LOOKER).status_code == 403
    assert enforced.get("/appconfigs:snapshot", headers=by("sync-k8s")).status_code == 403


def test_own_and_foreign_environments(enforced: httpx.Client) -> None:
    own, foreign = make(enforced, "dev"), make(enforced, "prod")
    listed = enforced.get("/appconfigs", params={"limit": 1000}, headers=DEV).json()
    assert {row["environment"] for row in listed["items"]} == {"dev"}
    assert listed["total"] == len(listed["items"])
    for path in ("", "/history", "/status", "/live"):
        assert enforced.get(f"/appconfigs/{own['id']}{path}", headers=DEV).status_code == 200
        ids = (foreign["id"], 10**12)
        hidden, never = (enforced.get(f"/appconfigs/{each}{path}", headers=DEV) for each in ids)
        assert hidden.status_code == never.status_code == 404
        assert hidden.json()["detail"].replace(str(foreign["id"]), "") == never.json()["detail"].replace(
            str(10**12), ""
        )
    assert enforced.patch(f"/appconfigs/{own['id']}", json={"branch": "b"}, headers=DEV).status_code == 200
    assert enforced.patch(f"/appconfigs/{foreign['id']}", json={"branch": "b"}, headers=DEV).status_code == 404
    assert enforced.delete(f"/appconfigs/{foreign['id']}", headers=DEV).status_code == 404
    refused = enforced.patch(f"/appconfigs/{foreign['id']}", json={"branch": "b"}, headers=LOOKER)
    assert refused.status_code == 403
    assert "looker@example.com may not edit rows of appconfigs" in refused.json()["detail"]
    assert enforced.get(f"/appconfigs/{foreign['id']}", headers=ADMIN).json()["branch"] == "main"


def test_a_group_gives_what_a_name_would(enforced: httpx.Client) -> None:
    row = make(enforced, "dev")
    assert enforced.get(f"/appconfigs/{row['id']}", headers=by("new@example.com", "developers")).status_code == 200
    assert enforced.get(f"/appconfigs/{row['id']}", headers=by("new@example.com", "Developers")).status_code == 403
    claimed = by("new@example.com", "developers", app="other")
    assert enforced.get(f"/appconfigs/{row['id']}", headers=claimed).status_code == 403
    typed = by("dev@example.com") | {"x-rowcast-user-verified": "false"}
    assert enforced.get(f"/appconfigs/{row['id']}", headers=typed).status_code == 403


def test_a_row_that_moves_needs_both_environments(enforced: httpx.Client) -> None:
    mover = by("mover@example.com")
    here, there = make(enforced, "dev"), make(enforced, "prod")
    for row, environment in ((here, "prod"), (there, "dev")):
        answer = enforced.patch(f"/appconfigs/{row['id']}", json={"environment": environment}, headers=mover)
        assert answer.status_code == 403
        batch = {"items": [{"action": "update", "id": row["id"], "config": {"environment": environment}}]}
        assert enforced.post("/appconfigs:batch", json=batch, headers=mover).status_code == 403
        line = {"rows": [{"name": row["name"], "environment": environment, "repository_url": URL}]}
        assert enforced.post("/appconfigs:import", json=line, headers=mover).status_code == 422
        assert enforced.get(f"/appconfigs/{row['id']}", headers=ADMIN).json()["environment"] == row["environment"]


def test_a_batch_and_an_import_are_refused_whole_with_the_lines_named(enforced: httpx.Client) -> None:
    own, foreign = make(enforced, "dev"), make(enforced, "prod")
    items = [
        {"action": "update", "id": own["id"], "config": {"branch": "b"}},
        {
            "action": "create",
            "config": {"name": f"n-{uuid.uuid4().hex[:8]}", "repository_url": URL, "environment": "prod"},
        },
    ]
    answer = enforced.post("/appconfigs:batch", json={"items": items}, headers=DEV)
    assert (answer.status_code, [error["index"] for error in answer.json()["errors"]]) == (403, [1])
    hidden = [{"action": "delete", "id": foreign["id"]}]
    assert enforced.post("/appconfigs:batch", json={"items": hidden}, headers=DEV).status_code == 404
    rows = [
        {"name": own["name"], "repository_url": URL, "environment": "dev", "branch": "c"},
        {"name": foreign["name"], "repository_url": URL, "environment": "dev", "branch": "c"},
        {"name": f"n-{uuid.uuid4().hex[:8]}", "repository_url": URL, "environment": "prod"},
    ]
    answer = enforced.post("/appconfigs:import", json={"rows": rows}, headers=DEV)
    assert [(e["index"], e["rule"]) for e in answer.json()["errors"]] == [(1, "unique"), (2, "policy")]
    assert enforced.get(f"/appconfigs/{own['id']}", headers=ADMIN).json()["branch"] == "main"


def test_the_policy_is_read_again_and_a_bad_one_leaves_the_one_before(enforced: httpx.Client, policy: Path) -> None:
    row, late = make(enforced, "dev"), by("late@example.com")
    path = f"/appconfigs/{row['id']}"
    assert enforced.get(path, headers=late).status_code == 403
    other = policy.with_name("other.csv")
    try:
        other.write_text(POLICY + "g, late@example.com, role:dev\n")
        other.replace(policy)
        _until(lambda: enforced.get(path, headers=late).status_code == 200)
        policy.write_text("p, everybody, rows\n")
        _until(lambda: _station(enforced)["state"] == "degraded")
        assert "line 1" in _station(enforced)["message"]
        assert enforced.get(path, headers=late).status_code == 200
    finally:
        policy.write_text(POLICY)
        _until(lambda: enforced.get(path, headers=late).status_code == 403)


def _station(client: httpx.Client) -> dict[str, Any]:
    stations = client.get("/pipeline", headers=ADMIN).json()["stations"]
    return next(each for each in stations if each["name"] == "access")


def _until(condition: Any) -> None:
    for _ in range(3000):
        if condition():
            return
    raise AssertionError("it never was")


def test_what_one_may_and_why(enforced: httpx.Client) -> None:
    mine = enforced.get("/access:mine", headers=DEV).json()
    assert mine["subject"] == "dev@example.com"
    edit = mine["renderers"]["appconfigs"]["rows/edit"]
    assert edit == {"extent": "some", "environments": ["dev"], "but": []}
    asked = {"verb": "edit", "renderer": "appconfigs", "environment": "prod"}
    told = enforced.get("/access:explain", params=asked, headers=DEV).json()
    assert (told["allowed"], told["why"]) == (False, "no line of the policy allows it")
    about = asked | {"subject": "admin@example.com"}
    assert enforced.get("/access:explain", params=about, headers=DEV).status_code == 403
    told = enforced.get("/access:explain", params=about, headers=by("auditor@example.com")).json()
    assert told["allowed"]
    assert "role:admin" in told["why"]


def test_changes_and_refusals_are_in_the_audit_which_nobody_edits(
    enforced: httpx.Client, serving_url: str, sql: sa.Connection
) -> None:
    row = make(enforced, "dev")
    change = enforced.patch(f"/appconfigs/{row['id']}", json={"branch": "b"}, headers=DEV)
    move = enforced.patch(f"/appconfigs/{row['id']}", json={"environment": "prod"}, headers=DEV)
    lost = enforced.patch(f"/appconfigs/{row['id']}", json={"branch": "c"}, headers=DEV | {"if-match": '"99"'})
    assert (change.status_code, move.status_code, lost.status_code) == (200, 403, 412)
    assert enforced.get("/audit", headers=DEV).status_code == 403

    def entries(**wanted: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = enforced.get("/audit", params=wanted, headers=by("auditor@example.com")).json()[
            "items"
        ]
        return found

    [done] = entries(request_id=change.headers["x-request-id"])
    assert (done["subject"], done["way"], done["act"], done["outcome"]) == (
        "dev@example.com",
        "dashboard",
        "rows/edit",
        "done",
    )
    assert (done["renderer"], done["environments"], done["verified"]) == ("appconfigs", ["dev"], True)
    [refused] = entries(request_id=move.headers["x-request-id"])
    assert (refused["outcome"], refused["environments"]) == ("refused", ["prod"])
    assert "may not edit" in refused["why"]
    assert entries(request_id=lost.headers["x-request-id"]) == []
    assert {each["subject"] for each in entries(person="dev@example.com")} == {"dev@example.com"}
    as_crud = sa.create_engine(serving_url)
    for statement in (
        "UPDATE rowcast.audit SET outcome = 'done'",
        "DELETE FROM rowcast.audit",
        "TRUNCATE rowcast.audit",
    ):
        for engine in (as_crud, sql.engine):
            with pytest.raises(sa.exc.ProgrammingError), engine.begin() as connection:
                connection.execute(sa.text(statement))
    with pytest.raises(sa.exc.InternalError), as_crud.begin() as connection:
        connection.execute(sa.text("SELECT rowcast.prune_audit(interval '1 day', 10)"))
    as_crud.dispose()


@pytest.fixture(scope="module")
def secret(enforced: httpx.Client, sql: sa.Connection) -> str:
    """A text that is in everything of production there is: rows, one that moved, one that is gone, a dead letter."""
    mark = f"hush{uuid.uuid4().hex[:8]}"
    make(enforced, "prod", mark)
    moved = make(enforced, "prod", f"{mark}-moved")
    # A row that is renamed stays its application's, which is the name that it had, unless that is said.
    named = {"name": f"was-{uuid.uuid4().hex[:8]}", "application": "other", "environment": "dev"}
    assert enforced.patch(f"/appconfigs/{moved['id']}", json=named, headers=ADMIN).status_code == 200
    gone = make(enforced, "prod", f"{mark}-gone")
    assert enforced.delete(f"/appconfigs/{gone['id']}", headers=ADMIN).status_code == 204
    event = {"data": {"before": None, "after": {"environment": "prod", "name": mark}}}
    for number, row_id in enumerate((moved["id"], gone["id"], None)):
        sql.execute(
            sa.text(
                "INSERT INTO public.dead_letters (event_key, target, reason, error, row_id, renderer, key, name,"
                " position, event, occurrences, dead_lettered_at, received_at, state) VALUES (:event_key, 'k8s',"
                " 'invalid', :mark, :row_id, NULL, NULL, :mark, '{}', :event, 1, now(), now(), 'open')"
            ),
            {"event_key": f"{mark}{number}".encode(), "mark": mark, "row_id": row_id, "event": json.dumps(event)},
        )
    return mark


PATHS = (
    "/appconfigs", "/appconfigs:export", "/activity", "/activity/people", "/deadletters", "/renderers", "/audit",
    "/appconfigs:snapshot", "/rows:snapshot", "/rows:late", "/appconfigs:late", "/renderers/appconfigs/promotions",
    "/renderers/appconfigs/promotions:requests", "/renderers/appconfigs/rows", "/access:mine", "/reconciles",
)  # fmt: skip
PARTS = ("", "/history", "/status", "/live")


NAMES = ("search", "name", "environment", "state", "sort", "limit", "format", "outcome", "target", "sync")
VALUES = ("prod", "hush", "any", "deleting", "pending", "-name", "500", "csv", "json", "k8s", "true", "dev")
IDS = st.integers(1, 60)
CONFIGS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(("aa", "bb")),
        "repository_url": st.just(URL),
        "environment": st.sampled_from(("dev", "prod")),
    }
)
ITEMS = st.one_of(
    st.builds(lambda row, config: {"action": "update", "id": row, "config": config}, IDS, CONFIGS),
    st.builds(lambda row: {"action": "delete", "id": row}, IDS),
    st.builds(lambda config: {"action": "create", "config": config}, CONFIGS),
)
ONE = st.builds("/appconfigs/{}".format, IDS)
BATCHES = st.fixed_dictionaries({"items": st.lists(ITEMS, min_size=1, max_size=3)})
FILES = st.fixed_dictionaries({"rows": st.lists(CONFIGS, min_size=1, max_size=2), "partial": st.booleans()})
LETTERS = st.fixed_dictionaries(
    {"ids": st.lists(st.integers(1, 5), min_size=1, max_size=3), "reason": st.just("because")}
)
CHANGES = st.one_of(
    st.tuples(st.sampled_from(("PUT", "PATCH")), ONE, CONFIGS),
    st.tuples(st.just("DELETE"), ONE, st.none()),
    st.tuples(st.just("POST"), st.just("/appconfigs"), CONFIGS),
    st.tuples(st.just("POST"), st.just("/appconfigs:batch"), BATCHES),
    st.tuples(st.just("POST"), st.just("/appconfigs:import"), FILES),
    st.tuples(st.just("POST"), st.just("/deadletters:discard"), LETTERS),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(PATHS) | st.builds("/appconfigs/{}{}".format, st.integers(1, 60), st.sampled_from(PARTS))
    | st.builds("/deadletters/{}".format, st.integers(1, 5)),
    query=st.dictionaries(
        st.sampled_from(NAMES),
        st.sampled_from(VALUES),
        max_size=3,
    ),
    who=st.sampled_from((DEV, by("all-but@example.com"), by("new@example.com", "developers"), STRANGERS[0])),
)  # fmt: skip
def test_no_question_brings_what_is_not_granted(
    enforced: httpx.Client, secret: str, path: str, query: dict[str, str], who: dict[str, str]
) -> None:
    answer = enforced.get(path, params=query, headers=who)
    assert answer.status_code < 500
    assert secret not in answer.text
    assert '"prod"' not in answer.text or path == "/access:mine"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=CHANGES, who=st.sampled_from((DEV, LOOKER, STRANGERS[0])))
def test_no_request_changes_what_is_not_granted(
    enforced: httpx.Client, sql: sa.Connection, secret: str, change: tuple[str, str, Any], who: dict[str, str]
) -> None:
    method, path, body = change
    production = sa.text(
        "SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM public.app_configs AS t WHERE environment = 'prod'"
    )
    letters = sa.text("SELECT count(*) FROM public.dead_letters WHERE state <> 'open'")
    before = sql.execute(production).scalar(), sql.execute(letters).scalar()
    answer = enforced.request(method, path, json=body, headers=who)
    assert answer.status_code < 500, answer.text
    assert (sql.execute(production).scalar(), sql.execute(letters).scalar()) == before
    assert secret not in answer.text
