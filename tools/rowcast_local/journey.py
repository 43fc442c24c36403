"""When a change was where, and how that is shown."""

from dataclasses import dataclass

from rich.console import Group
from rich.table import Table

from rowcast_local.assembly import GITOPS_NAMESPACE, NAMESPACE


@dataclass(frozen=True)
class Journey:
    """When a change was where, in milliseconds after it was sent; `captured` is None if crud doesn't tell.

    `carrier` names what captured and carried it. `synced` is None where no `engine` makes commits real. Of the stages
    in `told` the row's status was asked.
    """

    name: str
    generation: int
    created: bool
    saved: float
    captured: float | None
    applied: float
    committed: float
    synced: float | None = None
    engine: str = ""
    carrier: str = "Kafka Connect and Kafka"
    told: frozenset[str] = frozenset()


def report(journey: Journey, dashboard: str) -> Group:
    """What `up` ends with: the journey, the dashboard's URL, and what to try next."""
    return Group(_table(journey), "", _next_steps(dashboard))


def _table(journey: Journey) -> Table:
    verb = "created" if journey.created else "changed"
    table = Table(title=f"{journey.name}, generation {journey.generation}: {verb}, and followed", title_justify="left")
    table.add_column("stage")
    table.add_column("after", justify="right")
    table.add_column("what was seen")
    stages: list[tuple[str, float | None, str]] = [
        ("saved", journey.saved, "the row is in PostgreSQL: crud answered through the dashboard's sidecar"),
        ("captured", journey.captured, f"its change event, by {journey.carrier}, has reached sync"),
        ("applied", journey.applied, f"the custom resource in namespace {NAMESPACE} has this generation"),
        ("committed", journey.committed, "the file at the tip of main has this generation"),
    ]
    if journey.synced is not None:
        seen = f"by {journey.engine}, the custom resource is in {GITOPS_NAMESPACE}, too"
        stages.append(("synced", journey.synced, seen))
    for name, after, looked in stages:
        seen = (
            "its status tells this generation: the target has settings of its own" if name in journey.told else looked
        )
        table.add_row(name, "?" if after is None else f"{after:.0f} ms", seen)
    return table


def _next_steps(dashboard: str) -> str:
    return "\n".join(
        [
            f"Dashboard  {dashboard}",
            "",
            "Try next",
            '  eval "$(./task -s env)"         # KUBECONFIG, ROWCAST_GIT_URL and the rest',
            "  kubectl get ac -A               # the custom resources",
            '  git clone "$ROWCAST_GIT_URL"    # the commits',
        ]
    )
