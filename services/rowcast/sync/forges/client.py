"""Talks to a forge's API: the token, and what an answer that is none means to the person who has to act."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from rowcast.core.errors import TransientError

TIMEOUT = httpx.Timeout(30, connect=10)
_SECONDS = re.compile(r"[0-9]{1,12}")
_WORDS = 300
"""Characters of a forge's own message that are passed on."""
_ADVICE = {
    401: "the token is wrong, expired or revoked: put a new one in its file, it is read anew each time",
    403: "the token lacks a permission: it has to read and write pull requests of the repository",
    404: "is the repository named right, and may the token see it?",
}


class ForgeError(TransientError):
    """A forge didn't answer, or refused. The text has its words. `status` is the HTTP status, 0 without an answer."""

    def __init__(self, message: str, *, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.status = status


class ForgeClient:
    """JSON over HTTP with a token that may change at any time. `url` is the API's base, without a slash at its end."""

    def __init__(
        self,
        url: str,
        token_file: Path,
        headers: Mapping[str, str],
        authorization: tuple[str, str],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._token_file = token_file
        self._header, self._scheme = authorization
        self._host = httpx.URL(url).host
        self._client = httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT, transport=transport)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def call(
        self, method: str, path: str, json: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """The answer's JSON. Raises ForgeError for anything but success."""
        headers = {self._header: f"{self._scheme}{self._token()}"}
        try:
            answer = await self._client.request(method, path, json=json, params=params, headers=headers)
        except httpx.HTTPError as error:
            raise ForgeError(f"{self._host} does not answer: {str(error) or type(error).__name__}") from error
        if not answer.is_success:
            raise self._refusal(answer)
        try:
            return answer.json() if answer.content else None
        except (ValueError, RecursionError) as error:
            raise ForgeError(f"{self._host} answered {method} {path} with something else than JSON") from error

    def _token(self) -> str:
        try:
            token = self._token_file.read_text().strip()
        except (OSError, ValueError) as error:
            raise ForgeError(f"the forge's token cannot be read: {error}") from error
        if not token or not token.isascii() or not token.isprintable():
            raise ForgeError(f"there is no token in {self._token_file}")
        return token

    def _refusal(self, answer: httpx.Response) -> ForgeError:
        pause = _retry_after(answer.headers)
        advice = _ADVICE.get(answer.status_code)
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or pause is not None:
            advice = "it asks for a pause" + (f" of {pause:.0f} s" if pause is not None else "")
        words = _said(answer)
        text = f"{self._host} answered {answer.status_code}" + (f" ({words})" if words else "")
        return ForgeError(
            f"{text}: {advice}" if advice else text,
            status=answer.status_code,
            retry_after=pause,
        )


def _said(answer: httpx.Response) -> str:
    """The forge's own words: all three put them under `message`, GitLab some under `error`."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return " ".join(answer.text.split())[:_WORDS] if "html" not in answer.headers.get("content-type", "") else ""
    if not isinstance(body, dict):
        return str(body)[:_WORDS]
    message = body.get("message") or body.get("error_description") or body.get("error") or ""
    details = body.get("errors") or ()
    told = [*(_detail(one) for one in (message if isinstance(message, list) else [message])), *map(_detail, details)]
    return "; ".join(part for part in told if part)[:_WORDS]


def _detail(error: object) -> str:
    return str(error.get("message") or error.get("code") or "") if isinstance(error, dict) else str(error)


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds that the forge asks to wait (RFC 9110, 10.2.3); GitHub may tell it as the time when its count begins
    again, and only that.
    """
    value = headers.get("retry-after", "")
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        pass
    if headers.get("x-ratelimit-remaining") == "0" and _SECONDS.fullmatch(headers.get("x-ratelimit-reset", "")):
        return max(0.0, float(headers["x-ratelimit-reset"]) - datetime.now(UTC).timestamp())
    return None
