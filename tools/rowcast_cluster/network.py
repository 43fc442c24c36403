"""The addresses of a cluster, and the pair of interfaces by which this machine and its node reach one another."""

import ipaddress
import json
from dataclasses import dataclass

from rowcast_cluster.commands import run
from rowcast_cluster.errors import ClusterError

CLUSTERS = 64
LINKS, PODS, SERVICES = (ipaddress.IPv4Network(f"10.{second}.0.0/16") for second in (230, 231, 232))
NODE_INTERFACE = "node"


@dataclass(frozen=True)
class Network:
    """The `index`th cluster of this machine: no two have an address in common."""

    index: int

    @property
    def interface(self) -> str:
        """This machine's end; who has it has the index."""
        return f"rowcast{self.index}"

    @property
    def link(self) -> ipaddress.IPv4Network:
        """The four addresses between this machine and the node."""
        return _share(LINKS, 30, self.index)

    @property
    def host(self) -> str:
        """This machine, as the node sees it."""
        return str(self.link[1])

    @property
    def node(self) -> str:
        """The node, as this machine and every pod see it."""
        return str(self.link[2])

    @property
    def pods(self) -> ipaddress.IPv4Network:
        """Every pod has one of these."""
        return _share(PODS, 22, self.index)

    @property
    def services(self) -> ipaddress.IPv4Network:
        """Every service has one of these."""
        return _share(SERVICES, 22, self.index)

    @property
    def api_service(self) -> str:
        """The API server, as pods see it."""
        return str(self.services[1])

    @property
    def dns_service(self) -> str:
        """The name server, as pods see it."""
        return str(self.services[10])


def connect(process: int) -> Network:
    """Gives the network namespace of `process` an interface, and this machine the other end with routes through it.

    All of it goes with the namespace. Raises ClusterError if there is no room left.
    """
    taken = _routes()
    for index in range(CLUSTERS):
        network = Network(index)
        if not any(network.link.overlaps(route) or network.pods.overlaps(route) for route in taken) and _link(
            network, process
        ):
            run("ip", "address", "add", f"{network.host}/30", "dev", network.interface)
            run("ip", "link", "set", network.interface, "up")
            for far in (network.pods, network.services):
                run("ip", "route", "add", str(far), "via", network.node, "dev", network.interface)
            return network
    raise ClusterError(f"no room for another cluster: this machine has routes to all of {LINKS} and {PODS}")


def _link(network: Network, process: int) -> bool:
    ends = (network.interface, "type", "veth", "peer", "name", NODE_INTERFACE, "netns", str(process))
    try:
        run("ip", "link", "add", *ends)
    except ClusterError as error:
        if "File exists" in str(error):
            return False
        raise
    return True


def _routes() -> list[ipaddress.IPv4Network]:
    found = json.loads(run("ip", "-json", "-4", "route", "show", "table", "all"))
    return [ipaddress.IPv4Network(route["dst"]) for route in found if route["dst"][:1].isdigit()]


def _share(whole: ipaddress.IPv4Network, length: int, index: int) -> ipaddress.IPv4Network:
    first = int(whole.network_address) + index * 2 ** (32 - length)
    return ipaddress.IPv4Network((first, length))
