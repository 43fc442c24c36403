"""What a configuration's fields must satisfy.

The same patterns are written out in the migrations as constraints (a migration never changes, so it imports
nothing from here); a test on a real database holds the two together.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from rowcast.core.repository_urls import URL_MAX, why_refused

LABEL_MAX = 63
BRANCH_MAX = 255
USER_MAX = 200

LABEL_PATTERN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
"""A DNS label (RFC 1123, section 2.1), lower case as Kubernetes wants it."""

BRANCH_FORBIDDEN_PATTERN = (
    r"[\x01-\x20\x7f~^:?*\[\\]"  # characters that git forbids
    r"|\.\.|@\{|//"
    r"|^[-/.]|[/.]$|/\.|\.lock(/|$)|^@$"
)
"""What makes a branch's name invalid; the rules of git-check-ref-format(1)."""


@dataclass(frozen=True)
class BrokenRule:
    """Which rule a value breaks: a stable word for machines and a sentence for people."""

    rule: str
    message: str


Check = Callable[[str], BrokenRule | None]

_LABEL = re.compile(LABEL_PATTERN)
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a pair, which UTF-8 can't hold."""
_BRANCH_FORBIDDEN = re.compile(BRANCH_FORBIDDEN_PATTERN.replace("$", r"\Z"))


def check_label(value: str) -> BrokenRule | None:
    """A DNS-1123 label of at most 63 characters."""
    if len(value) > LABEL_MAX:
        return _too_long(LABEL_MAX)
    if not _LABEL.fullmatch(value):
        return BrokenRule(
            "dns-1123-label",
            "must consist of lower-case letters, digits and '-', and start and end with one of the former",
        )
    return None


def check_url(value: str, files: bool = False) -> BrokenRule | None:
    """A Git repository's URL of at most 2048 characters; a `file:` URL only with `files`."""
    if len(value) > URL_MAX:
        return _too_long(URL_MAX)
    reason = why_refused(value, files)
    return None if reason is None else BrokenRule("url", reason)


def check_branch(value: str) -> BrokenRule | None:
    """A branch's name that git accepts, of at most 255 characters."""
    if len(value) > BRANCH_MAX:
        return _too_long(BRANCH_MAX)
    if not value or "\x00" in value or _SURROGATE.search(value) or _BRANCH_FORBIDDEN.search(value):
        return BrokenRule("git-branch", "must be a branch name that git accepts (git check-ref-format)")
    return None


def check_user(value: str) -> BrokenRule | None:
    """A person's name or address, printable, of at most 200 characters."""
    if len(value) > USER_MAX:
        return _too_long(USER_MAX)
    if not value.isprintable():
        return BrokenRule("printable", "must consist of printable characters")
    return None


def _too_long(limit: int) -> BrokenRule:
    return BrokenRule("max-length", f"must have at most {limit} characters")
