"""The token of a login, as far as the dashboard has to understand it: crud judges it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

PREFERRED: Final = ("access", "id")
"""By Streamlit's names: an access token is meant for an API; a login has what `expose_tokens` names."""


def exposed(tokens: object) -> str:
    """Return the token to show to crud, of those that the login exposes; empty if there is none."""
    if not isinstance(tokens, Mapping):
        return ""
    return next((text for name in PREFERRED if isinstance(text := tokens.get(name), str) and text.isascii()), "")


def expires_at(token: str) -> datetime | None:
    """Return until when a token counts by its own word (RFC 7519, section 4.1.4); None if it does not say."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (binascii.Error, ValueError, TypeError, KeyError, OverflowError, OSError):
        return None
