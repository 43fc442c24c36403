"""Who may look, who may change, and what other pages may."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from affinity import COOKIE, affinity
from dashboard import Dashboard, another, login_secrets
from keycloak_server import Keycloak
from rowcast_local.platform import Platform
from rowcast_local.ports import free_ports
from world import World

Windows = Callable[..., Dashboard]


def replica(window: Dashboard) -> int:
    """The port of the dashboard at which somebody is kept."""
    return next(int(each.get("value", "")) for each in window.page.context.cookies() if each.get("name") == COOKIE)


def test_a_viewer_sees_everything_and_is_offered_no_change(windows: Windows, platform: Platform, world: World) -> None:
    row = world.create("stock")
    with another(platform, {"ROWCAST_ROLE": "viewer", "ROWCAST_EDITORS": "ada"}) as url:
        viewer = windows(url=url).open()
        viewer.be("grace")
        viewer.sees("Read only")
        expect(viewer.row("stock")).to_contain_text("synced")
        expect(viewer.button("New configuration")).to_be_disabled()
        viewer.open(id=row["id"])
        viewer.titled("stock")
        expect(viewer.button("Save")).to_be_disabled()
        expect(viewer.button("Delete")).to_be_disabled()
        viewer.go("Reconcile")
        expect(viewer.button("Dry run")).to_be_disabled()
        viewer.be("ada")
        expect(viewer.button("Dry run")).to_be_enabled()


def test_where_others_reach_the_dashboard_everybody_looks_until_somebody_may_more(
    windows: Windows, platform: Platform
) -> None:
    with another(platform, {}, "--server.address=0.0.0.0") as url:
        window = windows(url=url).open()
        window.be("ada")
        window.sees("Read only")
        expect(window.button("New configuration")).to_be_disabled()
    with another(platform, {}) as url:
        expect(windows(url=url).open().button("New configuration")).to_be_enabled()


def test_two_dashboards_keep_each_person_at_one_and_share_their_logins(
    windows: Windows, platform: Platform, world: World, provider: Keycloak, tmp_path: Path
) -> None:
    row = world.create("shared")
    ports = free_ports()
    front, *pods = (next(ports) for _ in range(3))
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(login_secrets(provider, front))
    with ExitStack() as pods_stack:
        running = {pod: pods_stack.enter_context(ExitStack()) for pod in pods}
        for pod, own in running.items():
            own.enter_context(another(platform, {}, f"--secrets.files={secrets}", port=pod))
        url = pods_stack.enter_context(affinity(front, pods))
        ada, grace = windows(url=url), windows(url=url)
        for window, name in ((ada, "ada"), (grace, "grace")):
            window.page.goto(url)
            window.log_in(name)
        assert {replica(ada), replica(grace)} == set(pods)
        ada.open(id=row["id"])
        ada.sees("Ada")
        # Her pod goes, as in a rollout: she is at the other one, and need not log in again.
        running[replica(ada)].close()
        ada.open(id=row["id"])
        ada.sees("Ada")
        assert replica(ada) == replica(grace)
        ada.write("Branch", "from-the-other-pod")
        ada.click("Save")
        ada.sees("generation 2")
    world.settled()
    with world.api() as api:
        assert api.get(f"/appconfigs/{row['id']}").json()["updated_by"] == "ada@example.com"


def test_a_login_that_cannot_be_read_lets_nobody_in_and_says_why(
    windows: Windows, platform: Platform, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text('[auth]\nclient_id = "rowcast\n')
    with another(platform, {}, f"--secrets.files={secrets}") as url:
        window = windows(url=url)
        window.page.goto(url)
        window.sees("Nobody can log in")
        window.sees(f"Error parsing secrets file at {secrets}")
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 503


def test_a_page_whose_name_is_made_to_lead_to_this_machine_is_refused(world: World) -> None:
    url = world.env["ROWCAST_UI_URL"]
    for path in ("/", "/_stcore/host-config", "/_stcore/health"):
        rebound = httpx.get(f"{url}{path}", headers={"host": "evil.example"}, trust_env=False)
        assert rebound.status_code == 400
        assert httpx.get(f"{url}{path}", trust_env=False).is_success


def test_a_page_of_another_site_can_change_nothing_through_the_sidecar(world: World) -> None:
    row = world.create("untouched")
    with world.api() as api:
        for path in ("/appconfigs", f"/appconfigs/{row['id']}"):
            refused = api.request("DELETE", path, headers={"origin": "http://evil.example:3500"})
            assert refused.status_code == 403
        assert api.get(f"/appconfigs/{row['id']}").is_success
    for service in ("CRUD", "SYNC_K8S", "SYNC_GIT"):
        url = f"{world.env[f'ROWCAST_{service}_URL']}/healthz"
        assert httpx.get(url, headers={"host": "evil.example"}, trust_env=False).status_code == 421


@pytest.mark.parametrize("app", ["crud", "sync-k8s", "sync-git", "ui"])
def test_a_page_of_another_site_can_publish_by_no_sidecar(platform: Platform, app: str) -> None:
    # A browser sends such a POST from any page, and asks nobody.
    url = f"{platform.blueprint.sidecar(app).url}/v1.0/publish/pubsub/rowcast.sync-status"
    refused = httpx.post(url, content="{}", headers={"content-type": "text/plain"}, trust_env=False)
    # The dashboard's has no broker.
    assert refused.status_code == (404 if app == "ui" else 401), refused.text
