"""Forges with one repository: a real Gitea, GitHub and GitLab as they are described."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from gitea_server import GiteaRepository
from rowcast.sync.forges.gitea import Gitea
from rowcast.sync.forges.github import GitHub
from rowcast.sync.forges.gitlab import GitLab
from rowcast.sync.forges.port import Forge

from .described import Described, Handler


class ForgePlace(Protocol):
    """A repository at a forge, as people use it. Rowcast's account is `rowcast`, the other person's `bob`."""

    def forge(self, repository: str = "") -> Forge:
        """An adapter to the repository, or to another one that is not there."""
        ...

    def branch(self, name: str) -> None:
        """Have a branch that differs from main."""
        ...

    def merge(self, number: int) -> None:
        """Bob merges a request."""
        ...

    def close(self, number: int) -> None:
        """Bob closes a request."""
        ...

    def comments(self, number: int) -> list[str]:
        """What was said at a request."""
        ...

    def new_token(self) -> None:
        """The token that was valid is not any more; another one is, and no file has it yet."""
        ...

    def hand_out(self) -> None:
        """Write the valid token to the file."""
        ...


class GiteaPlace:
    """Real."""

    def __init__(self, repository: GiteaRepository, token_file: Path) -> None:
        self._repository, self._file = repository, token_file
        self._token = repository.server.token("rowcast")
        self.hand_out()

    def forge(self, repository: str = "") -> Forge:
        path = repository or f"{self._repository.owner}/{self._repository.name}"
        return Gitea(f"{self._repository.server.url}/api/v1", path, self._file)

    def branch(self, name: str) -> None:
        given = {"content": "", "message": "Something", "branch": "main", "new_branch": name}
        self._repository.ask("POST", f"/contents/{name}.txt", json=given)

    def merge(self, number: int) -> None:
        self._repository.merge(number)

    def close(self, number: int) -> None:
        self._repository.close(number)

    def comments(self, number: int) -> list[str]:
        return [one["body"] for one in self._repository.ask("GET", f"/issues/{number}/comments")]

    def new_token(self) -> None:
        self._repository.server.revoke_tokens("rowcast")
        self._token = self._repository.server.token("rowcast")

    def hand_out(self) -> None:
        self._file.write_text(self._token)


class _InMemory:
    """What GitHub and GitLab have in common: requests by number, who did what, what was said."""

    def __init__(self, token_file: Path) -> None:
        self._file = token_file
        self._tokens = count(1)
        self._requests: dict[int, dict[str, Any]] = {}
        self._said: dict[int, list[str]] = {}
        self._described: Described

    def branch(self, name: str) -> None:
        pass

    def merge(self, number: int) -> None:
        self._requests[number] |= {"state": "merged", "by": "bob"}

    def close(self, number: int) -> None:
        self._requests[number] |= {"state": "closed", "by": "bob"}

    def comments(self, number: int) -> list[str]:
        return self._said.get(number, [])

    def new_token(self) -> None:
        self._described.token = f"token-{next(self._tokens)}"

    def hand_out(self) -> None:
        self._file.write_text(self._described.token + "\n")

    def _open(self, head: str, base: str, title: str, body: str) -> int | None:
        for one in self._requests.values():
            if (one["head"], one["base"], one["state"]) == (head, base, "open"):
                return None
        number = len(self._requests) + 1
        given = {"head": head, "base": base, "title": title, "body": body or None}
        self._requests[number] = {"number": number, "state": "open", "by": None, **given}
        return number

    def _matching(self, head: str, base: str, states: set[str]) -> list[dict[str, Any]]:
        found = [one for one in self._requests.values() if (one["head"], one["base"]) == (head, base)]
        return [one for one in reversed(found) if one["state"] in states]


class GitHubPlace(_InMemory):
    """As described in `github.yaml`."""

    def __init__(self, token_file: Path) -> None:
        super().__init__(token_file)
        handlers: dict[str, Handler] = {
            "pulls/list": self._list,
            "pulls/create": self._create,
            "pulls/get": lambda path, _query, _body: (200, self._pull(int(path["pull_number"]))),
            "pulls/update": self._update,
            "issues/get": self._issue,
            "issues/create-comment": self._comment,
        }
        self._described = Described("github.yaml", "", handlers, "token-0")
        self.hand_out()

    def forge(self, repository: str = "") -> Forge:
        transport = self._described.transport()
        return GitHub("https://api.github.com", repository or "acme/deployment", self._file, transport)

    def _list(self, path: Mapping[str, str], query: Mapping[str, str], _body: Any) -> tuple[int, Any]:
        if path["repo"] != "deployment":
            return 404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}
        owner, _, head = query["head"].partition(":")
        assert owner == "acme"
        states = {"open": {"open"}, "closed": {"closed", "merged"}, "all": {"open", "closed", "merged"}}[query["state"]]
        found = self._matching(head, query["base"], states)[: int(query["per_page"])]
        more = ("merged", "mergeable", "merged_by")
        listed = [self._pull(one["number"]) for one in found]
        return 200, [{name: value for name, value in one.items() if name not in more} for one in listed]

    def _create(self, _path: Mapping[str, str], _query: Mapping[str, str], body: Any) -> tuple[int, Any]:
        number = self._open(body["head"], body["base"], body["title"], body["body"])
        if number is None:
            error = {"resource": "PullRequest", "code": "custom"}
            error["message"] = f"A pull request already exists for acme:{body['head']}."
            url = "https://docs.github.com/rest/pulls/pulls#create-a-pull-request"
            return 422, {"message": "Validation Failed", "errors": [error], "documentation_url": url}
        return 201, self._pull(number)

    def _update(self, path: Mapping[str, str], _query: Mapping[str, str], body: Any) -> tuple[int, Any]:
        number = int(path["pull_number"])
        self._requests[number] |= body | ({"by": "rowcast"} if "state" in body else {})
        return 200, self._pull(number)

    def _issue(self, path: Mapping[str, str], _query: Mapping[str, str], _body: Any) -> tuple[int, Any]:
        one = self._requests[int(path["issue_number"])]
        closed = one["state"] != "open"
        return 200, {
            "number": one["number"],
            "state": "closed" if closed else "open",
            "title": one["title"],
            "user": _github_user("rowcast"),
            "closed_at": "2026-01-01T00:00:00Z" if closed else None,
            "closed_by": _github_user(one["by"]),
        }

    def _comment(self, path: Mapping[str, str], _query: Mapping[str, str], body: Any) -> tuple[int, Any]:
        self._said.setdefault(int(path["issue_number"]), []).append(body["body"])
        return 201, {"id": 1, "html_url": "https://github.com", "user": _github_user("rowcast"), "body": body["body"]}

    def _pull(self, number: int) -> dict[str, Any]:
        one = self._requests[number]
        merged = one["state"] == "merged"
        return {
            "number": number,
            "html_url": f"https://github.com/acme/deployment/pull/{number}",
            "state": "open" if one["state"] == "open" else "closed",
            "title": one["title"],
            "body": one["body"],
            "user": _github_user("rowcast"),
            "head": {"label": f"acme:{one['head']}", "ref": one["head"], "sha": "0" * 40},
            "base": {"label": f"acme:{one['base']}", "ref": one["base"], "sha": "1" * 40},
            "merged_at": "2026-01-01T00:00:00Z" if merged else None,
            "merged": merged,
            "mergeable": None,
            "merged_by": _github_user(one["by"]) if merged else None,
        }


class GitLabPlace(_InMemory):
    """As described in `gitlab.yaml`."""

    def __init__(self, token_file: Path) -> None:
        super().__init__(token_file)
        handlers: dict[str, Handler] = {
            "list": self._list,
            "create": self._create,
            "get": lambda path, _query, _body: (200, self._whole(int(path["merge_request_iid"]))),
            "update": self._update,
            "comment": self._comment,
        }
        self._described = Described("gitlab.yaml", "/api/v4", handlers, "token-0")
        self.hand_out()

    def forge(self, repository: str = "") -> Forge:
        transport = self._described.transport()
        return GitLab("https://gitlab.com/api/v4", repository or "acme/apps/deployment", self._file, transport)

    def _list(self, path: Mapping[str, str], query: Mapping[str, str], _body: Any) -> tuple[int, Any]:
        if path["id"] != "acme/apps/deployment":
            return 404, {"message": "404 Project Not Found"}
        states = {"opened": {"open"}, "all": {"open", "closed", "merged"}}[query["state"]]
        found = self._matching(query["source_branch"], query["target_branch"], states)
        fork = {"iid": 99, "source_project_id": 8, "id": 1099}
        return 200, [{**self._basic(one), **fork} for one in found[:1]] + [self._basic(one) for one in found]

    def _create(self, _path: Mapping[str, str], _query: Mapping[str, str], body: Any) -> tuple[int, Any]:
        number = self._open(body["source_branch"], body["target_branch"], body["title"], body["description"])
        if number is None:
            return 409, {"message": ["Another open merge request already exists for this source branch: !1"]}
        return 201, self._whole(number)

    def _update(self, path: Mapping[str, str], _query: Mapping[str, str], body: Any) -> tuple[int, Any]:
        one = self._requests[int(path["merge_request_iid"])]
        one["title"], one["body"] = body.get("title", one["title"]), body.get("description", one["body"])
        if body.get("state_event") == "close":
            one |= {"state": "closed", "by": "rowcast"}
        return 200, self._whole(one["number"])

    def _comment(self, path: Mapping[str, str], _query: Mapping[str, str], body: Any) -> tuple[int, Any]:
        self._said.setdefault(int(path["merge_request_iid"]), []).append(body["body"])
        return 201, {"id": 1, "body": body["body"], "author": _gitlab_user("rowcast")}

    def _whole(self, number: int) -> dict[str, Any]:
        return {**self._basic(self._requests[number]), "has_conflicts": False}

    def _basic(self, one: Mapping[str, Any]) -> dict[str, Any]:
        by = _gitlab_user(one["by"])
        return {
            "id": 1000 + one["number"],
            "iid": one["number"],
            "project_id": 7,
            "title": one["title"],
            "description": one["body"],
            "state": {"open": "opened"}.get(one["state"], one["state"]),
            "source_branch": one["head"],
            "target_branch": one["base"],
            "source_project_id": 7,
            "target_project_id": 7,
            "web_url": f"https://gitlab.com/acme/apps/deployment/-/merge_requests/{one['number']}",
            "closed_by": by if one["state"] == "closed" else None,
            "merge_user": by if one["state"] == "merged" else None,
        }


def _github_user(login: str | None) -> dict[str, Any] | None:
    url = f"https://github.com/{login}"
    return {"login": login, "id": 1, "html_url": url, "type": "User"} if login else None


def _gitlab_user(name: str | None) -> dict[str, Any] | None:
    return {"id": 1, "username": name, "name": name.title(), "state": "active"} if name else None
