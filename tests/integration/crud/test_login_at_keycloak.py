"""The API from outside with a real identity provider: who logs in gets what the policy grants, and nothing else."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from keycloak_server import CLIENT, Keycloak
from rowcast.crud.access import issuers

from .serving import make_settings, serving
from .test_access import TOKEN, by

pytestmark = pytest.mark.timeout(900)  # the first test starts Keycloak

POLICY = """\
p, group:ada, rows, view, appconfigs/dev, allow
g, admin@example.com, role:admin
"""
ADMIN = by("admin@example.com")


@pytest.fixture(scope="module")
def crud(serving_url: str, provider: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("access")
    policy, file = folder / "policy.csv", folder / "issuers.yaml"
    policy.write_text(POLICY)
    believed = {"issuer": provider.issuer, "audiences": [CLIENT], "subject": "email"}
    file.write_text(json.dumps({"issuers": [believed]}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issuers, "PAUSE_SECONDS", 0)  # so that no test has to wait for it
        with serving(make_settings(serving_url, policy=policy, issuers=file, app_api_token=TOKEN)) as client:
            for environment in ("dev", "prod"):
                config = {"name": f"shop-{environment}", "repository_url": "https://git.example/shop.git"}
                made = client.post("/appconfigs", json={**config, "environment": environment}, headers=ADMIN)
                assert made.status_code == 201, made.text
            yield client


@dataclass(frozen=True)
class Terminal:
    """A person's: their own home, and nothing of this process's logins."""

    home: Path
    server: str
    provider: Keycloak

    @property
    def environment(self) -> dict[str, str]:
        usual = {name: value for name, value in os.environ.items() if not name.startswith(("ROWCAST_", "DAPR_"))}
        return {**usual, "XDG_CONFIG_HOME": str(self.home), "NO_COLOR": "1"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).with_name("rowcast")), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=self.environment, text=True, **pipes)  # type: ignore[call-overload, no-any-return]

    def run(self, *arguments: str) -> tuple[int, str]:
        """Its exit code, and all that it says."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=120)
            return process.returncode, out + err

    def log_in(self, person: str) -> tuple[int, str]:
        """By the page that the command names, which the person opens."""
        with self.start("login", "--server", self.server, "--issuer", self.provider.issuer) as process:
            try:
                assert process.stderr is not None
                page = re.search(r"Open (\S+)", process.stderr.readline())
                if page:
                    self.provider.approve(page[1], person)
                out, err = process.communicate(timeout=120)
            finally:
                process.kill()  # where nobody approves, it waits for ten minutes
            return process.returncode, out + err

    def expire(self) -> None:
        """Lets the token that is kept be out of date, as an hour would."""
        file = self.home / "rowcast" / "logins.json"
        kept = json.loads(file.read_text())
        kept["logins"][self.server]["token"]["expires_at"] = 0
        file.write_text(json.dumps(kept))

    def token(self) -> str:
        """The one that crud is shown."""
        kept = json.loads((self.home / "rowcast" / "logins.json").read_text())
        return str(kept["logins"][self.server]["token"]["id_token"])


@pytest.fixture
def terminal(crud: httpx.Client, provider: Keycloak, tmp_path: Path) -> Terminal:
    return Terminal(tmp_path, str(crud.base_url).rstrip("/"), provider)


def ask(crud: httpx.Client, token: str, path: str = "/v1/access:mine") -> httpx.Response:
    return crud.get(path, headers={"authorization": f"Bearer {token}"})


def test_a_person_logs_in_gets_a_row_is_refused_another_and_logs_out(terminal: Terminal) -> None:
    code, said = terminal.log_in("ada")
    assert code == 0, said
    assert "as ada@example.com" in said
    assert "crud takes you for Ada of the tests" in terminal.run("whoami")[1]
    code, said = terminal.run("get", "appconfigs", "-o", "name")
    assert (code, "shop-dev" in said, "shop-prod" in said) == (0, True, False), said
    code, said = terminal.run("get", "appconfigs", "shop-prod")
    assert code == 2, said
    assert "shop-prod" in said
    code, said = terminal.run("delete", "appconfigs", "shop-dev", "--yes")
    assert code == 1, said
    assert "ada@example.com may not delete" in said
    before = terminal.token()
    terminal.expire()
    assert terminal.run("get", "appconfigs", "shop-dev")[0] == 0
    assert terminal.token() != before, "it was refreshed"
    assert "logged out of" in terminal.run("logout")[1]
    code, said = terminal.run("get", "appconfigs", "--crud-url", terminal.server)
    assert code != 0
    assert "show" in said or "token" in said, said


def test_a_key_that_the_issuer_changes_to_is_believed_at_once_and_the_one_before_still_is(
    crud: httpx.Client, provider: Keycloak
) -> None:
    before = provider.id_token("ada")
    assert ask(crud, before).json()["subject"] == "ada@example.com"
    provider.rotate_keys()
    after = provider.id_token("ada")
    assert _key(after) != _key(before)
    assert {ask(crud, token).status_code for token in (before, after)} == {200}


def _key(token: str) -> str:
    return token.partition(".")[0]


def test_without_the_issuer_who_is_known_goes_on_and_a_login_says_why_not(
    crud: httpx.Client, provider: Keycloak, terminal: Terminal
) -> None:
    known = provider.id_token("ada")
    assert ask(crud, known).status_code == 200
    provider.rotate_keys()
    unknown = provider.id_token("ada")
    provider.stop()
    assert ask(crud, known, "/v1/appconfigs").json()["items"][0]["name"] == "shop-dev"
    answer = ask(crud, unknown)
    assert answer.status_code == 503
    assert "can't be asked for its keys" in answer.json()["detail"]
    assert "its older keys go on working" in answer.json()["detail"]
    stations = crud.get("/pipeline", headers=ADMIN).json()["stations"]
    assert provider.issuer in next(each for each in stations if each["name"] == "access")["message"]
    code, said = terminal.run("login", "--server", terminal.server, "--issuer", provider.issuer)
    assert code == 1, said
    assert f"{provider.issuer} cannot be reached" in said
