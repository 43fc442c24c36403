"""The API's rules for a configuration, mirrored so that a form can answer at once. crud has the last word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from models import Draft, FieldError

LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
LABEL_LENGTH: Final = 63
URL: Final = re.compile(r"(https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+")
# git-check-ref-format(1), rules 1 to 10, as far as one branch name can break them.
BRANCH_REFUSED: Final = re.compile(r"^[-/.]|/$|\.$|\.\.|//|/\.|\.lock(/|$)|@\{|[\x00-\x20\x7f~^:?*\[\\]|^@$")
PERSON: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")

MESSAGES: Final[Mapping[str, str]] = {
    "required": "Fill this in.",
    "max-length": f"At most {LABEL_LENGTH} characters.",
    "dns-1123-label": "Use a-z, 0-9 and -; begin and end with a letter or digit.",
    "url": "Use a repository URL, such as https://git.example/team/app.git.",
    "git-branch": "Git refuses this as a branch name.",
}


def _label(value: str) -> str | None:
    if len(value) > LABEL_LENGTH:
        return "max-length"
    return None if LABEL.fullmatch(value) else "dns-1123-label"


def _broken_rule(field: str, value: str) -> str | None:
    if not value:
        return "required"
    if field in ("name", "environment"):
        return _label(value)
    if field == "repository_url":
        return None if URL.fullmatch(value) else "url"
    return "git-branch" if BRANCH_REFUSED.search(value) else None


def trimmed(draft: Draft) -> Draft:
    """Return `draft` without the blanks that copying leaves around a value."""
    return Draft(**{field: value.strip() for field, value in vars(draft).items()})


def field_errors(draft: Draft) -> tuple[FieldError, ...]:
    """Return what the API would refuse in `draft`: at most one error a field, in the order of the form."""
    broken = ((field, _broken_rule(field, value)) for field, value in vars(draft).items())
    return tuple(FieldError(field, rule, MESSAGES[rule]) for field, rule in broken if rule)


def is_person(name: str) -> bool:
    """Tell whether `name` can travel in an HTTP header as it is: printable ASCII, at most 200 characters."""
    return len(name) <= 200 and PERSON.fullmatch(name) is not None
