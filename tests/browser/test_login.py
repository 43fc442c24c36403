"""A login at a real identity provider, whose tokens crud judges by a policy: from the first page to the logout."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dashboard import Dashboard, another, login_secrets
from keycloak_server import DASHBOARD, Keycloak
from processes import running
from rowcast_local.platform import Platform
from rowcast_local.ports import free_ports
from world import World

pytestmark = pytest.mark.timeout(900)  # the first test starts a platform and Keycloak

Windows = Callable[..., Dashboard]
LOOK = "p, ada@example.com, rows, view, appconfigs/*, allow\n"
EDIT = "p, ada@example.com, rows, edit, appconfigs/dev, allow\n"


@contextmanager
def judging(platform: Platform, provider: Keycloak, folder: Path) -> Iterator[Path]:
    """The platform's crud with a policy, whose file is yielded, and with the provider as an issuer."""
    policy, issuers = folder / "policy.csv", folder / "issuers.yaml"
    policy.write_text(LOOK + EDIT)
    believed = {"issuer": provider.issuer, "audiences": [DASHBOARD], "subject": "email"}
    issuers.write_text(json.dumps({"issuers": [believed]}))
    part = platform.parts["crud"]
    own = {"ROWCAST_POLICY": str(policy), "ROWCAST_ISSUERS": str(issuers)}
    program = replace(part.program, environment={**part.program.environment, **own})
    platform.stop_part("crud")
    try:
        with running(program, part.ready, folder / "crud.log"):
            yield policy
    finally:
        platform.start_part("crud")
        platform.wait_ready(names=["crud"])


def test_a_person_logs_in_edits_what_the_policy_lets_them_loses_nothing_by_an_expired_token_and_logs_out(
    windows: Windows, platform: Platform, world: World, provider: Keycloak, tmp_path: Path
) -> None:
    dev, prod = world.create("prices"), world.create("prices-of-prod", environment="prod")
    port = next(free_ports())
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(login_secrets(provider, port) + 'expose_tokens = "id"\n')
    with (
        judging(platform, provider, tmp_path) as policy,
        another(platform, {}, f"--secrets.files={secrets}", port=port) as url,
    ):
        ada = windows(url=url)
        ada.page.goto(url)
        ada.log_in("ada")
        ada.sees("Ada of the tests")
        ada.go("Settings")
        ada.sees(f"crud takes you for ada@example.com, by your login's token, of {provider.issuer}.")
        ada.open(id=dev["id"])
        ada.write("Branch", "signed")
        ada.click("Save")
        ada.sees("generation 2")
        ada.open(id=prod["id"])
        ada.titled("prices-of-prod")
        ada.greyed("Save", "You may not edit rows of appconfigs/prod: no line of the policy allows it.")

        ada.click("Log out")
        # At the provider as well: it wants the password again.
        with provider.tokens_that_last(seconds=5):
            ada.log_in("ada")
        ada.sees_not("Your login ended while you were typing")
        ada.open(id=dev["id"])
        ada.write("Branch", "typed")
        ada.sees("Your login's token expired")
        expect(ada.field("Branch")).to_have_value("typed")
        ada.click("Log in again")
        ada.sees("Your login ended while you were typing in Configurations.")
        ada.sees_not("Your login's token expired")
        ada.click("Go on with it")
        expect(ada.field("Branch")).to_have_value("typed")
        ada.click("Save")
        ada.sees("generation 3")

        policy.write_text(LOOK)
        ada.greyed("Save", "You may not edit rows of appconfigs/dev: no line of the policy allows it.")
        ada.click("Log out")
        expect(ada.button("Log in")).to_be_visible()
    world.settled()
    assert world.table()["prices"][3] == "typed"
