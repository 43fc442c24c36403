"""From an SQL file that knows nothing of Rowcast to namespaces with quotas in the cluster, and files in Git."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import brokers
from tenants import EXAMPLE, Tenants, applied
from world import World, done, wait_until


@pytest.fixture
def tenants(world: World) -> Iterator[Tenants]:
    with applied(world) as found:
        yield found


@brokers.on_every_platform
def test_rows_of_a_table_that_is_not_ours_become_what_its_declaration_says(tenants: Tenants) -> None:
    tenants.synced("acme", "tiny")
    waited = tenants.world.rowcast("wait", f"tenants/{tenants.rows()['acme']['key']}", "--timeout", "5")

    assert waited.count(": synced, generation ") == 2
    assert set(tenants.objects("configmaps")) == {"team-acme/tenant", "team-tiny/tenant"}
    assert {"/team-acme", "/team-tiny"} <= set(tenants.objects("namespaces"))
    quota = tenants.objects("resourcequotas")["team-acme/tenant"]
    assert quota["spec"]["hard"]["requests.memory"] == "32Gi"
    assert set(tenants.objects("rolebindings")) == {"team-acme/admins"}
    assert "secret" not in json.dumps(tenants.rows())
    documents = tenants.file("acme")
    assert documents is not None
    assert [one["kind"] for one in documents] == ["Namespace", "ResourceQuota", "RoleBinding", "ConfigMap"]


@brokers.on_every_broker
def test_a_change_of_a_row_or_of_a_related_one_is_one_of_its_objects(tenants: Tenants) -> None:
    tenants.synced("tiny")
    before = tenants.generation("tiny")
    tenants.run("UPDATE tenants SET cpu = 4, owner_group = 'tiny-admins' WHERE slug = 'tiny'")
    tenants.run("INSERT INTO tenant_hosts SELECT 'tiny.example', id FROM tenants WHERE slug = 'tiny'")

    tenants.synced("tiny")

    assert tenants.generation("tiny") == before + 2
    assert tenants.objects("configmaps")["team-tiny/tenant"]["data"]["hosts"] == "tiny.example"
    assert tenants.objects("resourcequotas")["team-tiny/tenant"]["spec"]["hard"]["requests.cpu"] == "4"
    assert "team-tiny/admins" in tenants.objects("rolebindings")


@brokers.on_every_broker
def test_a_row_that_its_declaration_leaves_out_or_that_is_deleted_loses_its_objects_but_what_is_retained(
    tenants: Tenants,
) -> None:
    tenants.synced("acme", "tiny")
    tenants.run("UPDATE tenants SET active = false WHERE slug = 'acme'")
    tenants.run("DELETE FROM tenants WHERE slug = 'tiny'")

    wait_until(lambda: tenants.objects("configmaps") == {} and tenants.file("acme") is tenants.file("tiny") is None)

    tenants.synced("acme")
    assert set(tenants.rows(state="deleted")) >= {"tiny"}
    assert "team-acme" in tenants.world.kubectl("get", "namespace", "team-acme", "-o", "name")
    tenants.run("UPDATE tenants SET active = true WHERE slug = 'acme'")
    tenants.synced("acme")
    assert "/team-acme" in tenants.objects("namespaces")


def test_what_somebody_edits_is_put_right(tenants: Tenants) -> None:
    tenants.synced("acme")
    patch = '{"data": {"theme": "by hand"}}'
    tenants.world.kubectl("-n", "team-acme", "patch", "configmap", "tenant", "--type=merge", "-p", patch)

    wait_until(lambda: tenants.objects("configmaps")["team-acme/tenant"]["data"]["theme"] == "dark")


def test_a_row_is_healthy_when_its_declaration_calls_its_objects_ready(tenants: Tenants, tmp_path: Path) -> None:
    tenants.synced("tiny")
    declaration = (EXAMPLE / "tenants.yaml").read_text()
    choosy = tmp_path / "tenants.yaml"
    choosy.write_text(
        declaration.replace("- id: settings\n", "- id: settings\n      ready: has(self.metadata.labels.seen)\n")
    )
    assert "ready:" in choosy.read_text()

    def at_k8s() -> Any:
        found = tenants.rows()["tiny"]["targets"]["k8s"]
        return found["state"], found["stage"], found["stage_error"]

    try:
        tenants.world.rowcast("renderer", "apply", str(choosy))
        reason = "ConfigMap/tenant: ready: has(self.metadata.labels.seen): is false"
        wait_until(lambda: at_k8s() == ("synced", "synced", reason), lambda: str(at_k8s()))

        tenants.world.kubectl("-n", "team-tiny", "label", "configmap", "tenant", "seen=yes")

        wait_until(lambda: at_k8s() == ("synced", "healthy", None), lambda: str(at_k8s()))
        tenants.world.kubectl("-n", "team-tiny", "label", "configmap", "tenant", "seen-")
        wait_until(lambda: at_k8s() == ("synced", "synced", reason), lambda: str(at_k8s()))
    finally:
        tenants.world.rowcast("renderer", "apply", str(EXAMPLE / "tenants.yaml"))
    tenants.synced("acme", "tiny")


def test_an_impact_says_what_the_api_server_would_refuse_before_anything_is_applied(
    tenants: Tenants, tmp_path: Path
) -> None:
    tenants.synced("acme", "tiny")
    changed = tmp_path / "tenants.yaml"
    changed.write_text((EXAMPLE / "tenants.yaml").read_text().replace("name: admin}", "name: edit}"))
    before = tenants.objects("rolebindings")

    with tenants.world.api() as api:
        seen = done(api.post("/renderers/tenants:impact", json={"spec": changed.read_text(), "dry_run": True}))["seen"]
    comment = tenants.world.rowcast("renderer", "impact", str(changed), "-o", "markdown", "--dry-run", code=1)

    (group,) = seen["groups"]
    assert group["path"] == "roleRef.name"
    assert group["dry_run"]["asked"] == group["rows"] == len(group["dry_run"]["refused"])
    assert "cannot change roleRef" in group["dry_run"]["refused"][0]["message"]
    assert "cannot change roleRef" in comment
    assert tenants.objects("rolebindings") == before


@brokers.on_every_broker
def test_a_row_that_can_not_be_rendered_is_a_dead_letter_and_keeps_what_it_has(
    tenants: Tenants, tmp_path: Path
) -> None:
    tenants.synced("acme")
    declaration = (EXAMPLE / "tenants.yaml").read_text()
    broken = tmp_path / "tenants.yaml"
    broken.write_text(declaration.replace("${string(row.cpu)}", "${string(32 / ((row.cpu - 8) * (row.cpu - 8)))}"))
    try:
        assert "revision" in tenants.world.rowcast("renderer", "apply", str(broken))

        def at_k8s() -> Mapping[str, Any]:
            found: Mapping[str, Any] = tenants.rows()["acme"]["targets"]["k8s"]
            return found

        wait_until(lambda: at_k8s()["state"] == "failed", lambda: str(tenants.rows()))
        assert "spec.manifests[1].template.spec.hard" in (at_k8s()["error"] or "")
        assert "team-acme/tenant" in tenants.objects("resourcequotas")
        with tenants.world.api() as api:
            letters = done(api.get("/deadletters", params={"renderer": "tenants", "target": "k8s"}))["items"]
        key = tenants.rows()["acme"]["key"]
        assert [(one["key"], one["reason"]) for one in letters if one["key"] == key] == [(key, "expression")]
        with tenants.world.api() as api:
            stations = {one["name"]: one for one in done(api.get("/pipeline"))["stations"]}
        assert stations["rows"]["facts"]["by_renderer"]["tenants"]["failed_row"] == f"tenants/{key}"
        assert stations["dead-letters"]["facts"]["by_renderer"]["tenants"]["open"] >= 1
        assert stations["sources"]["state"] == "ok"
        tenants.synced("tiny")
    finally:
        tenants.world.rowcast("renderer", "apply", str(EXAMPLE / "tenants.yaml"))
    tenants.synced("acme")
