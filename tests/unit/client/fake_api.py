"""crud's API in memory, as far as the commands ask it: the contract in client_contract.py holds it to the real one."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

NOW = "2026-11-29T12:00:00Z"
FIELDS = ("name", "repository_url", "branch", "environment", "application")
KNOWN = {*FIELDS, "id", "generation", "created_at", "updated_at", "updated_by", "updated_by_verified", "sync"}
KNOWN |= {"deleted_at"}
COLUMNS = {"id": "bigint", "slug": "text", "plan": "text", "tags": "text[]"}
NEW = {"state": "pending", "observed_generation": None, "outcome": None, "error": None}


class FakeApi:
    """Configurations, and the rows of a renderer `tenants`; `requests` has what was asked, with its headers."""

    def __init__(self) -> None:
        self.configs: dict[int, dict[str, Any]] = {}
        self.config_history: dict[int, list[dict[str, Any]]] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.row_history: dict[str, list[dict[str, Any]]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.ids = itertools.count(1)
        self.page = 2
        self.token: str | None = None

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if self.token and self.requests[-1][2].get("authorization") != f"Bearer {self.token}":
            said = "the token has expired"
            return 401, {"detail": said, "errors": [{"field": "authorization", "rule": "token", "message": said}]}
        params = {name: values[0] for name, values in query.items()}
        match method, path:
            case "GET", "/appconfigs":
                found = [row for row in self.configs.values() if self._listed(row, params)]
                return 200, self._page([self._config(row) for row in sorted(found, key=lambda r: r["name"])], params)
            case "POST", "/appconfigs:import":
                return self._import_configs(body)
            case "POST", "/appconfigs:batch":
                return self._batch_configs(body["items"])
            case "GET", "/access:mine":
                return 200, {"person": "ada" if self.token else "eve", "verified": bool(self.token)}
            case "GET", "/renderers/tenants/columns":
                columns = [
                    {"name": name, "type": kind, "generated": False, "key": name == "id"}
                    for name, kind in COLUMNS.items()
                ]
                return 200, {"editable": True, "columns": columns}
            case "GET", "/renderers/tenants/rows":
                wanted = [each.partition("=") for each in query.get("filter", [])]
                there = [row for row in self.rows.values() if not row["deleted"]]
                there = there if params.get("environment", "dev") == "dev" else []
                found = [row for row in there if all(str(row["row"][name]) == value for name, _, value in wanted)]
                return 200, self._page(found, params)
            case "GET", "/renderers/tenants/history":
                versions = self.row_history.get(params["key"], [])
                return (200, self._page(versions[::-1], params)) if versions else (404, {"detail": "no such row"})
            case "POST", "/renderers/tenants/rows:import":
                return self._import_rows(body)
            case "POST", "/renderers/tenants/rows:batch":
                return self._batch_rows(body["operations"])
        if found_row := re.fullmatch(r"/renderers/tenants/rows/(.+)", path):
            row = self.rows.get(found_row[1])
            return (200, row) if row else (404, {"detail": f"renderer tenants has no row {found_row[1]}"})
        if found_config := re.fullmatch(r"/appconfigs/(\d+)(/history|/status)?", path):
            return self._one(int(found_config[1]), found_config[2], params)
        return 404, {"detail": "there is no renderer " + path.split("/")[2]}

    def _one(self, row_id: int, part: str | None, params: Mapping[str, str]) -> tuple[int, Any]:
        if part == "/history" and row_id in self.config_history:
            return 200, self._page(self.config_history[row_id][::-1], params)
        row = self.configs.get(row_id)
        if row is None:
            return 404, {"detail": f"there is no configuration {row_id}"}
        return 200, {"generation": row["generation"], "targets": {"k8s": NEW}} if part else row

    def _page(self, found: list[Any], params: Mapping[str, str]) -> dict[str, Any]:
        begin = int(params.get("cursor", 0))
        end = begin + min(self.page, int(params.get("limit", 50)))
        return {"items": found[begin:end], "next_cursor": str(end) if end < len(found) else None, "total": len(found)}

    @staticmethod
    def _listed(row: Mapping[str, Any], params: Mapping[str, str]) -> bool:
        texts = (row["name"], row["repository_url"], row["branch"])
        return params.get("environment", row["environment"]) == row["environment"] and any(
            params.get("search", "") in text for text in texts
        )

    @staticmethod
    def _config(row: Mapping[str, Any]) -> dict[str, Any]:
        return {**row, "sync": {"k8s": NEW, "git": NEW}, "deleted_at": None}

    def _import_configs(self, body: Mapping[str, Any]) -> tuple[int, Any]:
        by_name = {row["name"]: row for row in self.configs.values()}
        lines: list[dict[str, Any]] = []
        for index, given in enumerate(body["rows"]):
            line: dict[str, Any] = {
                "index": index,
                "name": given.get("name", ""),
                "row_id": None,
                "fields": {},
                "errors": [],
            }
            fields = {name: given[name] for name in FIELDS if name in given}
            row = by_name.get(line["name"])
            errors = [_error(name, "unknown-field", "is no column of an export") for name in given.keys() - KNOWN]
            if not re.fullmatch(r"[a-z0-9-]+", line["name"]):
                errors.append(_error("name", "dns-1123-label", "must be a label"))
                line["name"] = line["name"][:63]
            if any(each["name"] == line["name"] for each in lines):
                errors.append(_error("name", "duplicate", "is the name of another row of this import, too"))
            if errors:
                lines.append({**line, "action": "refuse", "errors": errors})
            elif row is None:
                whole = {"branch": "main", **fields}
                lines.append({**line, "action": "create", "fields": {n: [None, v] for n, v in whole.items()}})
            else:
                changed = {n: [row[n], v] for n, v in fields.items() if row[n] != v}
                lines.append(
                    {**line, "action": "change" if changed else "none", "row_id": row["id"], "fields": changed}
                )
        if any(line["action"] == "refuse" for line in lines) and not body.get("dry_run"):
            return 422, {"detail": "some rows are refused; nothing was changed", "lines": lines}
        for line in lines:
            if not body.get("dry_run") and line["action"] in ("create", "change"):
                self._save_config({n: v for n, (_, v) in line["fields"].items()}, line["row_id"])
        return 200, {"lines": lines}

    def _save_config(self, fields: Mapping[str, Any], row_id: int | None) -> None:
        before = self.configs.get(row_id) if row_id else None
        if before is None:
            row_id = next(self.ids)
            fields = {"branch": "main", "application": fields["name"], **fields}
        meta = {"updated_at": NOW, "updated_by": self._who(), "updated_by_verified": False, "created_at": NOW}
        generation = before["generation"] + 1 if before else 1
        after = {**(before or {}), **fields, **meta, "id": row_id, "generation": generation}
        assert row_id is not None
        self.configs[row_id] = after
        self._note(row_id, "updated" if before else "created", generation, before, after)

    def _note(self, row_id: int, change: str, generation: int, before: Any, after: Any) -> None:
        entry = {"change": change, "generation": generation, "changed_at": NOW, "changed_by": self._who()}
        self.config_history.setdefault(row_id, []).append({**entry, "before": before, "after": after})

    def _who(self) -> str:
        return self.requests[-1][2]["x-rowcast-user"]

    def _batch_configs(self, items: list[dict[str, Any]]) -> tuple[int, Any]:
        for index, item in enumerate(items):
            row = self.configs.get(item.get("id", 0))
            if row and item.get("generation", row["generation"]) != row["generation"]:
                said = f"is {row['generation']} now, not {item['generation']}"
                return 412, {
                    "detail": "refused",
                    "errors": [{"index": index, **_error("generation", "generation", said)}],
                }
        for item in items:
            if item["action"] == "delete":
                gone = self.configs.pop(item["id"])
                self._note(item["id"], "deleted", gone["generation"] + 1, gone, None)
            else:
                self._save_config(item["config"], item.get("id"))
        return 200, {"items": [None for _ in items]}

    def _import_rows(self, body: Mapping[str, Any]) -> tuple[int, Any]:
        lines: list[dict[str, Any]] = []
        for index, given in enumerate(body["rows"]):
            key = str(given["id"]) if given.get("id") is not None else str(len(self.rows) + 100 + index)
            row = self.rows.get(key)
            line: dict[str, Any] = {"index": index, "key": key, "fields": {}, "errors": []}
            unknown = [_error(name, "unknown-field", "is no column of the table") for name in given.keys() - {*COLUMNS}]
            if unknown:
                lines.append({**line, "key": "", "action": "refuse", "errors": unknown})
            elif row is None or row["deleted"]:
                lines.append({**line, "action": "create", "fields": {n: [None, v] for n, v in given.items() if v}})
            else:
                changed = {n: [row["row"].get(n), v] for n, v in given.items() if row["row"].get(n) != v and n != "id"}
                lines.append({**line, "action": "change" if changed else "none", "fields": changed})
        if any(line["action"] == "refuse" for line in lines) and not body.get("dry_run"):
            return 422, {"detail": "some rows are refused; nothing was changed", "lines": lines}
        for line in lines:
            if not body.get("dry_run") and line["action"] in ("create", "change"):
                self._save_row(line["key"], {n: v for n, (_, v) in line["fields"].items()})
        return 200, {"lines": lines}

    def _save_row(self, key: str, values: Mapping[str, Any] | None) -> None:
        before = self.rows.get(key)
        base = before["row"] if before and not before["deleted"] else dict.fromkeys(COLUMNS) | {"id": json.loads(key)}
        row = base if values is None else {**base, **values}
        kept = {
            "renderer": "tenants",
            "key": key,
            "generation": (before["generation"] if before else 0) + 1,
            "revision": 1,
            "deleted": values is None,
            "row": row,
            "actor": self._who(),
            "actor_verified": False,
            "changed_at": NOW,
        }
        self.rows[key] = {**kept, "targets": {"k8s": NEW, "git": NEW}}
        self.row_history.setdefault(key, []).append(kept)

    def _batch_rows(self, operations: list[dict[str, Any]]) -> tuple[int, Any]:
        for index, each in enumerate(operations):
            row = self.rows.get(each.get("key") or "")
            if row and each.get("generation", row["generation"]) != row["generation"]:
                said = f"is {row['generation']} now, not {each['generation']}"
                return 412, {
                    "detail": "refused",
                    "errors": [{"index": index, **_error("generation", "generation", said)}],
                }
        for each in operations:
            key = each.get("key") or str(each["values"].get("id", len(self.rows) + 100))
            self._save_row(key, None if each["op"] == "delete" else each["values"])
        return 200, {"items": [None for _ in operations]}


def _error(field: str, rule: str, message: str) -> dict[str, str]:
    return {"field": field, "rule": rule, "message": message}
