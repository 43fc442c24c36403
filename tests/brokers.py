"""Which platforms the tests run on, and which part plays which role on each of them."""

from __future__ import annotations

from typing import Any

import pytest

from rowcast_local.broker import PART_OF
from rowcast_local.platform import Platform

KAFKA, ENGINE = "kafka", "engine"
PLATFORMS: dict[str, dict[str, Any]] = {
    KAFKA: {},
    "redis": {"broker": "redis"},
    "rabbitmq": {"broker": "rabbitmq"},
    "jetstream": {"broker": "jetstream"},
    ENGINE: {"broker": "kafka", "capture": "engine"},
}
"""What a platform is started with, by the name that a test's id has; the first one's is in none."""

BESIDE_THE_API_SERVER = (
    *("postgres", "kafka", "connect", "connector", "crud", "sync-k8s", "sync-git", "ui"),
    *("crud-dapr", "sync-k8s-dapr", "sync-git-dapr", "ui-dapr"),
)
"""All parts of Kafka's platform but etcd and the API server."""

ROLES = {"broker": tuple(PART_OF.values()), "capture": ("connect", "capture")}
"""The parts of which a platform has one, by role."""

MARKER = "platforms(*names): the test runs on each of these platforms (tests/brokers.py); without it, on Kafka's"
on_every_broker = pytest.mark.platforms(KAFKA, "redis", "rabbitmq", "jetstream")
on_every_platform = pytest.mark.platforms(*PLATFORMS)
on_every_other = pytest.mark.platforms(*(name for name in PLATFORMS if name != KAFKA))
"""Where something else breaks Kafka's in the same way (tests/chaos)."""


def part(platform: Platform, role: str) -> str | None:
    """The part that plays `role` on this platform; every part plays its own, too. None if there is nobody."""
    return next((name for name in ROLES.get(role, (role,)) if name in platform.parts), None)


def parts(platform: Platform, *roles: str) -> list[str]:
    """The parts that play these roles, without those that this platform doesn't have."""
    return [name for role in roles if (name := part(platform, role))]


def name_of(nodeid: str) -> str:
    """The platform that a test's id names."""
    _, _, parameters = nodeid.rstrip("]").partition("[")
    return next((name for name in PLATFORMS if name != KAFKA and name in parameters.split("-")), KAFKA)
