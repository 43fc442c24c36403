"""All faults."""

from __future__ import annotations

from chaos.faults import (
    api_server,
    connector,
    events,
    foreign_files,
    git,
    hands,
    instances,
    links,
    processes,
    reconciles,
    triggers,
)
from chaos.faults.fault import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for module in (
        processes,
        links,
        api_server,
        git,
        foreign_files,
        events,
        instances,
        connector,
        reconciles,
        hands,
        triggers,
    )
    for fault in module.FAULTS
}
