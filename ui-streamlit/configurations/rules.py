"""The API's rules for a configuration, mirrored so that a form can answer at once. crud has the last word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from client.errors import FieldError
from configurations.models import Draft
from configurations.repository_urls import why_refused

LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
# git-check-ref-format(1), as far as one branch name can break it.
BRANCH_REFUSED: Final = re.compile(
    r"^[-/.]|[/.]\Z|\.\.|//|/\.|\.lock(/|\Z)|@\{|[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|^@\Z"
)
LENGTHS: Final[Mapping[str, int]] = {
    "name": 63,
    "repository_url": 2048,
    "branch": 255,
    "environment": 63,
    "application": 63,
    "person": 200,
}

MESSAGES: Final[Mapping[str, str]] = {
    "required": "Fill this in.",
    "dns-1123-label": "Use a-z, 0-9 and -; begin and end with a letter or digit.",
    "git-branch": "Git refuses this as a branch name.",
}


def _fits(field: str, value: str) -> str | None:
    if field == "branch":
        return "git-branch" if BRANCH_REFUSED.search(value) else None
    return None if LABEL.fullmatch(value) else "dns-1123-label"


def field_error(field: str, value: str) -> FieldError | None:
    """Return what the API would refuse in one field's value, or None."""
    if len(value) > LENGTHS[field]:
        return FieldError(field, "max-length", f"At most {LENGTHS[field]} characters.")
    if field == "repository_url" and value:
        # Whether file URLs are taken is a setting of crud's.
        reason = why_refused(value, files=True)
        return FieldError(field, "url", f"It {reason}.") if reason else None
    if field == "application" and not value:
        return None
    rule = _fits(field, value) if value else "required"
    return FieldError(field, rule, MESSAGES[rule]) if rule else None


def trimmed(draft: Draft) -> Draft:
    """Return `draft` without the blanks that copying leaves around a value."""
    return Draft(**{field: value.strip() for field, value in vars(draft).items()})


def field_errors(draft: Draft) -> tuple[FieldError, ...]:
    """Return what the API would refuse in `draft`: at most one error a field, in the order of the form."""
    errors = (field_error(field, value) for field, value in vars(draft).items())
    return tuple(error for error in errors if error)


def is_person(name: str) -> bool:
    """Tell whether crud takes `name` as a person: printable, at most 200 characters, no blanks around it."""
    return 0 < len(name) <= LENGTHS["person"] and name.isprintable() and name == name.strip()
