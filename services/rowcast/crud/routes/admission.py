"""Who is let in: a dependency of every route, which finds out who asks and whether the policy allows it."""

from typing import Annotated

from fastapi import Depends, Request

from rowcast.core.row import APP_CONFIGS
from rowcast.core.rules import check_user
from rowcast.crud.access.callers import Access, Caller, Shown
from rowcast.crud.access.rates import Rates
from rowcast.crud.access.routes import ROUTES, Need
from rowcast.crud.access.tokens import TokenError
from rowcast.crud.database.audit import NOTED
from rowcast.crud.errors import DeniedError, FieldError
from rowcast.crud.proposals.review import reviewer
from rowcast.runtime.token import BY_SIDECAR, CALLER_HEADER

USER_HEADER = "x-rowcast-user"
VERIFIED_HEADER = "x-rowcast-user-verified"
GROUPS_HEADER = "x-rowcast-user-groups"
COMMENT_HEADER = "x-rowcast-comment"
MOST_COMMENT = 1000
_OURS = (USER_HEADER, VERIFIED_HEADER, GROUPS_HEADER)


async def admit(request: Request) -> None:
    """Raises TokenError for who isn't known, DeniedError for what isn't allowed, TooManyRequestsError, IssuerAwayError,
    FieldError.
    """
    route = request.scope["route"].path
    need = ROUTES.get((request.method, route))
    if need is None:
        raise DeniedError(f"nothing says who may call {request.method} {route}")
    if need.scope == "open":
        return
    access: Access = request.app.state.access
    rates: Rates = request.app.state.rates
    try:
        caller = await access.caller(_shown(request))
    except TokenError:
        # By address, and only once they have shown nothing: behind an ingress all have the same one.
        rates.take(f"address {request.client.host if request.client else ''}")
        raise
    if caller.is_limited:
        rates.take(caller.subject)
    request.state.caller = caller
    _note(request, need, caller, access)
    _check(need, caller, request.path_params)


def _check(need: Need, caller: Caller, parameters: dict[str, str]) -> None:
    if caller.rights.unlimited or (caller.is_sync and (need.by_sync or need.scope == "sync")):
        return
    if need.scope == "sync":
        raise DeniedError("that is for the targets' instances alone")
    name = parameters.get("name")
    for resource, verb in need.acts:
        match need.scope:
            case "renderer":
                caller.require(resource, verb, name)
            case "target":
                caller.require(resource, verb, parameters["target"])
            case "all":
                caller.require(resource, verb, None)
            case "rows":
                if not caller.rights.anywhere(resource, verb, name or APP_CONFIGS):
                    caller.require(resource, verb, name or APP_CONFIGS)
            case _:
                pass


def _note(request: Request, need: Need, caller: Caller, access: Access) -> None:
    noted = caller.noted
    noted.way, noted.issuer, noted.subject = caller.way, caller.issuer, caller.subject
    noted.person, noted.verified = caller.name or str(caller.actor), caller.verified
    noted.act, noted.path = need.act, request.url.path
    noted.renderer = request.path_params.get("name") or _renderer_of(request.scope["route"].path)
    noted.operation = request.scope["route"].operation_id or ""
    if need.changes and (approvals := access.approvals):
        noted.comment = _comment(request)
        noted.review = reviewer(approvals, noted, access.why_not_propose(caller))
    NOTED.set(noted if need.changes else None)


def _renderer_of(path: str) -> str | None:
    return APP_CONFIGS if path.startswith("/appconfigs") else None


def _shown(request: Request) -> Shown:
    headers = request.headers
    for header in _OURS:
        if len(headers.getlist(header)) > 1:
            raise FieldError(header, "duplicate", "must be there once")
    by_sidecar: bool = request.scope.get(BY_SIDECAR, False)
    return Shown(
        _bearer(request),
        by_sidecar,
        _application(headers.getlist(CALLER_HEADER)) if by_sidecar else None,
        _person(headers.get(USER_HEADER, "")),
        headers.get(VERIFIED_HEADER) == "true",
        headers.get(GROUPS_HEADER),
    )


def _application(names: list[str]) -> str | None:
    """The one that Dapr names. Where there are two, a caller has sent one of them. Raises TokenError."""
    if len(names) > 1 or any("," in name for name in names):
        raise TokenError(f"{CALLER_HEADER} is the sidecar's to send, and nobody else's")
    return names[0] if names else None


def _person(given: str) -> str:
    try:
        user = given.encode("latin-1").decode().strip()  # a header's bytes are UTF-8, if anything
    except UnicodeDecodeError:
        raise FieldError(USER_HEADER, "printable", "must be UTF-8") from None
    broken = check_user(user)
    if broken is not None:
        raise FieldError(USER_HEADER, broken.rule, broken.message)
    return user


def _comment(request: Request) -> str | None:
    """Raises FieldError."""
    try:
        comment = request.headers.get(COMMENT_HEADER, "").encode("latin-1").decode().strip()
    except UnicodeDecodeError:
        raise FieldError(COMMENT_HEADER, "printable", "must be UTF-8") from None
    if len(comment) > MOST_COMMENT:
        raise FieldError(COMMENT_HEADER, "max-length", f"must have at most {MOST_COMMENT} characters")
    return comment or None


def _bearer(request: Request) -> str | None:
    lines = request.headers.getlist("authorization")
    if not lines:
        return None
    scheme, _, token = lines[0].partition(" ")
    if len(lines) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise TokenError("Authorization must be one bearer token")
    return token.strip()


def caller_of(request: Request) -> Caller:
    """Who asks, as `admit` has found out."""
    caller: Caller = request.state.caller
    return caller


Asking = Annotated[Caller, Depends(caller_of)]
