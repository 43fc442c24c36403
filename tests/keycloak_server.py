"""A real Keycloak beside tests: a realm with people and clients, and a browser's way through its pages."""

from __future__ import annotations

import html
import re
import shutil
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

from processes import running
from rowcast.check.oidc import Issuer
from rowcast_cluster.authority import Authority
from rowcast_local.paths import cache_folder
from rowcast_local.ports import HOST, free_ports
from rowcast_local.program import Program
from rowcast_local.provision.keycloak import ADMINISTRATOR, PASSWORD
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.toolbox import provide_keycloak

REALM = "people"
CLIENT, DASHBOARD = "rowcast", "dashboard"
"""The realm's clients: what `rowcast login` is, and the dashboard, at any port of the loopback."""
SECRET = "a-secret"  # of the dashboard
START_SECONDS = 400
"""How long a start may take before a test gives up: of a processor's time it takes 15 s, beside others' starts."""
_SEED = Path(__file__).with_name("keycloak_realm.json")


@dataclass
class Keycloak:
    """One server, and a realm of it, administered by its API."""

    url: str
    program: Program
    log: Path
    verify: ssl.SSLContext | bool = True
    """By what its clients know it."""
    _running: ExitStack = field(default_factory=ExitStack)
    _up: bool = False
    _priorities: Iterator[int] = field(default_factory=lambda: count(1000))

    @property
    def issuer(self) -> str:
        """As tokens of the realm have it."""
        return f"{self.url}/realms/{REALM}"

    def start(self) -> None:
        """Returns when it answers; nothing happens to one that runs. After a `stop` it has what it had."""
        if not self._up:
            self._running.enter_context(running(self.program, self._answers, self.log, START_SECONDS))
            self._up = True

    def stop(self) -> None:
        """Ends the server, as an outage would, and keeps its data."""
        self._up = False
        self._running.close()

    def _answers(self) -> bool:
        return httpx.get(self.issuer, timeout=30, trust_env=False, verify=self.verify).is_success

    def ask(self, method: str, path: str = "", **given: Any) -> Any:
        """The JSON of the realm's administration; anything but success fails the test."""
        with httpx.Client(timeout=120, trust_env=False, verify=self.verify) as http:
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

    @contextmanager
    def tokens_that_last(self, seconds: int) -> Iterator[None]:
        """The realm's tokens are that short-lived while the context lasts."""
        usual = self.ask("GET", f"/{REALM}")["accessTokenLifespan"]
        self.ask("PUT", f"/{REALM}", json={"accessTokenLifespan": seconds})
        try:
            yield
        finally:
            self.ask("PUT", f"/{REALM}", json={"accessTokenLifespan": usual})

    def id_token(self, person: str) -> str:
        """Of a login by the device flow, as `rowcast login` makes one."""
        issuer = Issuer(self.issuer, CLIENT, transport=httpx.HTTPTransport(verify=self.verify))
        login = issuer.log_in("openid email", None, lambda page, _: self.approve(page, person), lambda _: None)
        return str(login["id_token"])

    def approve(self, page: str, person: str) -> None:
        """Logs in as a person, by their name as the password, and says yes, as their browser would."""
        with httpx.Client(timeout=120, follow_redirects=True, trust_env=False, verify=self.verify) as browser:

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
def keycloak(folder: Path, host: str = HOST, authority: Authority | None = None) -> Iterator[Keycloak]:
    """A server on a free port, with what it writes in `folder`, and the realm of `keycloak_realm.json`.

    Of its people each is in the group of their own name, which is their password as well. With an `authority` it is
    reached by https, by a certificate of it for `host`, an address of this machine.
    """
    with Progress() as progress:
        home, java = provide_keycloak(cache_folder(), progress)
    # It writes below the folder that its program is in.
    own = folder / "keycloak"
    own.joinpath("bin").mkdir(parents=True)
    own.joinpath("bin", "kc.sh").write_bytes((home / "bin" / "kc.sh").read_bytes())
    for name in ("conf", "lib", "providers", "themes"):
        own.joinpath(name).symlink_to(home / name)
    shutil.copytree(home / "data", own / "data")
    seeds = own / "data" / "import"
    seeds.mkdir(exist_ok=True)
    shutil.copy(_SEED, seeds)
    ports = free_ports()
    port, management = next(ports), next(ports)
    url = f"{'https' if authority else 'http'}://{host}:{port}"
    reached: tuple[str, ...] = ("--http-enabled=true", f"--http-port={port}")
    verify: ssl.SSLContext | bool = True
    if authority:
        certificate, key = authority.issue("keycloak", "keycloak", hosts=[host])
        files = (f"--https-certificate-file={certificate}", f"--https-certificate-key-file={key}")
        reached = (f"--https-port={port}", *files)
        verify = ssl.create_default_context(cafile=authority.certificate)
    here = (f"--hostname={url}", f"--http-host={host}", f"--http-management-port={management}", *reached)
    command = ("sh", "bin/kc.sh", "start", "--optimized", "--cache=local", "--import-realm", *here)
    # Quick to start rather than quick to run, as it was built.
    environment = {"JAVA": str(java), "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1"}
    server = Keycloak(url, Program("keycloak", command, environment, own), folder / "keycloak.log", verify)
    server.start()
    try:
        yield server
    finally:
        server.stop()
