"""Which URL of a Git repository is taken. The dashboard has the same text as a file of its own; a test compares them.

It is published in custom resources, commits and a history that nobody can clear, and others clone from it. So nothing
that is or may hold a credential is in it, nothing that Git could take for an option, and no address that gives
credentials to whoever asks. Loopback and private addresses are allowed: Git servers are there. What a name resolves to
is not asked: that is for the network's policies.
"""

import ipaddress
import re

URL_MAX = 2048

_HOST = r"([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_USER = r"([A-Za-z0-9._~%+-]+@)?"
URL_PATTERN = (
    rf"((https?|ssh|git)://{_USER}{_HOST}(:[0-9]{{1,5}})?/[!-~]+"
    rf"|[A-Za-z0-9._-]+@{_HOST}:[!-.0-~][!-~]*"
    r"|file:///[!-~]+)"
)
"""What the table takes: a Git URL without a password, or `user@host:path`.

It is wider than `check_url`: rows that were there before it stay as they are, are delivered, and can be deleted.
"""

_URL = re.compile(URL_PATTERN)
_ENCODED_CONTROL = re.compile(r"%([01][0-9A-Fa-f]|7[Ff])")
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._~+-]*")
_HOST_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
"""A last label that makes a host an IPv4 address (WHATWG's URL standard, "ends in a number")."""
_MAX_PORT = 65535
_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.100.100.200/32",  # Alibaba's metadata
        "168.63.129.16/32",  # Azure's
        "192.0.0.192/32",  # Oracle's
        "240.0.0.0/4",
        "fd00:ec2::/32",  # Amazon's
        "fd20:ce::254/128",  # Google's
        "fec0::/10",  # site-local, link-local's deprecated kin
    )
)
_EMBEDDING = tuple(ipaddress.ip_network(prefix) for prefix in ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96"))


def why_refused(value: str, files: bool = False) -> str | None:
    """What is wrong with it, as the end of a sentence; None if nothing is. A `file:` URL is taken only with `files`."""
    if not _URL.fullmatch(value):
        return "must be a Git URL (https, http, ssh or git, or user@host:path) without a password"
    if "?" in value or "#" in value:
        return "must have neither query nor fragment: credentials are sent in them"
    if _ENCODED_CONTROL.search(value):
        return "must have no encoded control characters"
    if value.startswith("file:"):
        return None if files else "must not be a file URL, unless ROWCAST_ALLOW_FILE_URLS allows them"
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in ("https", "http", "ssh", "git"):  # user@host:path, whose path may have a "://"
        user, _, rest = value.partition("@")
        host, _, path = rest.partition("]:" if rest.startswith("[") else ":")
        if path.startswith("-"):
            return "must have no path that begins with '-': Git would take it for an option"
        return _why_no_user(user) or _why_no_host(host.lstrip("["))
    authority = rest.partition("/")[0]
    user, _, address = authority.rpartition("@")
    if user and scheme != "ssh":
        return "must have nothing before an '@' in its host: tokens and passwords are sent there"
    host, port = _split(address)
    if port and not 0 < int(port) <= _MAX_PORT:
        return f"must have a port of 1 to {_MAX_PORT}"
    return (_why_no_user(user) if user else None) or _why_no_host(host)


def _split(address: str) -> tuple[str, str]:
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = address.partition(":")
    return host, port


def _why_no_user(user: str) -> str | None:
    if not _LOGIN.fullmatch(user):
        return "must have a plain login before the '@', which begins with a letter, a digit or '_'"
    return None


def _why_no_host(host: str) -> str | None:
    if ":" not in host:
        labels = host.lower().split(".")
        if not all(_HOST_LABEL.fullmatch(label) for label in labels):
            return "must have a host's name, or an IP address"
        if host.lower() in _METADATA_NAMES:
            return "must not be the address of a cloud's metadata"
        if not _NUMERIC.fullmatch(labels[-1]):
            return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "must have an IP address as it is usually written, such as 192.0.2.1 or [2001:db8::1]"
    if any(_is_refused(each) for each in (address, *_embedded(address))):
        return "must not be a link-local, metadata, multicast or reserved address"
    return None


def _embedded(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for: mapped, compatible, 6to4, Teredo, translated."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    mapped = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    low = int(address) & 0xFFFF_FFFF
    if (int(address) >> 32 == 0 and low > 1) or any(address in prefix for prefix in _EMBEDDING):
        mapped.append(ipaddress.IPv4Address(low))
    return [each for each in mapped if each is not None]


def _is_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or any(address in network for network in _REFUSED if network.version == address.version)
    )
