"""The only HTTP of the dashboard: crud, invoked through this app's own Dapr sidecar."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx

from access.calls import AccessCalls
from activity.calls import ActivityCalls
from bulk.calls import BulkCalls
from client.decoding import problem
from client.errors import ConflictError, MissingError, ProposedError, RefusedError, UnavailableError
from client.sending import COMMENT, Params
from client.tracing import Saves, Untraced
from configurations.calls import ConfigurationCalls
from dead_letters.calls import DeadLetterCalls
from history.calls import HistoryCalls
from impact.calls import ImpactCalls
from login.identity import Who
from pipeline.calls import PipelineCalls
from preview.calls import PreviewCalls
from promotion.calls import PromotionCalls
from proposals.calls import ProposalCalls
from reconcile.calls import ReconcileCalls
from renderers.calls import RendererCalls
from rollouts.calls import RolloutCalls
from rows.calls import RowCalls

CRUD: Final = "crud"
PERSON: Final = "x-rowcast-user"
VERIFIED: Final = "x-rowcast-user-verified"
GROUPS: Final = "x-rowcast-user-groups"
WHY: Final = "x-rowcast-comment"
MOST_GROUPS: Final = 200
# Slow enough for a cold database, short enough that a page never hangs.
TIMEOUT: Final = httpx.Timeout(10.0, connect=2.0)
SIDECAR_DOWN: Final = "The dashboard's Dapr sidecar does not answer."
CRUD_DOWN: Final = "The crud service is not available."
SIDECAR_REFUSES: Final = "The Dapr sidecar refuses the dashboard's API token."
NOT_JSON: Final = "The answer is not JSON: is something else listening on the sidecar's port?"
# Calls that change nothing although they are no GET.
ASKING: Final = re.compile(r"/appconfigs:preview|/renderers/[^/]+(/preview|:impact)")
# What of a path belongs to one row or roll-out, and would make each save another kind of span.
OF_ONE: Final = re.compile(r"(?<=/rows/).*|(?<=/rollouts/)\d+|\d+\Z")
CRUD_SLOW: Final = "The crud service took too long to answer."


def connect(environment: Mapping[str, str]) -> httpx.Client:
    """Return the HTTP connection to the sidecar that `environment` names (DAPR_HTTP_PORT, DAPR_API_TOKEN)."""
    headers = {"dapr-app-id": CRUD, "accept": "application/json"}
    if token := environment.get("DAPR_API_TOKEN"):
        headers["dapr-api-token"] = token
    port = environment.get("DAPR_HTTP_PORT", "3500")
    # The sidecar is on the loopback: a proxy from the environment must not come between.
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=TIMEOUT, trust_env=False)


class CrudClient(
    AccessCalls,
    ConfigurationCalls,
    DeadLetterCalls,
    PreviewCalls,
    HistoryCalls,
    BulkCalls,
    PipelineCalls,
    ActivityCalls,
    ReconcileCalls,
    RendererCalls,
    ImpactCalls,
    RolloutCalls,
    RowCalls,
    PromotionCalls,
    ProposalCalls,
):
    """What crud keeps and does, on behalf of whoever `who` says it is at each request.

    With each is said whether a login vouches for the person, and shown their token if they have one; a token that crud
    does not take is left out. Of one who may not edit, whatever would change something is refused with 403.
    """

    def __init__(self, http: httpx.Client, who: Callable[[], Who], saves: Saves | None = None) -> None:
        self._http = http
        self._who = who
        self._saves = saves or Untraced()

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Mapping[str, Any] | None = None,
        generation: int | None = None,
        seconds: float | None = None,
        token: str | None = None,
    ) -> Any:
        if method == "GET":
            return self._exchange(method, path, params, body, generation, {}, seconds, token)
        if not ASKING.fullmatch(path) and not self._who().can_edit:
            raise RefusedError(403, "Forbidden", "You may look, and change nothing.")
        with self._saves.save(f"save: {method} {OF_ONE.sub('', path, count=1)}") as trace:
            return self._exchange(method, path, params, body, generation, trace, seconds)

    def _download(self, path: str, params: Params) -> bytes:
        answer = self._answer("GET", path, params, None, {})
        if not answer.is_success:
            _content(answer)
        return answer.content

    def _exchange(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: Mapping[str, Any] | None,
        generation: int | None,
        trace: Mapping[str, str],
        seconds: float | None,
        token: str | None = None,
    ) -> Any:
        expected = {} if generation is None else {"if-match": f'"{generation}"'}
        return _content(self._answer(method, path, params, body, {**trace, **expected}, seconds, token))

    def _answer(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: Mapping[str, Any] | None,
        more: Mapping[str, str],
        seconds: float | None = None,
        token: str | None = None,
    ) -> httpx.Response:
        who = self._who()
        comment = {WHY: COMMENT.get()} if method != "GET" and COMMENT.get() else {}
        headers = httpx.Headers({PERSON: who.person, **comment}, encoding="utf-8")
        vouched = {VERIFIED: "true"} if who.verified else {}
        if who.verified and who.groups:
            # In ASCII, as JSON writes it: a header's bytes are anybody's guess.
            vouched[GROUPS] = json.dumps(who.groups[:MOST_GROUPS])
        headers.update({**vouched, **more})
        shown = who.token if token is None else token
        if shown:
            headers["authorization"] = f"Bearer {shown}"
        timeout = TIMEOUT if seconds is None else httpx.Timeout(seconds, connect=TIMEOUT.connect)
        request = functools.partial(self._http.request, method, path, params=params, json=body, timeout=timeout)
        try:
            answer = request(headers=headers)
            if answer.status_code == 401 and shown and token is None:
                # It was good a moment ago. crud knows who asks before it does anything, so nothing is done twice.
                del headers["authorization"]
                answer = request(headers=headers)
            return answer
        except httpx.ConnectError as error:
            raise UnavailableError(SIDECAR_DOWN) from error
        except httpx.TimeoutException as error:
            raise UnavailableError(CRUD_SLOW) from error
        except httpx.HTTPError as error:
            raise UnavailableError(SIDECAR_DOWN) from error


def _content(answer: httpx.Response) -> Any:
    """Return the answer's JSON (None if it has no body), or raise what the answer means."""
    try:
        content = answer.json() if answer.content else None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        # The sidecar refuses a wrong token in plain text.
        raise UnavailableError(SIDECAR_REFUSES if answer.status_code == 401 else NOT_JSON) from error
    # A reconcile is accepted, too, and is no proposal.
    if answer.status_code == httpx.codes.ACCEPTED and isinstance(content, dict) and "asked_by" in content:
        raise ProposedError(content["id"])
    if answer.is_success:
        return content
    raise _refusal(answer.status_code, content)


def _detail(content: Any) -> str:
    detail = content.get("detail") if isinstance(content, dict) else None
    return f"It says: {detail}." if isinstance(detail, str) else ""


def _refusal(status: int, content: Any) -> RefusedError | UnavailableError:
    if isinstance(content, dict) and "errorCode" in content:
        # The sidecar speaks for itself with `errorCode`, never with a problem: crud was not reached.
        return UnavailableError(
            CRUD_DOWN if status >= 500 else f"The sidecar refused: {content.get('message', status)}"
        )
    if status in (502, 503, 504):
        return UnavailableError(f"{CRUD_DOWN} {_detail(content)}".strip())
    kinds: Mapping[int, type[RefusedError]] = {404: MissingError, 412: ConflictError}
    return problem(kinds.get(status, RefusedError), status, content)
