"""What each route is, to the policy: one table, of which every route has to be a part."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Scope = Literal["rows", "renderer", "target", "all", "each", "sync", "open"]
"""`rows`: somewhere among those of the renderer that the path names, or among configurations, and the route looks at
each. `renderer`: with all that is the renderer's. `target`: the one of the path. `all`: with everything. `each`: the
route looks at each. `sync`: a target's instance alone, by its sidecar. `open`: probes, and what the own sidecar brings.
"""
Act = tuple[str, str]
"""Resource and verb."""
VIEW, EDIT, DELETE, OPERATE, APPROVE = (("rows", verb) for verb in ("view", "edit", "delete", "operate", "approve"))


@dataclass(frozen=True)
class Need:
    """What a request must be allowed to; `by_sync`: a target's instance may anyway. `changes`: it is in the audit."""

    scope: Scope
    acts: tuple[Act, ...] = ()
    by_sync: bool = False
    changes: bool = False

    @property
    def act(self) -> str:
        """As the audit has it: the last one, which is the most."""
        return "/".join(self.acts[-1]) if self.acts else ""


def _seen(scope: Scope, *acts: Act, by_sync: bool = False) -> Need:
    return Need(scope, acts, by_sync)


def _done(scope: Scope, *acts: Act) -> Need:
    return Need(scope, acts, changes=True)


_SYNC, _OPEN = Need("sync"), Need("open")
_SEE_RENDERER = _seen("renderer", ("renderers", "view"))
_SEE_ROWS = _seen("rows", VIEW)
_SEE_ONE, _EDIT_ONE = _seen("rows", VIEW), _done("rows", VIEW, EDIT)
_IMPACT = _seen("rows", VIEW, ("renderers", "impact"))
_OPERATE_ROLLOUT = _done("renderer", ("rollouts", "operate"))

ROUTES: Mapping[tuple[str, str], Need] = {
    ("GET", "/appconfigs"): _SEE_ONE,
    ("POST", "/appconfigs"): _EDIT_ONE,
    ("GET", "/appconfigs:snapshot"): _seen("all", VIEW, by_sync=True),
    ("GET", "/appconfigs:late"): _seen("all", VIEW, by_sync=True),
    ("POST", "/appconfigs:batch"): _done("rows", VIEW),
    ("POST", "/appconfigs:import"): _EDIT_ONE,
    ("GET", "/appconfigs:export"): _SEE_ONE,
    ("POST", "/appconfigs:preview"): _SEE_ONE,
    ("GET", "/appconfigs/{id:segment}"): _SEE_ONE,
    ("PUT", "/appconfigs/{id:segment}"): _EDIT_ONE,
    ("PATCH", "/appconfigs/{id:segment}"): _EDIT_ONE,
    ("DELETE", "/appconfigs/{id:segment}"): _done("rows", VIEW, DELETE),
    ("GET", "/appconfigs/{id:segment}/history"): _SEE_ONE,
    ("GET", "/appconfigs/{id:segment}/status"): _SEE_ONE,
    ("GET", "/appconfigs/{id:segment}/live"): _SEE_ONE,
    ("GET", "/activity"): _SEE_ONE,
    ("GET", "/activity/people"): _SEE_ONE,
    ("GET", "/deadletters"): _seen("each", VIEW),
    ("GET", "/deadletters/{id:segment}"): _seen("each", VIEW),
    ("POST", "/deadletters:replay"): _done("each", VIEW, OPERATE),
    ("POST", "/deadletters:discard"): _done("each", VIEW, OPERATE),
    ("POST", "/deadletters/{id:segment}:replay"): _done("each", VIEW, OPERATE),
    ("POST", "/deadletters/{id:segment}:discard"): _done("each", VIEW, OPERATE),
    ("GET", "/deadletters:arrived"): _SYNC,
    ("GET", "/deadletters:unanswered"): _SYNC,
    ("POST", "/deadletters:answered"): _SYNC,
    ("GET", "/pipeline"): _seen("all", ("pipeline", "view")),
    ("GET", "/reconciles"): _seen("each", ("reconciles", "view")),
    ("POST", "/reconciles/{target}"): _done("target", ("reconciles", "start")),
    ("GET", "/renderers"): _seen("each", ("renderers", "view")),
    ("GET", "/renderers/{name:renderer}"): _seen("renderer", ("renderers", "view"), by_sync=True),
    ("GET", "/renderers/{name}/revisions"): _SEE_RENDERER,
    ("GET", "/renderers/{name}/revisions/{revision}"): _seen("renderer", ("renderers", "view"), by_sync=True),
    ("GET", "/renderers/{name}/columns"): _SEE_RENDERER,
    # Values of another table, which has environments of its own, or of this one.
    ("GET", "/renderers/{name}/rows:choices"): _seen("renderer", VIEW, EDIT),
    ("GET", "/renderers/{name}/rows"): _SEE_ROWS,
    ("GET", "/renderers/{name}/rows/{key:path}"): _SEE_ROWS,
    ("GET", "/renderers/{name}/history"): _SEE_ROWS,
    ("GET", "/renderers/{name}/preview"): _SEE_ROWS,
    ("POST", "/renderers/{name}/preview"): _SEE_ROWS,
    ("GET", "/renderers/{name}/live"): _SEE_ROWS,
    ("GET", "/renderers/{name}/rows:export"): _SEE_ROWS,
    ("POST", "/renderers/{name}/rows"): _done("rows", VIEW, EDIT),
    ("PATCH", "/renderers/{name}/rows/{key:path}"): _done("rows", VIEW, EDIT),
    ("DELETE", "/renderers/{name}/rows/{key:path}"): _done("rows", VIEW, DELETE),
    ("POST", "/renderers/{name}/rows:batch"): _done("rows", VIEW),
    ("POST", "/renderers/{name}/rows:import"): _done("rows", VIEW, EDIT),
    ("POST", "/renderers/{name:renderer}:impact"): _IMPACT,
    ("POST", "/renderers/{name:renderer}:dry-run"): _IMPACT,
    ("GET", "/renderers/{name}/promotions"): _seen("rows", VIEW),
    ("POST", "/renderers/{name}/promotions"): _done("rows", VIEW),
    ("GET", "/renderers/{name}/promotions:requests"): _seen("rows", VIEW),
    ("POST", "/renderers/{name}/promotions/{number}:approve"): _done("rows", VIEW, ("promotions", "approve")),
    ("POST", "/renderers/{name}/promotions/{number}:refuse"): _done("rows", VIEW),
    ("GET", "/renderers/{name}/rollouts"): _SEE_RENDERER,
    ("GET", "/renderers/{name}/rollouts/{id:segment}"): _SEE_RENDERER,
    ("GET", "/renderers/{name}/rollouts/{id}/rows"): _SEE_ROWS,
    ("POST", "/renderers/{name}/rollouts"): _done("renderer", ("rollouts", "start")),
    ("POST", "/renderers/{name}/rollouts/{id:segment}:pause"): _OPERATE_ROLLOUT,
    ("POST", "/renderers/{name}/rollouts/{id:segment}:resume"): _OPERATE_ROLLOUT,
    ("POST", "/renderers/{name}/rollouts/{id:segment}:abort"): _OPERATE_ROLLOUT,
    ("POST", "/renderers/{name}/rollouts/{id:segment}:rollback"): _OPERATE_ROLLOUT,
    ("GET", "/proposals"): _seen("each", VIEW),
    ("GET", "/proposals/{id:segment}"): _seen("each", VIEW),
    ("POST", "/proposals/{id:segment}:approve"): _done("each", VIEW, APPROVE),
    ("POST", "/proposals/{id:segment}:reject"): _done("each", VIEW, APPROVE),
    ("POST", "/proposals/{id:segment}:withdraw"): _done("each", VIEW),
    ("POST", "/proposals/{id:segment}:renew"): _done("each", VIEW, EDIT),
    ("GET", "/rows:snapshot"): _seen("all", VIEW, by_sync=True),
    ("GET", "/rows:late"): _seen("all", VIEW, by_sync=True),
    ("POST", "/statuses:missed"): _SYNC,
    ("GET", "/access:mine"): _seen("each"),
    ("GET", "/access:explain"): _seen("each"),
    ("GET", "/audit"): _seen("all", ("audit", "view")),
    ("GET", "/healthz"): _OPEN,
    ("GET", "/readyz"): _OPEN,
    ("GET", "/metrics"): _OPEN,
    ("GET", "/dapr/subscribe"): _OPEN,
    ("POST", "/events/sync-status"): _OPEN,
    ("POST", "/events/dead-letters"): _OPEN,
}
