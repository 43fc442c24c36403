"""What leads to one's own machine. The commands ask too, so nothing of a server is imported here."""

import ipaddress

_OWN_DOMAIN = ".localhost"
"""Leads to the loopback everywhere (RFC 6761, section 6.3), so it is nobody's to lead elsewhere."""


def is_loopback(address: str) -> bool:
    """Whether a server that listens at `address` is reached from its own machine only."""
    try:
        return address == "localhost" or ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def is_in_a_domain(host: str) -> bool:
    """Whether a `Host` header (RFC 9110, section 7.2) names a host in a domain: no address, and no single label."""
    name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    name = name.rstrip(".").lower()
    if "." not in name or name.endswith(_OWN_DOMAIN):
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return True
    return False
