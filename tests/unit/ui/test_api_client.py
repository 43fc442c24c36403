"""The client says over HTTP what it means, and translates every answer; a small real server stands for the sidecar."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from activity.models import AuditQuery
from client import api_client
from client.errors import ConflictError, FieldError, MissingError, ProposedError, RefusedError, UnavailableError
from client.sending import commented
from client.tracing import Untraced
from configurations.models import Draft, Query
from dead_letters.models import LetterQuery
from login.identity import Who
from renderers.models import UnderWay
from rows.models import Choice, Choices, Column, LiveRow, Reference, RowsQuery

DRAFT = Draft("a", "https://git.example/a.git", "main", "prod")
GIVEN = {"name": "a", "repository_url": "https://git.example/a.git", "branch": "main", "environment": "prod"}
ROW = {
    "id": 42,
    "name": "a",
    "repository_url": "https://git.example/a.git",
    "branch": "main",
    "environment": "prod",
    "generation": 7,
    "created_at": "2026-01-02T03:04:05.000006Z",
    "updated_at": "2026-01-02T05:04:05.000006+02:00",
    "updated_by": "maria",
}
STATUS = {
    "state": "synced",
    "observed_generation": 7,
    "outcome": "configured",
    "reference": "4711",
    "error": None,
    "updated_at": "2026-01-02T03:04:06Z",
    "times": {"saved": "2026-01-02T03:04:05Z", "delivered": "2026-01-02T03:04:05.043Z", "captured": None},
}


@dataclass
class Sidecar:
    """What the server answers next, and what it was asked."""

    status: int = 200
    body: bytes = b"{}"
    asked: list[tuple[str, str, Message, Any]] = field(default_factory=list)
    port: int = 0

    def answers(self, status: int, content: object) -> None:
        self.status, self.body = status, json.dumps(content).encode()


@pytest.fixture
def sidecar() -> Iterator[Sidecar]:
    state = Sidecar()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            state.asked.append((self.command, self.path, self.headers, json.loads(body) if body else None))
            self.send_response(state.status)
            self.send_header("content-length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 # http.server looks for these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield state
        server.shutdown()


@pytest.fixture
def client(sidecar: Sidecar) -> Iterator[api_client.CrudClient]:
    with api_client.connect({"DAPR_HTTP_PORT": str(sidecar.port), "DAPR_API_TOKEN": "t0ken"}) as http:
        yield api_client.CrudClient(http, lambda: Who("maria"))


def test_every_call_names_the_app_the_token_and_the_person(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(200, ROW)
    client.get(42)
    method, path, headers, _ = sidecar.asked[0]
    assert (method, path) == ("GET", "/appconfigs/42")
    assert headers["dapr-app-id"] == "crud"
    assert headers["dapr-api-token"] == "t0ken"
    assert headers["x-rowcast-user"] == "maria"
    assert "x-rowcast-user-verified" not in headers


def test_what_a_login_vouches_for_is_said_with_every_call(sidecar: Sidecar) -> None:
    with api_client.connect({"DAPR_HTTP_PORT": str(sidecar.port)}) as http:
        sidecar.answers(200, ROW)
        api_client.CrudClient(http, lambda: Who("maria", verified=True)).get(42)
    assert sidecar.asked[0][2]["x-rowcast-user-verified"] == "true"


def test_a_token_of_the_login_is_shown_to_crud(sidecar: Sidecar) -> None:
    with api_client.connect({"DAPR_HTTP_PORT": str(sidecar.port)}) as http:
        sidecar.answers(200, ROW)
        api_client.CrudClient(http, lambda: Who("maria", token="a.b.c")).get(42)
    assert sidecar.asked[0][2]["authorization"] == "Bearer a.b.c"


def test_a_change_with_a_token_that_has_just_expired_is_sent_once_more_by_the_dashboards_word(sidecar: Sidecar) -> None:
    with api_client.connect({"DAPR_HTTP_PORT": str(sidecar.port)}) as http:
        sidecar.answers(401, {"title": "Unauthorized", "detail": "the token has expired"})
        with pytest.raises(RefusedError, match="expired"):
            api_client.CrudClient(http, lambda: Who("maria", token="a.b.c")).update(42, DRAFT, 7)
    assert [asked[2]["authorization"] for asked in sidecar.asked] == ["Bearer a.b.c", None]
    assert [asked[2]["if-match"] for asked in sidecar.asked] == ['"7"', '"7"']


MINE = {
    "subject": "ada@example.com",
    "person": "Ada",
    "way": "dashboard",
    "issuer": None,
    "verified": True,
    "enforced": True,
    "names": ["ada@example.com", "role:developer"],
    "renderers": {"appconfigs": {"rows/edit": {"extent": "some", "environments": ["dev"], "but": []}}},
    "targets": {"k8s": ["view"]},
    "other": ["audit/view"],
    "rules": [{"line": 2, "text": "p, role:developer, rows, edit, appconfigs/dev, allow"}],
}


def test_who_asks_for_their_rights_does_so_by_the_dashboards_word_or_by_a_token(sidecar: Sidecar) -> None:
    with api_client.connect({"DAPR_HTTP_PORT": str(sidecar.port)}) as http:
        client = api_client.CrudClient(http, lambda: Who("maria", token="a.b.c"))
        sidecar.answers(200, MINE)
        mine = client.my_access()
        client.my_access("d.e.f")
    assert [asked[2]["authorization"] for asked in sidecar.asked] == [None, "Bearer d.e.f"]
    assert mine.renderers == {"appconfigs": {"rows/edit": "some"}}
    assert (dict(mine.targets), set(mine.other)) == ({"k8s": ("view",)}, {"audit/view"})
    assert mine.rules == ("line 2: p, role:developer, rows, edit, appconfigs/dev, allow",)


def test_a_token_that_crud_refuses_when_asked_about_it_is_not_left_out(sidecar: Sidecar) -> None:
    with api_client.connect({"DAPR_HTTP_PORT": str(sidecar.port)}) as http:
        sidecar.answers(401, {"title": "Unauthorized", "detail": "its issuer is unknown"})
        with pytest.raises(RefusedError, match="issuer is unknown"):
            api_client.CrudClient(http, lambda: Who("maria")).my_access("d.e.f")
    assert len(sidecar.asked) == 1


def test_why_something_is_refused_is_cruds_to_say(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(200, {"allowed": False, "why": "line 3 denies it", "rule": None, "names": []})
    assert client.why_not("rows/edit", "appconfigs", "prod") == "line 3 denies it"
    assert parse_qs(urlsplit(sidecar.asked[0][1]).query) == {
        "verb": ["rows/edit"],
        "renderer": ["appconfigs"],
        "environment": ["prod"],
    }
    sidecar.answers(200, {"allowed": True, "why": "a built-in role allows it", "rule": None, "names": []})
    assert client.why_not("audit/view", "", "") is None
    assert parse_qs(urlsplit(sidecar.asked[1][1]).query) == {"verb": ["audit/view"]}


def test_the_audit_is_asked_for_as_it_is_filtered(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    entry = {"id": 7, "at": "2026-01-02T03:04:05Z", "way": "token", "issuer": "https://ci", "subject": "ci:acme"}
    what = {"person": "acme", "verified": True, "act": "rows/edit", "renderer": "appconfigs", "environments": ["prod"]}
    came = {
        "operation": "updateAppConfig",
        "path": "/appconfigs/7",
        "outcome": "refused",
        "why": "no",
        "request_id": "r",
    }
    sidecar.answers(200, {"items": [{**entry, **what, **came}], "next_cursor": "c"})
    page = client.audit(AuditQuery(outcome="refused", limit=5))
    assert parse_qs(urlsplit(sidecar.asked[0][1]).query) == {"outcome": ["refused"], "limit": ["5"]}
    assert (page.items[0].at.hour, page.items[0].environments, page.next_cursor) == (3, ("prod",), "c")


def test_a_person_of_any_script_travels_as_utf_8(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    with api_client.connect({"DAPR_HTTP_PORT": str(sidecar.port)}) as http:
        sidecar.answers(200, ROW)
        api_client.CrudClient(http, lambda: Who("Zoë")).get(42)
    assert sidecar.asked[0][2]["x-rowcast-user"].encode("latin-1").decode() == "Zoë"


def test_a_comment_goes_with_a_change_and_with_nothing_else(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(200, ROW)
    with commented("für Zoë"):
        client.update(42, DRAFT, 7)
        client.get(42)
    client.update(42, DRAFT, 7)
    said = [headers["x-rowcast-comment"] for _, _, headers, _ in sidecar.asked]
    assert [text and text.encode("latin-1").decode() for text in said] == ["für Zoë", None, None]


def test_what_somebody_else_has_to_approve_is_no_row_and_no_error_of_a_field(
    sidecar: Sidecar, client: api_client.CrudClient
) -> None:
    sidecar.answers(202, {"id": 12, "asked_by": "maria", "changes": []})
    with pytest.raises(ProposedError, match="number 12"):
        client.update(42, DRAFT, 7)


def test_a_refused_token_is_said_so(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.status, sidecar.body = 401, b"invalid api token"
    with pytest.raises(UnavailableError, match="API token"):
        client.get(1)


def test_without_a_token_none_is_sent() -> None:
    with api_client.connect({}) as http:
        assert "dapr-api-token" not in http.headers
        assert http.base_url.port == 3500


def test_a_list_asks_only_for_what_is_set(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(200, {"items": [{**ROW, "sync": {"k8s": STATUS}}], "next_cursor": "n", "total": 9})
    page = client.list(Query(search="a b", sort="name", limit=5))
    assert sidecar.asked[0][1] == "/appconfigs?limit=5&sort=name&search=a+b"
    assert (page.total, page.next_cursor) == (9, "n")
    (row,) = page.items
    assert row.updated_at == row.created_at == datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    (status,) = row.sync
    assert (status.target, status.state, status.observed_generation, status.reference) == ("k8s", "synced", 7, "4711")
    assert set(status.times) == {"saved", "delivered"}


def test_a_status_of_a_deleted_row_has_no_generation(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(200, {"id": 42, "generation": None, "targets": {"git": {"state": "a newer word"}}})
    status = client.status(42)
    assert status.generation is None
    assert [(target.target, target.state) for target in status.targets] == [("git", "pending")]


def test_a_create_posts_the_fields_and_leaves_an_application_that_is_empty_to_crud(
    sidecar: Sidecar, client: api_client.CrudClient
) -> None:
    sidecar.answers(201, ROW)
    assert client.create(DRAFT).id == 42
    client.create(replace(DRAFT, application="shop"))
    assert [(method, path) for method, path, _, _ in sidecar.asked] == [("POST", "/appconfigs")] * 2
    assert [body for *_, body in sidecar.asked] == [GIVEN, {**GIVEN, "application": "shop"}]


def test_an_update_and_a_delete_carry_the_generation_they_are_made_from(
    sidecar: Sidecar, client: api_client.CrudClient
) -> None:
    sidecar.answers(200, ROW)
    client.update(42, DRAFT, 7)
    sidecar.status, sidecar.body = 204, b""
    client.delete(42, 7)
    assert [(method, headers["if-match"]) for method, _, headers, _ in sidecar.asked] == [
        ("PUT", '"7"'),
        ("DELETE", '"7"'),
    ]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (404, MissingError),
        (409, RefusedError),
        (412, ConflictError),
        (422, RefusedError),
        (500, RefusedError),
    ],
)
def test_a_problem_becomes_a_refusal_with_its_fields(
    sidecar: Sidecar, client: api_client.CrudClient, status: int, kind: type[RefusedError]
) -> None:
    error = {"field": "name", "rule": "unique", "message": "is taken"}
    sidecar.answers(status, {"type": "t", "title": "T", "status": status, "detail": "D", "errors": [error]})
    with pytest.raises(RefusedError) as raised:
        client.create(DRAFT)
    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.title, raised.value.detail) == (status, "T", "D")
    assert raised.value.errors == (FieldError("name", "unique", "is taken"),)


@pytest.mark.parametrize("content", [None, [], "x", {}, {"errors": [None]}])
def test_a_refusal_without_a_problem_still_has_a_title(
    sidecar: Sidecar, client: api_client.CrudClient, content: object
) -> None:
    sidecar.answers(418, content)
    with pytest.raises(RefusedError, match="HTTP 418"):
        client.get(1)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, {"errorCode": "ERR_DIRECT_INVOKE", "message": "failed to resolve address"}),
        (502, {}),
        (503, {"title": "Not ready", "status": 503}),
        (504, {}),
    ],
)
def test_a_crud_that_is_away_is_said_so(
    sidecar: Sidecar, client: api_client.CrudClient, status: int, content: object
) -> None:
    sidecar.answers(status, content)
    with pytest.raises(UnavailableError, match="crud service is not available"):
        client.get(1)


def test_a_sidecar_that_forbids_the_call_is_quoted(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(403, {"errorCode": "ERR_DIRECT_INVOKE", "message": "access denied by policy"})
    with pytest.raises(UnavailableError, match="access denied by policy"):
        client.get(1)


def test_an_answer_that_is_not_json_is_no_stack_trace(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.body = b"<html>"
    with pytest.raises(UnavailableError, match="not JSON"):
        client.get(1)


def test_a_sidecar_that_is_down_is_said_so() -> None:
    with socket.socket() as taken:
        # Bound but not listening: nobody else can answer on this port meanwhile.
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with (
            api_client.connect({"DAPR_HTTP_PORT": str(port)}) as http,
            pytest.raises(UnavailableError, match="sidecar"),
        ):
            api_client.CrudClient(http, lambda: Who("maria")).get(1)


def test_an_answer_that_never_comes_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "TIMEOUT", httpx.Timeout(0.05, connect=2))
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        api_client.connect({"DAPR_HTTP_PORT": str(silent.getsockname()[1])}) as http,
        pytest.raises(UnavailableError, match="too long"),
    ):
        api_client.CrudClient(http, lambda: Who("maria")).get(1)


LETTER = {
    "id": 3,
    "state": "discarded",
    "target": "git",
    "reason": "undecodable",
    "error": "event: must be an object",
    "row_id": None,
    "name": None,
    "generation": None,
    "position": {"__offset": "1"},
    "occurrences": 2,
    "dead_lettered_at": "2026-01-02T03:04:05.000006Z",
    "received_at": "2026-01-02T03:04:05.000007Z",
    "resolved_at": "2026-01-02T03:05:05Z",
    "resolved_by": "ada",
    "resolution_reason": "a test",
}


def test_a_list_by_state_asks_crud_for_it(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(200, {"items": [], "next_cursor": None, "total": 0})
    client.list(Query(state="failed", sort="id", limit=5))
    assert sidecar.asked[0][1] == "/appconfigs?limit=5&sort=id&state=failed"


def test_dead_letters_are_read_page_by_page(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(200, {"items": [LETTER], "next_cursor": "n", "total": 9})
    page = client.letters(LetterQuery(state="discarded", target="git", limit=5, cursor="c"))
    assert sidecar.asked[0][1] == "/deadletters?limit=5&state=discarded&target=git&cursor=c"
    assert (page.total, page.next_cursor) == (9, "n")
    (letter,) = page.items
    assert (letter.occurrences, letter.position) == (2, {"__offset": "1"})
    assert (letter.resolved_by, letter.resolution_reason) == ("ada", "a test")
    assert letter.dead_lettered_at == datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_an_event_is_read_with_its_letter_alone(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(200, {**LETTER, "event": ["garbage"]})
    assert client.letter_event(3) == ["garbage"]
    assert sidecar.asked[0][1] == "/deadletters/3"


def test_letters_are_replayed_and_discarded_by_their_ids(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(200, {"items": []})
    client.replay((1, 2), "")
    client.replay((3,), "it is gone")
    client.discard((4,), "a test")
    assert [(method, path, body) for method, path, _, body in sidecar.asked] == [
        ("POST", "/deadletters:replay", {"ids": [1, 2]}),
        ("POST", "/deadletters:replay", {"ids": [3], "reason": "it is gone"}),
        ("POST", "/deadletters:discard", {"ids": [4], "reason": "a test"}),
    ]


def test_a_preview_asks_about_the_row_and_says_what_each_target_would_do(
    sidecar: Sidecar, client: api_client.CrudClient
) -> None:
    k8s = {
        "target": "k8s",
        "manifest": "a: 1",
        "live": None,
        "diff": "+a: 1",
        "change": "create",
        "place": "appconfigs/a",
    }
    refused = {**k8s, "error": {"reason": "Invalid", "message": "denied"}, "unavailable": None}
    away = {"target": "git", "unavailable": "sync-git does not answer"}
    sidecar.answers(200, {"generation": 8, "targets": [refused, away]})
    preview = client.preview(42, DRAFT)
    assert sidecar.asked[0][:2] == ("POST", "/appconfigs:preview")
    assert sidecar.asked[0][3] == {"id": 42, "config": GIVEN}
    client.preview(42, DRAFT, "grace")
    assert sidecar.asked[1][3] == {"id": 42, "config": GIVEN, "updated_by": "grace"}
    assert preview.generation == 8
    assert (preview.targets[0].change, preview.targets[0].refusal) == ("create", "denied")
    assert preview.targets[1].unavailable == "sync-git does not answer"


def test_what_is_live_has_its_place_and_reference(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    there = {"target": "git", "place": "a.yaml", "live": "a: 1", "reference": "0123", "unavailable": None}
    sidecar.answers(200, {"targets": [there, {**there, "target": "k8s", "live": None, "reference": None}]})
    git, k8s = client.live(42)
    assert sidecar.asked[0][:2] == ("GET", "/appconfigs/42/live")
    assert (git.place, git.text, git.reference) == ("a.yaml", "a: 1", "0123")
    assert (k8s.text, k8s.reference, k8s.unavailable) == (None, None, "")


def test_the_history_goes_on_at_its_cursor(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    created = {
        "change": "created",
        "generation": 1,
        "changed_at": "2026-01-02T05:04:05+02:00",
        "changed_by": "ada",
        "before": None,
        "after": ROW,
    }
    sidecar.answers(200, {"items": [created], "next_cursor": "more"})
    page = client.history(42, "there", 7)
    assert sidecar.asked[0][1] == "/appconfigs/42/history?limit=7&cursor=there"
    assert page.next_cursor == "more"
    assert (page.items[0].before, page.items[0].after) == (None, DRAFT)
    assert page.items[0].changed_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_many_rows_are_changed_in_one_batch_at_the_generations_that_were_seen(
    sidecar: Sidecar, client: api_client.CrudClient
) -> None:
    sidecar.answers(200, ROW)
    row = client.get(42)
    sidecar.answers(200, {"items": [None]})
    client.delete_all([row])
    client.change_all([row], {"branch": "next"})
    assert [asked[1] for asked in sidecar.asked[1:]] == ["/appconfigs:batch"] * 2
    assert sidecar.asked[1][3] == {"items": [{"action": "delete", "id": 42, "generation": 7}]}
    assert sidecar.asked[2][3] == {
        "items": [{"action": "update", "id": 42, "generation": 7, "config": {"branch": "next"}}]
    }


def test_a_refused_batch_names_the_rows_to_blame(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    error = {"index": 3, "field": "generation", "rule": "generation", "message": "is 8 now, not 7"}
    sidecar.answers(412, {"title": "Precondition Failed", "status": 412, "errors": [error]})
    with pytest.raises(RefusedError) as refusal:
        client.delete_all([])
    assert refusal.value.errors[0].index == 3


def test_an_import_gives_a_line_for_each_row(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    change = {"index": 0, "name": "a", "action": "change", "row_id": 42, "fields": {"branch": ["main", "next"]}}
    refuse = {"index": 1, "name": "B", "action": "refuse", "errors": [{"field": "name", "message": "use a-z"}]}
    sidecar.answers(200, {"created": 0, "changed": 1, "unchanged": 0, "refused": 1, "lines": [change, refuse]})
    first, second = client.import_rows([vars(DRAFT)], dry_run=True)
    assert sidecar.asked[0][3] == {"rows": [vars(DRAFT)], "dry_run": True}
    assert (first.action, first.row_id, first.fields) == ("change", 42, {"branch": ("main", "next")})
    assert second.errors == (FieldError("name", "", "use a-z"),)
    client.import_rows([vars(DRAFT)], dry_run=False, partial=True)
    assert sidecar.asked[1][3] == {"rows": [vars(DRAFT)], "dry_run": False, "partial": True}


def test_an_export_is_the_file_as_it_came_of_all_that_matches(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.body = b"name\r\na\r\n"
    query = Query(search="a b", environment="prod", state="failed", sort="name", cursor="here")
    assert client.export(query, "csv") == b"name\r\na\r\n"
    assert sidecar.asked[0][1] == "/appconfigs:export?format=csv&sort=name&search=a+b&environment=prod&state=failed"


def test_an_export_that_is_refused_is_no_file(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(503, {"title": "Service Unavailable", "status": 503, "detail": "the database is away"})
    with pytest.raises(UnavailableError, match="database"):
        client.export(Query(), "json")


def test_a_preview_is_no_change_that_whoever_may_only_look_is_refused(sidecar: Sidecar) -> None:
    sidecar.answers(200, {"generation": 8, "targets": []})
    with api_client.connect({"DAPR_HTTP_PORT": str(sidecar.port)}) as http:
        client = api_client.CrudClient(http, lambda: Who("maria", "viewer"))
        client.preview(None, DRAFT)
        with pytest.raises(RefusedError):
            client.import_rows([], dry_run=False)


ANY_ROW = {
    "renderer": "tenants",
    "key": "eu/1 ü?#%",
    "generation": 3,
    "revision": 2,
    "deleted": False,
    "row": {"id": 12345678901234567890, "price": "12.50"},
    "actor": None,
    "actor_verified": False,
    "changed_at": "2026-01-02T03:04:05Z",
    "targets": {"k8s": STATUS},
}


def test_a_row_of_any_table_is_named_by_its_renderer_and_its_key_whatever_is_in_it(
    sidecar: Sidecar, client: api_client.CrudClient
) -> None:
    sidecar.answers(200, ANY_ROW)
    row = client.row("tenants", "eu/1 ü?#%")
    # Encoded twice, since the sidecar decodes it once.
    assert sidecar.asked[0][1] == "/renderers/tenants/rows/eu%252F1%2520%25C3%25BC%253F%2523%2525"
    assert (row.key, row.values["id"], row.actor) == ("eu/1 ü?#%", 12345678901234567890, "")
    assert [(status.target, status.state) for status in row.sync] == [("k8s", "synced")]


def test_a_list_of_rows_says_what_narrows_and_sorts_it(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(200, {"items": [ANY_ROW], "next_cursor": "n", "total": 9})
    filters = (("plan", "team"), ("a=b", "ü"))
    page = client.rows(RowsQuery("tenants", "x", "failed", filters, "prod", "cpu", descending=True, cursor="c"))
    query = parse_qs(urlsplit(sidecar.asked[0][1]).query)
    assert query == {
        "search": ["x"],
        "state": ["failed"],
        "environment": ["prod"],
        "sort": ["cpu"],
        "order": ["desc"],
        "filter": ["plan=team", "a=b=ü"],
        "limit": ["20"],
        "cursor": ["c"],
    }
    assert (page.total, page.next_cursor, len(page.items)) == (9, "n", 1)


def test_what_belongs_to_a_row_is_asked_by_its_key_in_the_query(
    sidecar: Sidecar, client: api_client.CrudClient
) -> None:
    sidecar.answers(200, {"items": [{**ANY_ROW, "row": None, "deleted": True}], "next_cursor": None})
    (version,) = client.row_history("tenants", "a/b").items
    assert (version.deleted, version.values) == (True, {})
    there = {"found": True, "live": "kind: Namespace", "place": "namespaces/a", "difference": ["-a", "+b"]}
    git = {"found": None, "unavailable": "is away", "error": "Invalid: no"}
    sidecar.answers(200, {"targets": {"k8s": {"target": "k8s", **there}, "git": git}})
    assert client.row_live("tenants", "a/b") == (
        LiveRow("k8s", "namespaces/a", "kind: Namespace", difference="-a\n+b"),
        LiveRow("git", unavailable="is away", refusal="Invalid: no"),
    )
    assert [path for _, path, _, _ in sidecar.asked] == [
        "/renderers/tenants/history?key=a%2Fb&limit=20",
        "/renderers/tenants/live?key=a%2Fb",
    ]


def test_a_change_of_a_row_carries_the_generation_that_it_is_made_from(
    sidecar: Sidecar, client: api_client.CrudClient
) -> None:
    sidecar.answers(200, ANY_ROW)
    client.create_row("tenants", {"plan": "free"})
    client.change_row("tenants", "1", {"plan": None}, 3)
    client.delete_row("tenants", "1", 4)
    said = [(method, path, headers["if-match"], body) for method, path, headers, body in sidecar.asked]
    assert said == [
        ("POST", "/renderers/tenants/rows", None, {"values": {"plan": "free"}}),
        ("PATCH", "/renderers/tenants/rows/1", '"3"', {"values": {"plan": None}}),
        ("DELETE", "/renderers/tenants/rows/1", '"4"', None),
    ]


def test_the_columns_of_a_table_are_as_the_catalogue_has_them(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    plan = {"name": "plan", "type": "plan", "nullable": False, "has_default": True, "values": ["free"]}
    region = {"name": "region", "type": "text", "nullable": True, "references": {"table": "regions", "column": "id"}}
    sidecar.answers(200, {"editable": False, "why": "GRANT", "columns": [plan, region]})
    found = client.columns("tenants")
    assert (found.editable, found.why) == (False, "GRANT")
    assert found.columns == (
        Column("plan", "plan", nullable=False, has_default=True, values=("free",)),
        Column("region", "text", references=Reference("regions", "id")),
    )


def test_what_a_foreign_key_may_be_is_asked_for_by_its_column_and_what_is_searched(
    sidecar: Sidecar, client: api_client.CrudClient
) -> None:
    items = [{"value": "eu", "label": "Europe"}, {"value": "us", "label": None}]
    sidecar.answers(200, {"items": items, "more": True, "why": None})
    assert client.choices("tenants", "region", "u") == Choices((Choice("eu", "Europe"), Choice("us")), more=True)
    assert sidecar.asked[-1][1] == "/renderers/tenants/rows:choices?column=region&search=u&limit=50"
    sidecar.answers(200, {"items": [], "more": False, "why": "GRANT"})
    assert client.choices("tenants", "region") == Choices((), why="GRANT")


def test_a_renderer_has_its_revisions_and_a_row_is_rendered_by_any_declaration(
    sidecar: Sidecar, client: api_client.CrudClient
) -> None:
    revision = {"name": "tenants", "revision": 2, "applied_by": "postgres", "applied_at": "2026-01-02T03:04:05Z"}
    rollout = {"id": 3, "state": "paused", "step": 1, "steps": 3}
    sidecar.answers(200, {"items": [{**revision, "rows": 7, "fault": None, "rollout": rollout}]})
    (listed,) = client.renderers()
    assert (listed.name, listed.rows, listed.failed) == ("tenants", 7, None)
    assert listed.rollout == UnderWay(3, "paused", 1, 3)
    assert [one.revision for one in client.revisions("tenants")] == [2]
    sidecar.answers(200, {**revision, "text": "kind: Renderer"})
    assert client.revision_text("tenants", 2) == "kind: Renderer"
    error = {"path": "spec.name", "expression": "row.x", "message": "no such field", "line": 4, "column": 9}
    sidecar.answers(200, {"name": None, "environment": None, "manifests": [], "errors": [error]})
    (problem,) = client.render("tenants", "1", text="kind: Renderer").problems
    assert problem.place == "spec.name, line 4, column 9"
    assert sidecar.asked[-1][3] == {"key": "1", "spec": "kind: Renderer"}


def test_who_may_only_look_may_preview_a_row_and_change_none(sidecar: Sidecar) -> None:
    with api_client.connect({"DAPR_HTTP_PORT": str(sidecar.port)}) as http:
        viewer = api_client.CrudClient(http, lambda: Who("maria", "viewer"))
        sidecar.answers(200, {"manifests": [{"id": "namespace", "manifest": {"kind": "Namespace"}}], "name": "a"})
        assert viewer.render("tenants", "1").manifests[0].content == {"kind": "Namespace"}
        with pytest.raises(RefusedError):
            viewer.change_row("tenants", "x/preview", {}, 1)
    assert len(sidecar.asked) == 1


def test_rows_of_any_table_are_imported_and_exported(sidecar: Sidecar, client: api_client.CrudClient) -> None:
    sidecar.answers(200, {"lines": [{"index": 0, "key": "1", "action": "create", "fields": {"id": [None, 1]}}]})
    (line,) = client.import_table("tenants", [{"id": 1}], dry_run=True)
    assert (line.name, line.fields) == ("1", {"id": ("NULL", "1")})
    sidecar.status, sidecar.body = 200, b"id\n1\n"
    assert client.export_rows(RowsQuery("tenants", search="a"), "csv") == b"id\n1\n"
    assert sidecar.asked[0][1] == "/renderers/tenants/rows:import?dry_run=true"
    assert sidecar.asked[1][1] == "/renderers/tenants/rows:export?search=a&format=csv"


def test_saves_of_rows_are_spans_of_one_name(sidecar: Sidecar) -> None:
    names: list[str] = []

    class Saves(Untraced):
        def save(self, name: str) -> Any:
            names.append(name)
            return super().save(name)

    with api_client.connect({"DAPR_HTTP_PORT": str(sidecar.port)}) as http:
        client = api_client.CrudClient(http, lambda: Who("maria"), Saves())
        sidecar.answers(200, {**ANY_ROW, **ROW})
        client.change_row("tenants", "eu/1", {}, 1)
        client.update(42, DRAFT, 1)
    assert names == ["save: PATCH /renderers/tenants/rows/", "save: PUT /appconfigs/"]
