"""What who asks may do, and why; and what others may, for whoever may see the audit."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from rowcast.core.policy import GROUP, OF_ROWS, RESOURCES, Decision, Rights
from rowcast.core.row import APP_CONFIGS
from rowcast.crud.access.callers import Access
from rowcast.crud.database.connections import reading
from rowcast.crud.errors import FieldError
from rowcast.crud.renderers import revisions
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Database, Settings
from rowcast.crud.routes.errors import responses

router = APIRouter(tags=["access"])
_CHANGES = ("rows/edit", "rows/delete", "promotions/promote")
Extent = Literal["all", "some", "none"]


class RuleOut(BaseModel):
    """A line of the policy; 0 is a built-in role's."""

    line: int
    text: str


class Held(BaseModel):
    """What is allowed with a renderer's rows: with those of all environments, of some, or of none."""

    extent: Extent
    environments: list[str] = Field(description="patterns of those that a line allows")
    but: list[str] = Field(description="patterns of those that a line denies")


class Mine(BaseModel):
    """Who asks, and what they may do."""

    subject: str
    person: str
    way: str
    issuer: str | None
    verified: bool
    enforced: bool = Field(description="whether a policy decides; otherwise everybody may do everything who gets here")
    names: list[str] = Field(description="what the policy knows them by, with roles")
    renderers: dict[str, dict[str, Held]] = Field(description="by renderer, and by resource/verb")
    targets: dict[str, list[str]] = Field(description="by target, what may be done with it")
    proposes: dict[str, list[str]] = Field(
        description="by renderer, patterns of environments where a change is a proposal, which another person approves"
    )
    other: list[str] = Field(description="resource/verb of what has neither")
    rules: list[RuleOut]


class Explained(BaseModel):
    """Whether it is allowed, and why."""

    allowed: bool
    why: str
    rule: RuleOut | None
    approval: RuleOut | None = Field(description="the line by which the change would be a proposal")
    names: list[str]


@router.get("/access:mine", operation_id="getMyAccess", responses=responses())
def mine(asking: Asking, request: Request, database: Database, settings: Settings) -> Mine:
    """Who you are here, and what you may do with what there is."""
    rights = asking.rights
    with reading(database) as connection:
        names = [APP_CONFIGS, *(row["name"] for row in revisions.current(connection))]
    of_renderers = ("rows", "promotions", "renderers", "rollouts")
    held = {
        name: {f"{resource}/{verb}": _held(rights, resource, verb, name) for resource, verb in _acts(*of_renderers)}
        for name in names
    }
    # What somebody may do nothing with is not there for them, nor is what others have to approve of it.
    seen = {name: acts for name, acts in held.items() if any(each.extent != "none" for each in acts.values())}
    access: Access = request.app.state.access
    return Mine(
        subject=asking.subject,
        person=asking.name or str(asking.actor),
        way=asking.way,
        issuer=asking.issuer,
        verified=asking.verified,
        enforced=access.policy is not None,
        names=list(rights.held) or list(asking.names),
        renderers=seen,
        targets={
            target: [verb for _, verb in _acts("reconciles") if rights.decide("reconciles", verb, target).allowed]
            for target in settings.targets
        },
        proposes={name: of for name in seen if (of := access.approvals.environments(name))},
        other=[
            f"{resource}/{verb}"
            for resource, verb in _acts("pipeline", "audit")
            if rights.decide(resource, verb, None).allowed
        ],
        rules=[RuleOut(line=rule.line, text=str(rule)) for rule in rights.rules],
    )


@router.get("/access:explain", operation_id="explainAccess", responses=responses(403))
def explain(
    asking: Asking,
    request: Request,
    verb: Annotated[str, Query(max_length=63, description="`edit`, or with another resource, `rollouts/start`.")],
    renderer: Annotated[str | None, Query(max_length=63, description="Or a target; all, if left out.")] = None,
    environment: Annotated[str | None, Query(max_length=63, description="All, if left out.")] = None,
    subject: Annotated[str | None, Query(max_length=400, description="Who; you, if left out.")] = None,
    group: Annotated[list[Annotated[str, Query(max_length=200)]] | None, Query(max_length=200)] = None,
) -> Explained:
    """Whether something is allowed, and which line says so. About others, to those who may see the audit."""
    resource, _, act = verb.rpartition("/")
    resource = resource or "rows"
    if act not in RESOURCES.get(resource, ()):
        known = ", ".join(f"{each}/{verb}" for each, verb in _acts(*RESOURCES))
        raise FieldError("verb", "verb", f"is none of {known}")
    access: Access = request.app.state.access
    rights = asking.rights
    names = list(rights.held) or list(asking.names)
    if subject is not None or group:
        asking.require("audit", "view", None)
        if access.policy is None:
            raise FieldError("subject", "no-policy", "there is no policy here (ROWCAST_POLICY)")
        wanted = [*([subject] if subject else []), *(f"{GROUP}{each}" for each in group or ())]
        rights = access.policy.rights(wanted, known=True)
        names = list(rights.held)
    decision = rights.decide(resource, act, renderer, environment if resource in OF_ROWS else None)
    line = access.approvals.wanted(renderer, environment) if renderer and f"{resource}/{act}" in _CHANGES else None
    approval = RuleOut(line=line.line, text=str(line)) if line else None
    return Explained(allowed=decision.allowed, why=decision.why, rule=_rule(decision), approval=approval, names=names)


def _rule(decision: Decision) -> RuleOut | None:
    return RuleOut(line=decision.rule.line, text=str(decision.rule)) if decision.rule else None


def _acts(*resources: str) -> list[tuple[str, str]]:
    return [(resource, verb) for resource in resources for verb in RESOURCES[resource]]


def _held(rights: Rights, resource: str, verb: str, renderer: str) -> Held:
    whole = rights.decide(resource, verb, renderer).allowed
    reach = rights.environments(resource, verb, renderer)
    some = not reach.nothing and resource in OF_ROWS
    extent: Extent = "all" if whole else "some" if some else "none"
    return Held(extent=extent, environments=sorted(reach.allowed), but=sorted(reach.denied))
