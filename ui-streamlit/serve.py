"""The dashboard's server: Streamlit's, with checks of the login and of the host before it (`streamlit run serve.py`).

Streamlit says that it is well whatever its secrets look like, and takes any name of a host.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Final

import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config
from streamlit.starlette import App

from login import identity
from login.configured import LOGIN
from shared import brand

LIVE, READY = "/livez", "/readyz"
CLOSED: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>
<body style="font: 16px/1.5 sans-serif; max-width: 40em; margin: 4em auto">
<h1>{name}</h1><p><strong>Nobody can log in.</strong></p><p>{complaint}</p>"""
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1", "[::1]")


class LoginCheckMiddleware:
    """While the login is not as it must be, answers 503 with the reason to everything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection; a websocket that is answered before it is accepted is refused."""
        if scope["type"] in ("http", "websocket"):
            complaint = LOGIN.state().complaint
            if complaint is not None:
                page = CLOSED.format(name=brand.NAME, complaint=html.escape(complaint))
                await HTMLResponse(page, 503, {"retry-after": "10"})(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _live(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def _ready(_: Request) -> JSONResponse:
    complaint = LOGIN.state().complaint
    if complaint is not None:
        return JSONResponse({"status": "not ready", "failures": {"login": complaint}}, status_code=503)
    return JSONResponse({"status": "ready"})


def hosts() -> list[str]:
    """Return the names by which the dashboard may be called: Streamlit's setting, or on the loopback just its own.

    Elsewhere it is any, since a proxy's name is not known. A page of another origin whose name is made to lead to the
    loopback (DNS rebinding) still sends its own name.
    """
    allowed: list[str] = config.get_option("server.allowedHosts")
    if allowed:
        return allowed
    return [*LOCAL_NAMES] if identity.local(st.get_option("server.address")) else ["*"]


LOGIN.state()
dashboard = App(Path(__file__).with_name("app.py"))
checks = [
    Middleware(TrustedHostMiddleware, allowed_hosts=hosts(), www_redirect=False),
    Middleware(LoginCheckMiddleware),
]
# Probes come by the pod's address, and say nothing that is anybody's.
app = Starlette(
    routes=[Route(LIVE, _live), Route(READY, _ready), Mount("/", dashboard, middleware=checks)],
    lifespan=dashboard.lifespan(),
)
