"""What a person would do after a fault that change capture can't see through: the commands of the how-to pages."""

from __future__ import annotations

import httpx

from chaos.arena import Arena
from chaos.verdict import wait

TARGETS = ("k8s", "git")


def reconcile(arena: Arena, *targets: str) -> None:
    """`rowcast reconcile --target …`, until it has gone through. Raises AssertionError if it never does."""
    for target in targets or TARGETS:
        assert not (why := wait(lambda target=target: _reconcile(arena, target), 60)), why  # type: ignore[misc]


def _reconcile(arena: Arena, target: str) -> list[str]:
    url = arena.world.env[f"ROWCAST_SYNC_{target.upper()}_URL"]
    with httpx.Client(base_url=url, timeout=70, trust_env=False) as http:
        answer = http.post("/reconcile", json={"wait_seconds": 60, "prune_limit": 1})
    if answer.status_code != httpx.codes.OK:
        return [answer.text]
    run = answer.json()
    return [] if run["state"] == "done" else [str(run["error"])]
