"""What the chart renders is judged by a real API server with the operators' resource types, and by kubeconform."""

from __future__ import annotations

import copy
import json
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from charting.api_server import Judge, judge
from charting.rendering import CHART, CI_VALUES, Manifest, one, pods, render
from charting.schemas import LOCATION, write_schemas
from rowcast.cli import app
from rowcast_local.provision.tools import tool

EVERY = pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
NAMESPACES = ("rowcast", "team-a", "team-b", "argocd", "flux-system")
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """An API server whose namespaces enforce Pod Security `restricted`."""
    with judge(tmp_path_factory.mktemp("judge")) as made:
        made.apply(
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
                for name in NAMESPACES
            ]
        )
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": "rowcast"},
        }
        priority = {"metadata": {"name": "platform"}, "value": 1000}
        made.apply([account, {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", **priority}])
        made.must("apply", "--server-side", f"--filename={CHART / 'crds'}")
        yield made


@pytest.fixture(scope="module")
def schemas(server: Judge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of schemas for kubeconform."""
    folder = tmp_path_factory.mktemp("schemas")
    openapi = json.loads(server.must("get", "--raw", "/openapi/v2"))
    definitions = json.loads(server.must("get", "crd", "--output=json"))["items"]
    write_schemas(folder, openapi, definitions)
    return folder


def _kubeconform(schemas: Path, manifests: list[Manifest]) -> subprocess.CompletedProcess[str]:
    content = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
    command = [str(tool("kubeconform")), "-strict", "-summary", "-schema-location", str(schemas / LOCATION)]
    return subprocess.run(command, input=content, capture_output=True, text=True, check=False, timeout=60)


@EVERY
def test_the_api_server_takes_every_object_without_a_warning(values: Path, server: Judge) -> None:
    assert server.complaints(render(values=values)) == ""


@EVERY
def test_a_restricted_namespace_admits_every_pod(values: Path, server: Judge) -> None:
    manifests = render(values=values)
    server.apply([manifest for manifest in manifests if manifest["kind"] == "ServiceAccount"])
    bare = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p{number}", "namespace": "rowcast"},
            # A claim becomes a volume when the controller makes the pod.
            "spec": {**pod.spec, "volumes": [*pod.spec["volumes"], *_claims(pod.spec)]},
        }
        for number, pod in enumerate(pods(manifests))
    ]

    assert server.complaints(bare) == ""


def test_the_api_server_calls_every_kind_as_the_chart_does(server: Judge) -> None:
    """NAME, perhaps short names, version, whether it is namespaced, kind."""
    columns = [line.split() for line in server.must("api-resources", "--no-headers").splitlines()]
    called = {(one[-3].rpartition("/")[0], one[-1]): one[0] for one in columns}
    groups = {group for group, _ in called}
    known = yaml.safe_load((CHART / "files" / "kinds.yaml").read_text())

    judged = {(group, kind): plural for group in known.keys() & groups for kind, plural in known[group].items()}
    assert {"", "apps", "rbac.authorization.k8s.io", "argoproj.io", "monitoring.coreos.com"} < {
        one for one, _ in judged
    }
    assert judged == {kind: called.get(kind) for kind in judged}


@EVERY
def test_kubeconform_finds_no_fault_strict(values: Path, schemas: Path) -> None:
    manifests = render(values=values)

    judged = _kubeconform(schemas, manifests)

    assert judged.returncode == 0, judged.stdout
    assert f"{len(manifests)} resources found" in judged.stdout
    assert "Skipped: 0" in judged.stdout


@pytest.mark.parametrize(
    ("kind", "name", "place"),
    [("Deployment", "rowcast-crud", ("spec", "replica")), ("Component", "pubsub", ("spec", "metaData"))],
)
def test_both_judges_see_a_field_that_does_not_exist(
    kind: str, name: str, place: tuple[str, str], server: Judge, schemas: Path
) -> None:
    wrong = copy.deepcopy(one(render(), kind, name))
    wrong[place[0]][place[1]] = 1

    assert place[1] in server.complaints([wrong])
    assert place[1] in _kubeconform(schemas, [wrong]).stdout


def test_the_restricted_namespace_refuses_a_pod_that_is_not(server: Judge) -> None:
    pod = copy.deepcopy(one(render(), "Pod", "rowcast-check"))
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True

    assert "allowPrivilegeEscalation" in server.complaints([pod])


def test_the_job_makes_secrets_once_and_adds_what_they_lack(server: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig))
    wanted: Manifest = {"name": "made", "labels": {"a": "b"}, "fixed": {"username": "u"}, "random": ["password"]}

    def make(entry: Manifest) -> str:
        options = ["secrets", "make", "--namespace", "rowcast", json.dumps([entry])]
        return CliRunner().invoke(app, options, catch_exceptions=False).stdout

    def kept() -> Manifest:
        found: Manifest = json.loads(server.must("get", "secret", "made", "--namespace=rowcast", "--output=json"))
        return found

    assert make(wanted) == "made: created\n"
    first = kept()
    assert first["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert make(wanted) == "made: unchanged\n"
    assert make({**wanted, "urls": {"url": "amqp://{username}:{password}@h"}}) == "made: configured\n"

    assert kept()["data"].items() > first["data"].items()
    password = b64decode(first["data"]["password"]).decode()
    assert b64decode(kept()["data"]["url"]).decode() == f"amqp://u:{password}@h"


def _claims(spec: Manifest) -> list[Manifest]:
    known = {volume["name"] for volume in spec["volumes"]}
    mounted = {mount["name"] for container in spec["containers"] for mount in container["volumeMounts"]}
    return [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in sorted(mounted - known)]
