"""Logging in at an issuer of OpenID Connect by the device flow (RFC 8628), and refreshing its token (RFC 6749).

Authlib has the device flow for servers only; for a public client it is two forms.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from rowcast.core.errors import RowcastError, TransientError
from rowcast.runtime.loopback import is_loopback

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_DISCOVERY = "/.well-known/openid-configuration"
_SECONDS = 15.0


class LoginError(RowcastError):
    """The issuer lets nobody in this way; the text says why, and what to do."""


class Issuer:
    """An issuer's endpoints, discovered when they are needed; a public client, without a secret."""

    def __init__(self, url: str, client_id: str, *, transport: httpx.BaseTransport | None = None) -> None:
        """Raises LoginError for an URL that a token would leave in the clear."""
        if not is_safe(url):
            raise LoginError(f"the issuer {url} has to be an https URL (http on this machine only)")
        self._url, self._client_id, self._transport = url.rstrip("/"), client_id, transport
        self._endpoints: Mapping[str, Any] = {}

    def log_in(
        self,
        scope: str,
        audience: str | None,
        tell: Callable[[str, str], None],
        pause: Callable[[float], None] = time.sleep,
    ) -> dict[str, Any]:
        """The token (RFC 6749, section 5.1, with `expires_at`), once somebody has said yes in a browser.

        `tell` gets the page and the code to type there. Raises LoginError and TransientError.
        """
        endpoint = self._endpoint("device_authorization_endpoint")
        asked = {"client_id": self._client_id, "scope": scope, **({"audience": audience} if audience else {})}
        begun = self._post(endpoint, asked)
        if "device_code" not in begun:
            raise LoginError(f"{self._url} begins no login: {_reason(begun)}")
        page = begun.get("verification_uri_complete") or begun["verification_uri"]
        tell(str(page), str(begun["user_code"]))
        interval, left = float(begun.get("interval") or 5), float(begun.get("expires_in") or 600)
        while left > 0:
            pause(interval)
            left -= interval
            token = self._token(grant_type=DEVICE_CODE, device_code=begun["device_code"])
            match token.get("error"):
                case None:
                    return token
                case "authorization_pending":
                    continue
                case "slow_down":
                    interval += 5  # RFC 8628, section 3.5
                case "expired_token":
                    break
                case _:
                    raise LoginError(f"{self._url} refuses the login: {_reason(token)}")
        raise LoginError("nobody has confirmed the login in time: run `rowcast login` again")

    def refresh(self, token: Mapping[str, Any]) -> dict[str, Any]:
        """A fresh one. Raises LoginError where the login has ended, and TransientError."""
        if not token.get("refresh_token"):
            raise LoginError("the login has expired, and the issuer gave nothing to refresh it: run `rowcast login`")
        fresh = self._token(grant_type="refresh_token", refresh_token=token["refresh_token"])
        if "error" in fresh:
            raise LoginError(f"the login has ended ({_reason(fresh)}): run `rowcast login`")
        kept = {name: token[name] for name in ("refresh_token", "id_token") if name in token}
        return kept | fresh

    def _endpoint(self, name: str) -> str:
        if not self._endpoints:
            with self._http() as http:
                answer = _asked(lambda: http.get(self._url + _DISCOVERY), self._url)
            if answer.is_error:
                raise LoginError(f"{self._url}{_DISCOVERY} answers {answer.status_code}: is this an OpenID issuer?")
            self._endpoints = _json(answer)
        found = str(self._endpoints.get(name) or "")
        if not found:
            raise LoginError(
                f"{self._url} has no {name}: it does not know this way to log in. Set ROWCAST_TOKEN or"
                " ROWCAST_TOKEN_FILE instead"
            )
        if not is_safe(found):
            raise LoginError(f"{self._url} names an endpoint without https: {found}")
        return found

    def _token(self, **form: Any) -> dict[str, Any]:
        """The answer of the token's endpoint with `expires_at` (seconds since 1970), or an OAuth error."""
        answer = self._post(self._endpoint("token_endpoint"), {"client_id": self._client_id, **form})
        if "error" in answer:
            return answer
        if not answer.get("access_token"):
            raise LoginError(f"{self._url} gives no token: {_reason(answer)}")
        return answer | ({"expires_at": time.time() + float(answer["expires_in"])} if "expires_in" in answer else {})

    def _post(self, url: str, form: Mapping[str, Any]) -> dict[str, Any]:
        with self._http() as http:
            answer = _asked(lambda: http.post(url, data=dict(form), headers={"accept": "application/json"}), self._url)
        if answer.status_code >= 500:
            raise TransientError(f"{self._url} answers {answer.status_code}: try again")
        return _json(answer)

    def _http(self) -> httpx.Client:
        return httpx.Client(timeout=_SECONDS, transport=self._transport, follow_redirects=False)


def is_safe(url: str) -> bool:
    """Whether a token may go there: by https, or not beyond this machine or the cluster's own network."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    inside = is_loopback(host) or "." not in host or host.endswith((".svc", ".svc.cluster.local", ".localhost"))
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and inside))


def _asked(ask: Callable[[], httpx.Response], url: str) -> httpx.Response:
    try:
        return ask()
    except httpx.TransportError as error:
        raise TransientError(f"{url} cannot be reached: {str(error) or type(error).__name__}") from error


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise LoginError(f"{answer.request.url} answers {answer.status_code} without JSON")
    return content


def _reason(answer: Mapping[str, Any]) -> str:
    return str(answer.get("error_description") or answer.get("error") or "it does not say why")
