"""A forge's API in memory, which takes and gives only what the forge's published description allows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import yaml
from jsonschema import Draft202012Validator

Handler = Callable[[Mapping[str, str], Mapping[str, str], Any], tuple[int, Any]]
"""Takes path parameters, query and body; returns status and body."""


class Described:
    """`handlers` by operation id. Whatever breaks the description fails the test; `token` is the one that is valid."""

    def __init__(self, description: str, prefix: str, handlers: Mapping[str, Handler], token: str) -> None:
        self._description = yaml.safe_load(Path(__file__).with_name(description).read_text())
        self._prefix = prefix
        self._handlers = handlers
        self.token = token
        self.asked: list[str] = []

    def transport(self) -> httpx.MockTransport:
        """What stands for the network."""
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        assert path.startswith(self._prefix), path
        template, found = self._path(path.removeprefix(self._prefix))
        operation = template.get(request.method.lower())
        assert operation is not None, f"{request.method} {path} is not described"
        self.asked.append(operation["operationId"])
        if not self._authorized(request):
            return httpx.Response(401, json={"message": "Bad credentials"})
        self._judge_query(operation, request.url.params)
        body = self._judge_body(operation, request)
        status, answer = self._handlers[operation["operationId"]](found, dict(request.url.params), body)
        response = operation["responses"][str(status)]
        self._validate(answer, response["content"]["application/json"]["schema"])
        return httpx.Response(status, json=answer)

    def _path(self, path: str) -> tuple[dict[str, Any], dict[str, str]]:
        for template, operations in self._description["paths"].items():
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
            match = re.fullmatch(pattern, path)
            if match:
                return operations, {name: unquote(value) for name, value in match.groupdict().items()}
        raise AssertionError(f"no path for {path} is described")

    def _authorized(self, request: httpx.Request) -> bool:
        (scheme,) = self._description["components"]["securitySchemes"].values()
        if scheme["type"] == "http":
            return bool(request.headers.get("authorization") == f"Bearer {self.token}")
        return bool(request.headers.get(scheme["name"]) == self.token)

    def _judge_query(self, operation: Mapping[str, Any], query: httpx.QueryParams) -> None:
        known = {one["name"]: one["schema"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        for name, text in query.items():
            assert name in known, f"{name} is no parameter of {operation['operationId']}"
            value = int(text) if known[name]["type"] == "integer" else text
            self._validate(value, known[name])

    def _judge_body(self, operation: Mapping[str, Any], request: httpx.Request) -> Any:
        described = operation.get("requestBody")
        if described is None:
            assert not request.content
            return None
        assert request.headers["content-type"] == "application/json"
        body = json.loads(request.content)
        self._validate(body, described["content"]["application/json"]["schema"])
        return body

    def _validate(self, value: Any, schema: Mapping[str, Any]) -> None:
        whole = {"components": self._description["components"], **schema}
        Draft202012Validator(whole).validate(value)
