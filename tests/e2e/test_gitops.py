"""The other end of the Git target: the real Argo CD and the real Flux, asked to look, whose word comes back to the row.

A platform of its own for each. Rows of `prod` go by Git and Argo CD, all others straight to the Kubernetes API.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.targets.places import commit_and_push
from e2e.test_wait_and_check import rowcast
from rowcast_local.platform import Platform
from world import World, config, done, wait_until

CONTROLLERS = {"argocd": "argocd-application-controller", "flux": "flux-kustomize-controller"}
POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-forbidden-branch}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {apiGroups: [rowcast.dev], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [appconfigs]}
  validations:
    - {expression: "object.spec.branch != 'forbidden'", message: the branch is not allowed here}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-forbidden-branch}
spec: {policyName: no-forbidden-branch, validationActions: [Deny]}
"""


@pytest.fixture(scope="module", params=["argocd", "flux"])
def followed(request: pytest.FixtureRequest) -> Iterator[Platform]:
    split = {
        "sync-k8s": {"ROWCAST_ENVIRONMENTS": json.dumps({"prod": None})},
        "sync-git": {"ROWCAST_ENVIRONMENTS": json.dumps({"*": None, "prod": {}})},
    }
    folder = Path(tempfile.mkdtemp(prefix="rowcast-gitops-"))
    platform = Platform(folder, free_ports=True, gitops=request.param, settings=split)
    try:
        platform.start()
        platform.wait_ready()
        yield platform
    finally:
        platform.destroy()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def world(followed: Platform) -> World:
    return World(followed.env())


def applied(world: World) -> dict[str, str]:
    """The branches of what the engine has applied, by name."""
    namespace = world.env["ROWCAST_GITOPS_NAMESPACE"]
    items = json.loads(world.kubectl("get", "appconfigs", "--namespace", namespace, "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["spec"]["branch"] for item in items}


def at(world: World, row: dict[str, Any], target: str) -> dict[str, Any]:
    with world.api() as api:
        found: dict[str, Any] = done(api.get(f"/appconfigs/{row['id']}/status"))["targets"][target]
    return found


def at_git(world: World, row: dict[str, Any]) -> dict[str, Any]:
    return at(world, row, "git")


def wait_for_stage(world: World, row: dict[str, Any], stage: str) -> dict[str, Any]:
    wait_until(lambda: at_git(world, row)["stage"] == stage, lambda: f"{at_git(world, row)} {application(world)}")
    return at_git(world, row)


def application(world: World) -> str:
    served = world.kubectl("api-resources", "--output=name", "--cached=false").split()
    kind = next(name for name in served if name.startswith(("applications.argoproj", "kustomizations.kustomize")))
    return world.kubectl("get", kind, "-A", "-o", "jsonpath={.items[*].status}")


def engine(world: World) -> dict[str, Any]:
    """What the pipeline tells of it."""
    with world.api() as api:
        (found,) = [one for one in done(api.get("/pipeline"))["stations"] if one["name"] == "engine-git"]
    return dict(found["facts"])


def change(world: World, row: dict[str, Any], **fields: str) -> None:
    with world.api() as api:
        done(api.patch(f"/appconfigs/{row['id']}", json=fields))


def test_a_row_is_applied_by_the_engine_and_told_to_be_healthy(world: World) -> None:
    """Either looks by itself once an hour: that it comes now is by our asking."""
    row = world.create("by-engine", environment="prod", branch="one")
    found = wait_for_stage(world, row, "healthy")
    assert applied(world)["by-engine"] == "one"
    assert len(found["reference"]) == 40
    wait_until(lambda: engine(world)["revision"] == found["reference"], lambda: str(engine(world)))
    assert (engine(world)["sync"], engine(world)["pending"]) == ("Synced", 0)

    change(world, row, branch="two")
    wait_until(lambda: applied(world)["by-engine"] == "two")
    wait_for_stage(world, row, "healthy")


def test_kubernetes_for_one_environment_and_git_for_another(world: World, followed: Platform) -> None:
    """A row that moves stays where it is until the other target, and its engine, have it."""
    row = world.create("straight", environment="dev")
    wait_until(lambda: "straight" in world.cluster())
    wait_until(lambda: at(world, row, "git")["outcome"] == "elsewhere")
    assert at(world, row, "git")["stage"] is None
    assert "straight" not in applied(world)
    followed.stop_part("sync-git")

    change(world, row, environment="prod")

    wait_until(lambda: "stays until it has arrived there" in (at(world, row, "k8s")["error"] or ""))
    assert "straight" in world.cluster()
    followed.start_part("sync-git")

    def moved() -> bool:
        here, there = "straight" in world.cluster(), "straight" in applied(world)
        assert here or there
        return there and not here

    wait_until(moved)
    wait_until(lambda: at(world, row, "k8s")["error"] is None)
    assert at(world, row, "k8s")["outcome"] == "elsewhere"


def test_what_a_hand_changes_in_the_cluster_is_put_right(world: World) -> None:
    row = world.create("edited-by-hand", environment="prod", branch="ours")
    wait_for_stage(world, row, "healthy")

    namespace = world.env["ROWCAST_GITOPS_NAMESPACE"]
    patch = '{"spec": {"branch": "theirs"}}'
    world.kubectl("patch", "ac", "edited-by-hand", "--namespace", namespace, "--type=merge", f"--patch={patch}")

    wait_until(lambda: applied(world)["edited-by-hand"] == "ours")


def test_what_the_api_server_refuses_is_said_at_the_row(world: World, followed: Platform) -> None:
    """Argo CD applies the others meanwhile. Flux applies all or nothing: it is said at each that waits for the one."""
    apply(world, POLICY)
    wait_until(lambda: refused(world))
    row = world.create("refused", environment="prod", branch="forbidden")

    found = wait_for_stage(world, row, "failed")

    assert "the branch is not allowed here" in found["stage_error"]
    other = world.create("not-refused", environment="prod")
    if followed.gitops == "argocd":
        wait_for_stage(world, other, "healthy")
        assert "not-refused" in applied(world)
    else:
        wait_until(lambda: "/refused dry-run failed" in (at_git(world, other)["stage_error"] or ""))
        assert at_git(world, other)["stage"] == "committed"
    change(world, row, branch="allowed")
    wait_for_stage(world, row, "healthy")
    wait_for_stage(world, other, "healthy")
    assert applied(world)["refused"] == "allowed"


def test_a_script_waits_until_the_engine_has_applied_a_row_or_refused_it(world: World) -> None:
    apply(world, POLICY)
    wait_until(lambda: refused(world))
    row = world.create("waited-for", environment="prod", branch="one")
    healthy = ("wait", "--row", str(row["id"]), "--stage", "healthy", "--timeout", "150")

    ran = rowcast(world, *healthy)
    assert (ran.returncode, applied(world)["waited-for"]) == (0, "one"), ran.stderr
    assert ", healthy" in ran.stdout

    change(world, row, branch="forbidden")
    ran = rowcast(world, *healthy)
    assert (ran.returncode, "the branch is not allowed here" in ran.stderr) == (1, True), ran.stdout + ran.stderr

    # The engine's no to the generation before is still its last word for a while.
    change(world, row, branch="two")
    ran = rowcast(world, *healthy)
    assert (ran.returncode, applied(world)["waited-for"]) == (0, "two"), ran.stderr


def test_while_the_engine_is_away_rows_are_committed_and_no_more(world: World, followed: Platform) -> None:
    followed.stop_part(CONTROLLERS[followed.gitops])
    row = world.create("while-away", environment="prod")

    wait_for_stage(world, row, "committed")
    assert "while-away" not in applied(world)
    followed.start_part(CONTROLLERS[followed.gitops])

    wait_for_stage(world, row, "healthy")
    assert "while-away" in applied(world)


def test_a_file_that_a_person_broke_keeps_the_rows_committed_with_the_engines_words(world: World) -> None:
    with world.clone() as folder:
        broken = folder / "environments" / "prod" / "appconfigs" / "broken.yaml"
        broken.write_text("apiVersion: rowcast.dev/v1alpha1\nkind: AppConfig\nmetadata: {name: broken\n")
        commit_and_push(folder, "Break it")
    row = world.create("behind-a-broken-file", environment="prod")

    wait_until(lambda: "broken.yaml" in (at_git(world, row)["stage_error"] or ""), lambda: str(at_git(world, row)))
    assert at_git(world, row)["stage"] == "committed"

    with world.clone() as folder:
        (folder / "environments" / "prod" / "appconfigs" / "broken.yaml").unlink()
        commit_and_push(folder, "Mend it")
    change(world, row, branch="mended")
    wait_for_stage(world, row, "healthy")


def test_with_the_last_row_the_last_resource_goes(world: World) -> None:
    with world.sql() as cursor:
        cursor.execute("DELETE FROM app_configs WHERE environment = 'prod'")

    wait_until(lambda: applied(world) == {}, lambda: f"{applied(world)} {application(world)}")
    wait_until(lambda: "prod" not in {state[4] for state in world.repository().values()})


def apply(world: World, manifest: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(manifest)
        file.flush()
        world.kubectl("apply", "-f", file.name)


def refused(world: World) -> bool:
    """Whether the policy is enforced yet, by a dry run."""
    spec = {"id": 9, **config("probe", branch="forbidden")}
    probe = {"apiVersion": "rowcast.dev/v1alpha1", "kind": "AppConfig", "metadata": {"name": "probe"}, "spec": spec}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(probe))
        file.flush()
        try:
            world.kubectl("create", "--dry-run=server", "-f", file.name)
        except subprocess.CalledProcessError as error:
            return "not allowed here" in error.stderr
    return False
