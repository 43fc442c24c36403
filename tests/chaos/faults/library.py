"""All faults."""

from __future__ import annotations

from chaos.faults import (
    api_server,
    broker,
    connector,
    engine,
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
        engine,
        broker,
        reconciles,
        hands,
        triggers,
    )
    for fault in module.FAULTS
}
