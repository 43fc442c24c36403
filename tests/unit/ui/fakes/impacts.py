"""What a declaration would do to rows, as the API's contract has it: for tests, and to design against."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from client.errors import RefusedError
from impact.models import (
    Answer,
    Collision,
    DryRun,
    Example,
    Group,
    Impact,
    RefusedManifest,
    Setting,
    Unrendered,
)
from renderers.models import Problem

REFUSED = "Forbidden: pods may not be more than 10 in this Namespace"
NOTHING = Impact("tenants", 3, False, "", 1980, 0, 0, 0, {"unchanged": 5940}, collisions_looked_for_among=5940)
MUCH = Impact(
    renderer="tenants",
    revision=3,
    captured_anew=False,
    token="",
    rows=1980,
    changed_rows=1204,
    failed_rows=2,
    recovered_rows=1,
    objects={"made": 0, "removed": 4, "retained": 0, "moved": 12, "changed": 1192, "unchanged": 4732},
    groups=(
        Group(
            "moved",
            "Namespace",
            "namespace",
            "metadata.name",
            "changed",
            {"varies": True},
            {"varies": True},
            12,
            12,
            (Example("17", "Namespace acme-eu → Namespace eu-acme", {"before": "acme-eu", "after": "eu-acme"}),),
        ),
        Group("removed", "ConfigMap", "settings", "", "", None, None, 4, 4, (Example("5", "ConfigMap tiny/settings"),)),
        Group(
            "changed",
            "ResourceQuota",
            "quota",
            'spec.hard["requests.cpu"]',
            "changed",
            {"value": "4"},
            {"value": "8"},
            1192,
            1192,
            (Example("1", "ResourceQuota acme/quota", {"before": "4", "after": "8"}),),
            DryRun(3, (RefusedManifest("1", "", REFUSED),)),
        ),
        Group(
            "changed",
            "Namespace",
            "namespace",
            "metadata.labels.tier",
            "set",
            None,
            {"varies": True},
            900,
            900,
            (Example("1", "Namespace acme", {"after": "team"}), Example("2", "Namespace tiny", {"after": "free"})),
            DryRun(3),
        ),
    ),
    more_changes=7,
    settings=(Setting("quota", "delete", None, "retain"),),
    errors=(Unrendered(Problem("spec.name", "row.slug[0]", "no such overload"), 2, 1, ("8", "9")),),
    collisions=(Collision("Namespace acme", "default", ("1", "30")),),
    collisions_looked_for_among=5940,
)


@dataclass
class FakeImpacts:
    """What is seen of whatever is asked for, and what was asked for."""

    impact: Impact = MUCH
    problems: tuple[Problem, ...] = ()
    refusal: RefusedError | None = None
    asked: list[tuple[str | None, int | None]] = field(default_factory=list)
    dry_runs: int = 0

    def answer(self, text: str | None, revision: int | None, stored: str) -> Answer:
        """Return it for a text, or for the text of a revision, with its token; or raise what is refused."""
        self.asked.append((text, revision))
        if self.refusal:
            raise self.refusal
        if self.problems:
            return Answer(None, self.problems)
        digest = hashlib.sha256((stored if text is None else text).encode()).hexdigest()
        impact = replace(self.impact, token=f"{digest}.3.1980.1795948800.123456")
        return Answer(impact, markdown=f"### Impact on `tenants`\n\ntoken: `{impact.token}`")
