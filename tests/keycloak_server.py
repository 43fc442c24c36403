"""A real Keycloak beside tests: a realm of its own, with people and clients, and a browser's way through its pages."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

from processes import running
from rowcast_local.paths import cache_folder
from rowcast_local.ports import HOST, free_ports
from rowcast_local.program import Program
from rowcast_local.provision.keycloak import ADMINISTRATOR, PASSWORD
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.toolbox import provide_keycloak

REALM = "people"
CLIENT = "rowcast"
_GROUPS = {
    "name": "groups",
    "protocol": "openid-connect",
    "protocolMapper": "oidc-group-membership-mapper",
    "config": {"claim.name": "groups", "full.path": "false", "id.token.claim": "true"},
}
# What `rowcast login` is to an issuer: a public client that knows the device flow alone.
_CLIENT = {
    "clientId": CLIENT,
    "publicClient": True,
    "standardFlowEnabled": False,
    "attributes": {"oauth2.device.authorization.grant.enabled": "true", "oauth2.device.polling.interval": "1"},
    "protocolMappers": [_GROUPS],
}


@dataclass
class Keycloak:
    """One server, and a realm of it, administered by its API."""

    url: str
    _stack: ExitStack = field(default_factory=ExitStack)
    _priorities: Iterator[int] = field(default_factory=lambda: count(1000))

    @property
    def issuer(self) -> str:
        """As tokens of the realm have it."""
        return f"{self.url}/realms/{REALM}"

    def stop(self) -> None:
        """Ends the server, for good."""
        self._stack.close()

    def ask(self, method: str, path: str = "", **given: Any) -> Any:
        """The JSON of the realm's administration; anything but success fails the test."""
        with httpx.Client(timeout=120, trust_env=False) as http:
            form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMINISTRATOR, "password": PASSWORD}
            token = http.post(f"{self.url}/realms/master/protocol/openid-connect/token", data=form).json()
            login = {"authorization": f"Bearer {token['access_token']}"}
            answer = http.request(method, f"{self.url}/admin/realms{path}", headers=login, **given)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def rotate_keys(self) -> None:
        """Sign by a new key from now on; the old ones go on verifying, as after any rotation."""
        key = {"priority": [str(next(self._priorities))], "algorithm": ["RS256"], "keySize": ["2048"]}
        provider = {"name": "newer", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider"}
        realm = self.ask("GET", f"/{REALM}")["id"]
        self.ask("POST", f"/{REALM}/components", json={**provider, "parentId": realm, "config": key})

    def approve(self, page: str, person: str) -> None:
        """Logs in as a person, by their name as the password, and says yes, as their browser would."""
        with httpx.Client(timeout=120, follow_redirects=True, trust_env=False) as browser:

            def believe_the_loopback(_answer: httpx.Response) -> None:
                # As browsers do, which send it cookies that are for https.
                for cookie in browser.cookies.jar:
                    cookie.secure = False

            browser.event_hooks = {"response": [believe_the_loopback]}
            shown = browser.get(page)
            shown = _submit(browser, shown, username=person, password=person)
            shown = _submit(browser, shown, accept="Yes")
        assert "Device Login Successful" in shown.text, shown.text


def _submit(browser: httpx.Client, page: httpx.Response, **fields: str) -> httpx.Response:
    """Fills in the page's form, whose hidden fields stay, and sends it."""
    form = re.search(r'<form[^>]* action="([^"]+)".*?</form>', page.text, re.DOTALL)
    assert form, page.text
    hidden = dict(re.findall(r'<input type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form[0]))
    return browser.post(urljoin(str(page.url), html.unescape(form[1])), data={**hidden, **fields})


@contextmanager
def keycloak(folder: Path, *people: str) -> Iterator[Keycloak]:
    """A server on a free port, with what it writes in `folder`; each of `people` is in the group of their own name."""
    with Progress() as progress:
        home, java = provide_keycloak(cache_folder(), progress)
    # It writes below the folder that its program is in.
    own = folder / "keycloak"
    own.joinpath("bin").mkdir(parents=True)
    own.joinpath("bin", "kc.sh").write_bytes((home / "bin" / "kc.sh").read_bytes())
    for name in ("conf", "lib", "providers", "themes"):
        own.joinpath(name).symlink_to(home / name)
    shutil.copytree(home / "data", own / "data")
    ports = free_ports()
    port, management = next(ports), next(ports)
    server = Keycloak(f"http://{HOST}:{port}")
    here = (f"--hostname={server.url}", f"--http-host={HOST}", f"--http-port={port}", "--http-enabled=true")
    command = ("sh", "bin/kc.sh", "start", "--optimized", *here, f"--http-management-port={management}")
    environment = {"JAVA": str(java), "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1"}
    program = Program("keycloak", command, environment, own)

    def ready() -> bool:
        return httpx.get(f"{server.url}/realms/master", timeout=30, trust_env=False).is_success

    with server._stack:
        server._stack.enter_context(running(program, ready, folder / "keycloak.log"))
        server.ask("POST", json=_realm(people))
        yield server


def _realm(people: tuple[str, ...]) -> dict[str, Any]:
    accounts = [
        {
            "username": name,
            "enabled": True,
            "email": f"{name}@example.com",
            "emailVerified": True,
            "firstName": name.title(),
            "lastName": "of the tests",
            "groups": [f"/{name}"],
            "realmRoles": [f"default-roles-{REALM}"],
            "credentials": [{"type": "password", "value": name, "temporary": False}],
        }
        for name in people
    ]
    groups = [{"name": name} for name in people]
    return {"realm": REALM, "enabled": True, "clients": [_CLIENT], "groups": groups, "users": accounts}
