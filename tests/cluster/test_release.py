"""An installed release: what people get who follow *Install in a cluster*."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest
import yaml

from cluster.forward import Forward
from cluster.pages import CHECKOUT
from cluster.release import RESTRICTED, Release
from world import config, done, wait_until

pytestmark = pytest.mark.timeout(1800)
CHART = CHECKOUT / "charts" / "rowcast"
SHOPS = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: shops}
spec:
  source: {table: shops, key: [id]}
  name: ${row.slug}
  allow: {kinds: [ConfigMap]}
  manifests:
    - id: settings
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "${row.slug}"}
        data: {size: "${string(row.size)}"}
"""


def test_the_page_installs_a_release_whose_own_test_sees_a_change_arrive(install_page: str) -> None:
    assert "Phase:          Succeeded" in install_page
    assert "all arrived" in install_page


def test_pod_security_restricted_admits_every_pod_without_a_warning(install_page: str, release: Release) -> None:
    namespace = release.cluster_of.get("namespace", release.namespace)
    assert set(RESTRICTED) <= {f"{name}={value}" for name, value in namespace["metadata"]["labels"].items()}
    assert "violate" not in install_page

    containers = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: sorted(
            each["name"] for each in pod["status"]["containerStatuses"] if each["ready"]
        )
        for pod in release.pods("--field-selector=status.phase=Running")
    }
    for part in ("crud", "sync-k8s", "sync-git", "ui"):
        assert containers[part] == sorted([part, "daprd"])
    for part in ("postgres", "kafka", "connect", "git-server"):
        assert containers[part] == [part]


def test_a_configuration_made_by_the_dashboards_sidecar_lives_and_dies_in_cluster_and_repository(
    release: Release,
) -> None:
    row = release.create("checkout")
    release.settled()
    assert release.cluster()["checkout"] == release.repository()["checkout"] == (row["id"], 1, *body("checkout"))

    with release.api() as api:
        done(api.patch(f"/appconfigs/{row['id']}", json={"branch": "next"}))
        release.settled()
        assert release.cluster()["checkout"][3] == "next"

        done(api.patch(f"/appconfigs/{row['id']}", json={"name": "payment"}))
        release.settled()
        assert "checkout" not in {**release.cluster(), **release.repository()}
        assert release.cluster()["payment"][0] == row["id"]

        done(api.delete(f"/appconfigs/{row['id']}"))
    release.settled()
    assert "payment" not in {**release.cluster(), **release.repository()}


def test_the_repository_names_the_person_and_opens_to_nobody_without_its_password(release: Release) -> None:
    release.create("authored", person="alice")
    release.settled()

    with release.clone() as folder:
        log = ["git", "-C", str(folder), "log", "-1", "--format=%an", "--", "environments/dev/appconfigs/authored.yaml"]
        assert subprocess.check_output(log, text=True).strip() == "alice"
    address = release.env["ROWCAST_GIT_URL"].rpartition("@")[2]
    with httpx.Client(trust_env=False) as nobody:
        refused = nobody.get(f"http://{address}/info/refs", params={"service": "git-upload-pack"})
    assert refused.status_code == httpx.codes.UNAUTHORIZED


def test_a_status_says_where_a_row_is(release: Release) -> None:
    row = release.create("known")

    def states() -> dict[str, str]:
        with release.api() as api:
            targets = done(api.get(f"/appconfigs/{row['id']}/status"))["targets"]
        return {name: target["outcome"] for name, target in targets.items()}

    wait_until(lambda: states() == {"k8s": "created", "git": "created"}, lambda: str(states()))


def test_the_dashboard_answers_through_its_service(release: Release) -> None:
    with (
        Forward(release.cluster_of, release.namespace, "service/rowcast-ui", 80) as dashboard,
        httpx.Client(base_url=dashboard.url, trust_env=False) as browser,
    ):
        assert browser.get("/_stcore/health").text == "ok"
        page = browser.get("/")
        assert page.is_success
        assert "<title>" in page.text


def test_rows_of_a_table_of_ones_own_are_delivered_by_a_declaration_among_the_values(
    release: Release, tmp_path: Path
) -> None:
    """By an upgrade without hooks: the one for the resource type has an account of its own, which another test sees."""
    file = tmp_path / "shops.yaml"
    file.write_text(SHOPS)
    with release.sql() as cursor:
        cursor.execute("CREATE TABLE shops (id int PRIMARY KEY, slug text NOT NULL, size int NOT NULL)")
        cursor.execute("INSERT INTO shops VALUES (1, 'corner', 5)")

    values = ("--reuse-values", "--no-hooks", f"--set-file=renderers.shops={file}")
    release.cluster_of.run_helm("upgrade", "rowcast", CHART, "--namespace", release.namespace, *values)

    def sizes() -> dict[str, str]:
        found = release.get("configmaps", "--selector", "rowcast.dev/renderer=shops")["items"]
        return {one["metadata"]["name"]: one["data"]["size"] for one in found}

    def log() -> str:
        return release.kubectl("logs", "--selector", "app.kubernetes.io/component=renderers", "--tail=-1")

    wait_until(lambda: sizes() == {"corner": "5"}, lambda: f"{sizes()} {log()}")
    assert "shops revision 1: 1 rows captured" in log()
    with release.sql() as cursor:
        cursor.execute("UPDATE shops SET size = 6")
    wait_until(lambda: sizes() == {"corner": "6"}, lambda: str(sizes()))
    wait_until(lambda: size_in_git(release) == "6", lambda: str(size_in_git(release)))
    with release.api() as api:
        (target,) = [one for one in done(api.get("/pipeline"))["stations"] if one["name"] == "target-k8s"]
    assert target["state"] == "ok", target["message"]
    with release.sql() as cursor:
        cursor.execute("DELETE FROM shops")
    wait_until(lambda: sizes() == {}, lambda: str(sizes()))


def size_in_git(release: Release) -> str:
    with release.clone() as folder:
        content = yaml.safe_load((folder / "environments" / "default" / "shops" / "corner.yaml").read_text())
    return str(content["data"]["size"])


def body(name: str) -> tuple[str, str, str]:
    """What a row of `config` has, as `World` tells it."""
    fields = config(name)
    return fields["repository_url"], fields["branch"], fields["environment"]
