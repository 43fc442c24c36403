"""crud and a sidecar behind one port, with targets that do as they are told, or don't."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

TARGETS = ("k8s", "git")


class FakeCrud:
    """Rows in memory. A target arrives at the `after`-th look at the status, in `behaviour` 'never' not at all."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.gone: set[int] = set()
        self.others: dict[str, dict[str, Any]] = {}
        """Rows of other renderers, by the path that they are asked for by."""
        self.looks = 0
        self.after = 2
        self.behaviour = dict.fromkeys(TARGETS, "arrives")
        self.at_git: list[dict[str, Any]] = []
        """What Git's status has beside the delivery, one a look from the first on, the last one for ever."""
        self.dapr = "1.18.2"
        self.failures: list[int] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    def add_other(self, path: str, generation: int, *, deleted: bool = False, **git: Any) -> None:
        """A row as `/renderers/{name}/rows/{key}` tells of it, delivered to k8s; `git` is what differs there."""
        there = _state("synced", generation, "deleted" if deleted else "configured")
        told = {"generation": generation, "deleted": deleted, "targets": {"k8s": there, "git": there | git}}
        self.others[f"/renderers/{path}"] = told

    def add(self, row_id: int, generation: int = 1, name: str = "a") -> None:
        self.rows[row_id] = {"id": row_id, "generation": generation, "name": name}

    @property
    def paths(self) -> list[str]:
        return [f"{method} {path}" for method, path, _ in self.requests]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if self.failures and path.startswith("/appconfigs"):
            return self.failures.pop(0), {"detail": "told to fail"}
        match method, path:
            case "GET", "/v1.0/healthz/outbound":
                return 204, None
            case "GET", "/v1.0/metadata":
                return 200, {"id": "rowcast-check", "runtimeVersion": self.dapr}
            case "POST", "/v1.0/shutdown":
                return 204, None
            case "GET", "/appconfigs":
                (wanted,) = query["search"]
                return 200, {"items": [row for row in self.rows.values() if wanted in row["name"]]}
            case "POST", "/appconfigs":
                row = {**body, "id": len(self.rows) + 7, "generation": 1}
                self.rows[row["id"]] = row
                return 201, row
        return self._one(method, path, body)

    def _one(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path.startswith("/renderers/"):
            return (200, self.others[path]) if path in self.others else (404, {"detail": "there is no such row"})
        found = re.fullmatch(r"/appconfigs/(\d+)(/status)?", path)
        assert found, path
        row_id = int(found[1])
        if row_id not in self.rows and not (found[2] and row_id in self.gone):
            return 404, {"detail": f"there is no configuration {row_id}"}
        if found[2]:
            self.looks += 1
            targets = {target: self._target(row_id, how) for target, how in self.behaviour.items()}
            targets["git"] |= self.at_git.pop(0) if len(self.at_git) > 1 else (self.at_git or [{}])[0]
            return 200, {"id": row_id, "generation": self.rows.get(row_id, {}).get("generation"), "targets": targets}
        self.looks = 0
        if method == "DELETE":
            self.gone.add(row_id)
            del self.rows[row_id]
            return 204, None
        self.rows[row_id] |= {**body, "generation": self.rows[row_id]["generation"] + 1}
        return 200, self.rows[row_id]

    def _target(self, row_id: int, how: str) -> dict[str, Any]:
        deleted = row_id in self.gone
        generation = 9 if deleted else self.rows[row_id]["generation"]
        if how == "fails":
            return _state("failed", generation, "dead-lettered", error="rejected: no")
        if how == "never" or self.looks < self.after:
            return _state("pending", generation - 1, "configured" if generation > 1 else None)
        return _state("synced", generation, "deleted" if deleted else "configured")


def _state(state: str, generation: int, outcome: str | None, error: str | None = None) -> dict[str, Any]:
    return {"state": state, "observed_generation": generation or None, "outcome": outcome, "error": error}


class Answering(Protocol):
    """What answers behind the port."""

    requests: list[tuple[str, str, dict[str, str]]]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]: ...


@contextmanager
def serving(crud: Answering) -> Iterator[int]:
    """The port it answers at."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length) if length else None
            if body and "json" in self.headers.get("content-type", ""):
                body = orjson.loads(body)
            # A sidecar decodes the path before it passes it on.
            url = urlsplit(unquote(self.path) if "dapr-app-id" in self.headers else self.path)
            if url.path.startswith("/v1/"):
                url = url._replace(path=url.path.removeprefix("/v1"))
            crud.requests.append((self.command, url.path, {key.lower(): value for key, value in self.headers.items()}))
            status, content = crud.answer(self.command, url.path, parse_qs(url.query), body)
            payload = b"" if content is None else orjson.dumps(content)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
