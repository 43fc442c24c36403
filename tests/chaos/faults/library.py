"""All faults."""

from __future__ import annotations

from chaos.faults import api_server, connector, events, git, instances, links, processes, reconciles
from chaos.faults.fault import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for module in (processes, links, api_server, git, events, instances, connector, reconciles)
    for fault in module.FAULTS
}
