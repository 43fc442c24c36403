"""Rights to the rows of any table are by the environment that their declaration gives them, whichever way one asks."""

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

from rowcast.core.policy import read_policy
from rowcast.crud.access.routes import ROUTES
from rowcast.crud.access.within import where_allowed
from rowcast.crud.database.tables import environments as kept
from rowcast.crud.renderers.rows import Order, RowFilter, count, whole_list
from rowcast.crud.sources.environments import find

from .serving import make_settings, serving
from .sources.conftest import Place
from .sources.test_commands import rowcast
from .test_access import TOKEN, by

RENDERERS = ("sites", "shops")
"""Of the one the environment is a column, of the other one it takes CEL."""
POLICY = """\
p, role:dev, rows, *, */dev, allow
p, role:dev, promotions, *, */dev, allow
p, role:dev, renderers, *, *, allow
p, role:dev, rollouts, *, *, allow
p, looker@example.com, rows, view, */*, allow
p, all-but@example.com, rows, *, */*, allow
p, all-but@example.com, renderers, *, *, allow
p, all-but@example.com, rows, *, */prod, deny
p, mover@example.com, rows, view, */*, allow
p, mover@example.com, rows, edit, */dev, allow
p, one@example.com, rows, *, sites/dev, allow
approval, */guarded
g, dev@example.com, role:dev
g, admin@example.com, role:admin
"""
ADMIN, DEV, LOOKER, ALL_BUT = (by(f"{name}@example.com") for name in ("admin", "dev", "looker", "all-but"))
MOVER, ONE, STRANGER = (by(f"{name}@example.com") for name in ("mover", "one", "nobody"))
TABLE = """
CREATE TABLE {name} (
    id bigint PRIMARY KEY, slug text NOT NULL UNIQUE, place text, note text, app text NOT NULL DEFAULT 'a');
"""
DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {{name: {name}}}
spec:
  source: {{table: public.{name}, key: [id], edit: true}}
  name: ${{row.slug}}
  environment: {environment}
  allow: {{kinds: [ConfigMap]}}
  promotion: {{match: [app], along: place, order: [dev, prod], fields: [note]}}
  manifests:
    - id: settings
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {{name: "${{row.slug}}"}}
        data: {{note: "${{row.note}}"}}
"""
ENVIRONMENTS = {"sites": "${row.place}", "shops": "\"${row.place == null ? 'nowhere' : row.place.lowerAscii()}\""}
DEV_ROW, PROD_ROW, MOVED_ROW, GONE_ROW = 1, 2, 3, 4


@pytest.fixture(scope="module")
def place(migrated_url: str, serving_url: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(migrated_url)
    for name in RENDERERS:
        made.run(TABLE.format(name=name))
        file = tmp_path_factory.mktemp(name) / f"{name}.yaml"
        file.write_text(DECLARATION.format(name=name, environment=ENVIRONMENTS[name]))
        ran = rowcast(made, "apply", file)
        assert ran.exit_code == 0, ran.output
    return made


@pytest.fixture(scope="module")
def enforced(place: Place, serving_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """As the role that crud serves as, behind its sidecar."""
    policy = tmp_path_factory.mktemp("policy") / "policy.csv"
    policy.write_text(POLICY)
    with serving(make_settings(serving_url, policy=policy, app_api_token=TOKEN, dapr_http_port=1)) as client:
        yield client


@pytest.fixture(scope="module")
def secret(place: Place, enforced: httpx.Client) -> str:
    """A text that is in everything of production: rows, one that moved to dev, one that is gone, their dead letters."""
    mark = f"hush{uuid.uuid4().hex[:8]}"
    for name in RENDERERS:
        place.run(
            f"INSERT INTO {name} (id, slug, place, note) VALUES ({DEV_ROW}, 'own', 'dev', 'open'),"
            f" ({PROD_ROW}, '{mark}-2', 'prod', '{mark}'), ({MOVED_ROW}, '{mark}-3', 'prod', '{mark}'),"
            f" ({GONE_ROW}, '{mark}-4', 'prod', '{mark}'), (5, 'third', 'staging', 'open')",
            f"UPDATE {name} SET place = 'dev', slug = 'moved', note = 'open' WHERE id = {MOVED_ROW}",
            f"DELETE FROM {name} WHERE id = {GONE_ROW}",
        )
        for key, generation in ((DEV_ROW, 1), (PROD_ROW, 1), (MOVED_ROW, 2), (GONE_ROW, 2)):
            letter(enforced, place, name, key, generation)
        values = {"id": 6, "slug": f"{mark}-6", "place": "guarded", "note": mark}
        proposed = enforced.post(f"/renderers/{name}/rows", json={"values": values}, headers=ADMIN)
        assert proposed.status_code == 202, proposed.text
    settled(place)
    return mark


def letter(client: httpx.Client, place: Place, renderer: str, key: int, generation: int) -> None:
    """sync tells that it could not take the event of a generation."""
    past = f"FROM rowcast.row_history AS h WHERE renderer = '{renderer}' AND key = '{key}' AND generation ="
    sides = [
        place.ask(f"SELECT to_jsonb(h) || jsonb_build_object('row', row::text) {past} {number}")
        for number in (generation - 1, generation)
    ]
    before, after = (side[0][0] if side else None for side in sides)
    told: dict[str, Any] = {"target": "k8s", "reason": "invalid", "error": "it is refused", "renderer": renderer}
    told |= {"key": str(key), "name": str(key), "generation": generation, "position": {}}
    told |= {
        "dead_lettered_at": "2026-11-29T06:00:00Z",
        "event": {"data": {"op": "u", "before": before, "after": after}},
    }
    body = {"data": told}
    answer = client.post("/events/dead-letters", json=body, headers={"dapr-api-token": TOKEN})
    assert answer.json() == {"status": "SUCCESS"}, answer.text


def settled(place: Place) -> None:
    """All environments are found, by crud's worker or by this one."""
    engine = sa.create_engine(place.url)
    while place.ask("SELECT FROM rowcast.environments WHERE awaited LIMIT 1"):
        find(engine)
    engine.dispose()


def rows_of(client: httpx.Client, renderer: str, who: dict[str, str], **params: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/renderers/{renderer}/rows", params=params, headers=who)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["total"] == len(page["items"])
    items: list[dict[str, Any]] = page["items"]
    return items


def made(client: httpx.Client, renderer: str, where: str | None, **values: Any) -> dict[str, Any]:
    number = uuid.uuid4().int % 10**9 + 100
    body = {"values": {"id": number, "slug": f"s-{number}", "place": where, "app": f"a-{number}", **values}}
    answer = client.post(f"/renderers/{renderer}/rows", json=body, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    return row


def path_of(row: dict[str, Any]) -> str:
    return f"/renderers/{row['renderer']}/rows/{row['key']}"


@pytest.mark.parametrize("renderer", RENDERERS)
def test_lists_counts_and_filters_have_what_is_there_for_somebody(
    enforced: httpx.Client, secret: str, renderer: str
) -> None:
    assert {row["environment"] for row in rows_of(enforced, renderer, DEV)} == {"dev"}
    assert {row["environment"] for row in rows_of(enforced, renderer, ALL_BUT)} == {"dev", "staging"}
    assert {row["key"] for row in rows_of(enforced, renderer, DEV)} >= {str(DEV_ROW), str(MOVED_ROW)}
    assert str(PROD_ROW) in {row["key"] for row in rows_of(enforced, renderer, ADMIN, environment="prod")}
    assert rows_of(enforced, renderer, DEV, environment="prod") == []
    assert rows_of(enforced, renderer, DEV, state="deleted") == []
    listed = {one["name"]: one for one in enforced.get("/renderers", headers=DEV).json()["items"]}
    assert listed[renderer]["rows"] == len(rows_of(enforced, renderer, DEV))
    assert listed[renderer]["failed"] is None
    exported = enforced.get(f"/renderers/{renderer}/rows:export", headers=DEV)
    assert len(exported.text.splitlines()) == len(rows_of(enforced, renderer, DEV))


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_row_that_is_not_there_for_somebody_is_as_one_that_never_was(
    enforced: httpx.Client, secret: str, renderer: str
) -> None:
    base = f"/renderers/{renderer}"
    for template in ("/rows/{}", "/history?key={}", "/preview?key={}", "/live?key={}"):
        own, hidden, gone, never = (
            enforced.get(base + template.format(key), headers=DEV) for key in (DEV_ROW, PROD_ROW, GONE_ROW, 999)
        )
        assert own.status_code == 200, own.text
        assert {hidden.status_code, gone.status_code, never.status_code} == {404}
        assert hidden.json()["detail"].replace(" 2", " 999") == never.json()["detail"]
    preview = {"key": str(PROD_ROW), "row": {"place": "dev"}}
    assert enforced.post(f"{base}/preview", json=preview, headers=DEV).status_code == 404
    for method, body in (("PATCH", {"values": {"note": "x"}}), ("DELETE", None)):
        answer = enforced.request(method, f"{base}/rows/{PROD_ROW}", json=body, headers=DEV)
        assert answer.status_code == 404
        assert enforced.request(method, f"{base}/rows/{PROD_ROW}", json=body, headers=LOOKER).status_code == 403
    assert enforced.get(f"{base}/rows/{PROD_ROW}", headers=ADMIN).json()["row"]["note"] == secret


@pytest.mark.parametrize("renderer", RENDERERS)
def test_history_shows_a_move_to_who_sees_both_sides(enforced: httpx.Client, secret: str, renderer: str) -> None:
    path = f"/renderers/{renderer}/history?key={MOVED_ROW}"
    assert [each["generation"] for each in enforced.get(path, headers=ADMIN).json()["items"]] == [2, 1]
    assert enforced.get(path, headers=DEV).json()["items"] == []
    change = {"values": {"note": "later"}}
    assert enforced.patch(f"/renderers/{renderer}/rows/{MOVED_ROW}", json=change, headers=DEV).status_code == 200
    assert [each["generation"] for each in enforced.get(path, headers=DEV).json()["items"]] == [3]


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_change_needs_the_environment_of_before_and_the_one_of_after(enforced: httpx.Client, renderer: str) -> None:
    here, there = made(enforced, renderer, "dev"), made(enforced, renderer, "prod")
    for row, where in ((here, "prod"), (there, "dev")):
        body = {"values": {"place": where}}
        assert enforced.patch(path_of(row), json=body, headers=MOVER).status_code == 403
        batch = {"operations": [{"op": "update", "key": row["key"], **body}]}
        assert enforced.post(f"/renderers/{renderer}/rows:batch", json=batch, headers=MOVER).status_code == 403
        line = {"rows": [{"id": row["row"]["id"], "slug": row["row"]["slug"], "place": where}]}
        answer = enforced.post(f"/renderers/{renderer}/rows:import", json=line, headers=MOVER)
        assert [(each["index"], each["rule"]) for each in answer.json()["errors"]] == [(0, "policy")]
        assert enforced.get(path_of(row), headers=ADMIN).json()["row"]["place"] == row["row"]["place"]
    new = {"values": {"id": 77, "slug": "new", "place": "prod"}}
    refused = enforced.post(f"/renderers/{renderer}/rows", json=new, headers=DEV)
    assert refused.status_code == 403
    assert f"dev@example.com may not edit rows of {renderer}/prod" in refused.json()["detail"]
    assert enforced.get(f"/renderers/{renderer}/rows/77", headers=ADMIN).status_code == 404


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_batch_and_an_import_are_refused_whole_with_the_lines_named(enforced: httpx.Client, renderer: str) -> None:
    own, foreign = made(enforced, renderer, "dev"), made(enforced, renderer, "prod")
    operations = [
        {"op": "update", "key": own["key"], "values": {"note": "b"}},
        {"op": "create", "values": {"id": 78, "slug": "b", "place": "prod"}},
        {"op": "create", "values": {"id": 79, "slug": "c", "place": "prod"}},
    ]
    answer = enforced.post(f"/renderers/{renderer}/rows:batch", json={"operations": operations}, headers=DEV)
    found = [(error["index"], error["rule"]) for error in answer.json()["errors"]]
    assert (answer.status_code, found) == (403, [(1, "policy"), (2, "policy")])
    hidden = {"operations": [{"op": "delete", "key": foreign["key"]}]}
    assert enforced.post(f"/renderers/{renderer}/rows:batch", json=hidden, headers=DEV).status_code == 404
    lines = [
        {"id": own["row"]["id"], "slug": own["row"]["slug"], "note": "c"},
        {"id": foreign["row"]["id"], "slug": "taken", "place": "dev"},
        {"id": 80, "slug": "d", "place": "prod"},
    ]
    answer = enforced.post(f"/renderers/{renderer}/rows:import", json={"rows": lines}, headers=DEV)
    assert [(e["index"], e["rule"]) for e in answer.json()["errors"]] == [(1, "unique"), (2, "policy")]
    partly = enforced.post(
        f"/renderers/{renderer}/rows:import", json={"rows": lines, "partial": True}, headers=DEV
    ).json()
    assert [line["action"] for line in partly["lines"]] == ["change", "refuse", "refuse"]
    assert enforced.get(path_of(own), headers=ADMIN).json()["row"]["note"] == "c"
    assert enforced.get(path_of(foreign), headers=ADMIN).json()["row"]["slug"] == foreign["row"]["slug"]


def test_a_trigger_of_the_tables_owner_moves_no_row_where_its_writer_may_not(
    enforced: httpx.Client, place: Place
) -> None:
    place.run(
        "CREATE FUNCTION promote() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
        " UPDATE public.sites SET place = 'prod' WHERE id = NEW.id AND place <> 'prod'; RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON sites DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " WHEN (NEW.note = 'up') EXECUTE FUNCTION promote()",
    )
    row = made(enforced, "sites", "dev")
    try:
        answer = enforced.patch(path_of(row), json={"values": {"note": "up"}}, headers=DEV)
        assert answer.status_code == 403, answer.text
        assert enforced.get(path_of(row), headers=ADMIN).json()["row"]["note"] is None
    finally:
        place.run("DROP FUNCTION promote CASCADE")


def test_an_environment_is_unknown_until_it_is_found_and_renewed_with_each_change(
    enforced: httpx.Client, place: Place
) -> None:
    engine = sa.create_engine(place.url)

    def known(number: int) -> tuple[Any, ...]:
        [found] = place.ask(f"SELECT environment, awaited FROM rowcast.environments WHERE key = '{number}'")
        return found

    def seen_by(reach: str) -> int:
        with engine.connect() as connection:
            rights = read_policy(f"p, ada@example.com, rows, view, */{reach}, allow").rights(["ada@example.com"])
            seen = rights.environments("rows", "view", "shops")
            return count(connection, RowFilter("shops", values=[("id", "4711")], seen=seen))

    # One transaction: crud's own worker looks at nothing of it before it ends.
    with engine.begin() as writer:
        writer.execute(sa.text("INSERT INTO shops (id, slug, place) VALUES (4711, 'slow', 'PROD')"))
        its = sa.select(kept.c.environment, kept.c.awaited).where(kept.c.renderer == "shops", kept.c.key == "4711")
        assert writer.execute(its).one() == (None, True)
        writer.execute(sa.text("INSERT INTO sites (id, slug, place) VALUES (4712, 'quick', 'prod')"))
    assert known(4712) == ("prod", False)
    settled(place)
    assert known(4711) == ("prod", False)
    place.run("UPDATE shops SET place = 'DEV' WHERE id = 4711")
    settled(place)
    assert (known(4711), seen_by("dev"), seen_by("prod")) == (("dev", False), 1, 0)
    # What nobody has looked at, and what has no value, is for who sees all.
    place.run("UPDATE rowcast.environments SET environment = NULL WHERE key = '4711'")
    assert (seen_by("dev"), seen_by("p*"), seen_by("*")) == (0, 0, 1)
    place.run("DELETE FROM shops WHERE id = 4711", "DELETE FROM rowcast.rows WHERE key IN ('4711', '4712')")
    assert place.ask("SELECT FROM rowcast.environments WHERE key IN ('4711', '4712')") == []
    place.run("DELETE FROM sites WHERE id = 4712")
    engine.dispose()


def test_a_long_text_keeps_nobody_from_writing_and_is_no_environment(enforced: httpx.Client, place: Place) -> None:
    for name in RENDERERS:
        place.run(f"INSERT INTO {name} (id, slug, place) VALUES (4713, 'long', repeat('x', 5000))")
    settled(place)
    assert set(place.ask("SELECT environment, awaited FROM rowcast.environments WHERE key = '4713'")) == {(None, False)}
    for name in RENDERERS:
        assert enforced.get(f"/renderers/{name}/rows/4713", headers=ALL_BUT).status_code == 404
        assert enforced.get(f"/renderers/{name}/rows/4713", headers=ADMIN).json()["environment"] is None
        place.run(f"DELETE FROM {name} WHERE id = 4713")


def test_another_revision_gives_rows_other_environments(
    enforced: httpx.Client, place: Place, secret: str, tmp_path: Path
) -> None:
    def apply(environment: str) -> None:
        file = tmp_path / "sites.yaml"
        file.write_text(DECLARATION.format(name="sites", environment=environment))
        ran = rowcast(place, "apply", file)
        assert ran.exit_code == 0, ran.output
        settled(place)

    apply("fixed")
    try:
        assert rows_of(enforced, "sites", DEV) == []
        assert {row["environment"] for row in rows_of(enforced, "sites", ALL_BUT)} == {"fixed"}
    finally:
        apply(ENVIRONMENTS["sites"])
    assert {row["environment"] for row in rows_of(enforced, "sites", DEV)} == {"dev"}


def test_dead_letters_are_for_who_sees_both_sides_of_the_change(enforced: httpx.Client, secret: str) -> None:
    def keys(who: dict[str, str]) -> set[tuple[str, str]]:
        items = enforced.get("/deadletters", params={"limit": 1000}, headers=who).json()["items"]
        return {(each["renderer"], each["key"]) for each in items}

    assert keys(DEV) == {(name, str(DEV_ROW)) for name in RENDERERS}
    assert keys(ONE) == {("sites", str(DEV_ROW))}
    assert keys(ADMIN) == {(name, str(key)) for name in RENDERERS for key in (DEV_ROW, PROD_ROW, MOVED_ROW, GONE_ROW)}
    assert keys(STRANGER) == set()


def test_a_proposal_is_for_who_sees_where_its_rows_are(enforced: httpx.Client, secret: str) -> None:
    def found(who: dict[str, str]) -> tuple[int, set[str]]:
        page = enforced.get("/proposals", headers=who).json()
        return page["total"], {each["renderer"] for each in page["items"]}

    assert found(ADMIN) == found(LOOKER) == found(ALL_BUT) == (2, set(RENDERERS))
    assert found(DEV) == found(ONE) == found(STRANGER) == (0, set())
    number = enforced.get("/proposals", headers=ADMIN).json()["items"][0]["id"]
    assert enforced.get(f"/proposals/{number}", headers=LOOKER).status_code == 200
    assert enforced.get(f"/proposals/{number}", headers=DEV).status_code == 404


@pytest.mark.parametrize("renderer", RENDERERS)
def test_promotions_are_between_rows_that_one_sees_to_where_one_may(enforced: httpx.Client, renderer: str) -> None:
    app = f"app-{uuid.uuid4().hex[:8]}"
    source = made(enforced, renderer, "dev", app=app, note="new")
    target = made(enforced, renderer, "prod", app=app, note="old")
    board = enforced.get(f"/renderers/{renderer}/promotions", params={"search": app}, headers=DEV).json()
    assert target["row"]["slug"] not in json.dumps(board)
    assert f'"{target["key"]}"' not in json.dumps(board)
    pair = {"from_key": source["key"], "from_generation": 1, "to_key": target["key"], "to_generation": 1}
    for who, rule in ((DEV, "not-found"), (LOOKER, "policy")):
        answer = enforced.post(f"/renderers/{renderer}/promotions", json={"items": [pair]}, headers=who)
        assert answer.json()["items"][0]["outcome"] == "refused", answer.text
        assert answer.json()["items"][0]["rule"] in (rule, "gate", "unhealthy", "undelivered"), answer.text
    assert enforced.get(path_of(target), headers=ADMIN).json()["row"]["note"] == "old"


def test_every_route_of_a_renderer_refuses_or_hides_what_is_foreign(enforced: httpx.Client, secret: str) -> None:
    values = {"name:renderer": "sites", "name": "sites", "key:path": str(PROD_ROW), "id:segment": 1, "id": 1}
    values |= {"number": 1, "revision": 1}
    for (method, template), need in ROUTES.items():
        if "{name" not in template:
            continue
        path = template
        for name, value in values.items():
            path = path.replace("{" + name + "}", str(value))
        params = {"key": str(PROD_ROW)} if template.endswith(("/history", "/preview", "/live")) else {}
        for who in (DEV, ONE, STRANGER):
            answer = enforced.request(method, path, params=params, headers=who)
            assert secret not in answer.text, (method, path)
            assert answer.status_code < 500, answer.text
            if who is STRANGER:
                assert answer.status_code == 403, (method, path, answer.text)
            if need.scope == "rows" and (params or "key:path" in template):
                assert answer.status_code in (403, 404, 422), (method, path, answer.text)


OF_RENDERER = (
    "", "/rows", "/rows:export", "/promotions", "/promotions:requests", "/rollouts", "/rollouts/1/rows", "/columns",
    "/rows:choices", "/revisions", "/history", "/preview", "/live",
)  # fmt: skip
OTHERS = (
    "/renderers",
    "/deadletters",
    "/proposals",
    "/proposals/1",
    "/activity",
    "/rows:snapshot",
    "/rows:late",
    "/pipeline",
)
PARTS = st.sampled_from(OF_RENDERER) | st.builds("/rows/{}".format, st.integers(1, 6))
PATHS = st.builds("/renderers/{}{}".format, st.sampled_from(RENDERERS), PARTS) | st.sampled_from(OTHERS)
ASKED = ("search", "environment", "state", "sort", "limit", "format", "key", "filter", "revision", "order")
WORDS = ("prod", "hush", "deleted", "failed", "place", "-note", "500", "csv", "2", "3", "4", "5", "place=prod")
QUERIES = st.dictionaries(st.sampled_from(ASKED), st.sampled_from(WORDS), max_size=3)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=PATHS | st.builds("/deadletters/{}".format, st.integers(1, 9)),
    query=QUERIES,
    who=st.sampled_from((DEV, ONE, STRANGER)),
)
def test_no_question_brings_what_is_not_granted(
    enforced: httpx.Client, secret: str, path: str, query: dict[str, str], who: dict[str, str]
) -> None:
    answer = enforced.get(path, params=query, headers=who)
    assert answer.status_code < 500
    assert secret not in answer.text


NUMBERS, PLACES = st.integers(1, 8), st.sampled_from(("dev", "prod", "PROD", None))
VALUES = st.fixed_dictionaries({"place": PLACES}, optional={"id": NUMBERS, "slug": st.sampled_from(("x", "y"))})
OPERATIONS = st.one_of(
    st.builds(lambda key, values: {"op": "update", "key": str(key), "values": values}, NUMBERS, VALUES),
    st.builds(lambda key: {"op": "delete", "key": str(key)}, NUMBERS),
    st.builds(lambda values: {"op": "create", "values": values}, VALUES),
)
LINES = st.fixed_dictionaries({"id": NUMBERS, "slug": st.sampled_from(("x", "y")), "place": PLACES})
ROW_CHANGES = st.one_of(
    st.tuples(st.just("PATCH"), st.builds("/rows/{}".format, NUMBERS), st.builds(lambda v: {"values": v}, VALUES)),
    st.tuples(st.just("DELETE"), st.builds("/rows/{}".format, NUMBERS), st.none()),
    st.tuples(st.just("POST"), st.just("/rows"), st.builds(lambda v: {"values": v}, VALUES)),
    st.tuples(
        st.just("POST"),
        st.just("/rows:batch"),
        st.builds(lambda each: {"operations": each}, st.lists(OPERATIONS, min_size=1, max_size=3)),
    ),
    st.tuples(
        st.just("POST"),
        st.just("/rows:import"),
        st.fixed_dictionaries({"rows": st.lists(LINES, min_size=1, max_size=2), "partial": st.booleans()}),
    ),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(renderer=st.sampled_from(RENDERERS), change=ROW_CHANGES, who=st.sampled_from((DEV, LOOKER, ONE, STRANGER)))
def test_no_request_changes_what_is_not_granted(
    enforced: httpx.Client, place: Place, secret: str, renderer: str, change: tuple[str, str, Any], who: dict[str, str]
) -> None:
    method, path, body = change
    foreign = f"SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM {renderer} AS t WHERE lower(place) <> 'dev'"
    before = place.ask(foreign)
    answer = enforced.request(method, f"/renderers/{renderer}{path}", json=body, headers=who)
    assert answer.status_code < 500, answer.text
    assert place.ask(foreign) == before
    assert secret not in answer.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.tuples(
            st.sampled_from(("sites", "s*", "*", "shops")),
            st.sampled_from(("dev", "d?v", "*", "prod", "_ev", "de.", "p*d")),
            st.sampled_from(("allow", "allow", "deny")),
        ),
        max_size=4,
    ),
    renderer=st.sampled_from(("sites", "shops", "other")),
    environment=st.sampled_from(("dev", "prod", "de.", "_ev", "x\ny", "", None)),
)
def test_sql_decides_as_the_policy_does(
    place: Place, lines: list[tuple[str, str, str]], renderer: str, environment: str | None
) -> None:
    text = "".join(f"p, ada@example.com, rows, view, {name}/{where}, {effect}\n" for name, where, effect in lines)
    rights = read_policy(text).rights(["ada@example.com"])
    engine = sa.create_engine(place.url)
    with engine.connect() as connection:
        columns = (sa.literal(renderer, sa.Text), sa.cast(sa.literal(environment), sa.Text))
        found = connection.execute(sa.select(where_allowed(rights, ("rows", "view"), *columns))).scalar_one()
    engine.dispose()
    assert found is rights.decide("rows", "view", renderer, environment).allowed


def test_a_list_of_one_environment_is_found_by_its_index_among_very_many_rows(place: Place) -> None:
    engine = sa.create_engine(place.url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO rowcast.rows (renderer, key, generation, revision, deleted, row, changed_at)"
            " SELECT 'many', n::text, 1, 1, false, jsonb_build_object('id', n), now()"
            " FROM generate_series(1, 100000) AS n"
        )
        connection.exec_driver_sql(
            "UPDATE rowcast.environments SET awaited = false, environment ="
            " CASE WHEN mod(key::int, 1000) = 0 THEN 'prod' ELSE 'dev-' || mod(key::int, 7) END WHERE renderer = 'many'"
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE rowcast.environments, rowcast.rows")
    rights = read_policy("p, ada@example.com, rows, view, many/prod, allow").rights(["ada@example.com"])
    with engine.connect() as connection:
        for wanted in (
            RowFilter("many", environment="prod"),
            RowFilter("many", seen=rights.environments("rows", "view", "many")),
        ):
            query = whole_list(connection, wanted, Order()).limit(51)
            plain = query.compile(engine, compile_kwargs={"literal_binds": True})
            plan = "\n".join(connection.execute(sa.text(f"EXPLAIN {plain}".replace("%%", "%"))).scalars())
            assert "environments_of_renderer" in plan, plan
            assert "Seq Scan" not in plan, plan
            assert count(connection, wanted) == 100
    place.run("DELETE FROM rowcast.rows WHERE renderer = 'many'")
    engine.dispose()
