"""Who shows crud a token, as *Decide who may do what* says: pods their service account's, people their provider's.

After the tests of what a release is without a policy, whose pods have no token that an API server would take.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from charting.rendering import CHART
from cluster.apps import Namespace
from cluster.pages import BLOCK, HOW_TO
from cluster.release import Release, address_here, from_namespace
from keycloak_server import Keycloak, keycloak
from rowcast_cluster.authority import Authority
from rowcast_cluster.cluster import Cluster
from rowcast_images.references import REGISTRY, Naming, version
from world import done, wait_until

pytestmark = pytest.mark.timeout(1800)

PAGE = "decide-who-may-do-what"
CLUSTER_OF_THE_PAGE = "https://kubernetes.default.svc.cluster.local"
PEOPLE_OF_THE_PAGE = "https://login.example.com"
# The other tests change rows by the dashboard's sidecar, as a person whose name is typed.
POLICY = """\
g, anonymous, role:admin
p, {ci}, rows, view, appconfigs/*, allow
p, {ci}, rows, edit, appconfigs/dev, allow
p, {ci}, rows, delete, */*, deny
g, ada@example.com, role:readonly
"""


@dataclass(frozen=True)
class Pod:
    """One with the services' image and a token for Rowcast, and its account's usual one."""

    namespace: Namespace
    name: str

    def run(self, command: str) -> str:
        """What a shell in it prints, both ways, and how it ends."""
        script = f"({command}) 2>&1; echo exit code $?"
        return self.namespace.kubectl("exec", self.name, "--", "sh", "-c", script)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Of the provider's certificate."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def people(cluster: Cluster, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    """The provider, which is on this machine: another one for the pods."""
    with keycloak(tmp_path_factory.mktemp("keycloak"), address_here(cluster), authority) as server:
        yield server


def values(release: Release, callers: Namespace, people: Keycloak, authority: Authority) -> dict[str, Any]:
    """The page's own blocks with the issuers that are here, and a door that only `callers` reach."""
    blocks = [code for language, code in BLOCK.findall((HOW_TO / f"{PAGE}.md").read_text()) if language == "yaml"]
    issuers, token = (next(block for block in blocks if word in block) for word in ("token_file", "extraVolumes"))
    calls_itself = yaml.safe_load(release.cluster_of.kubectl("get", "--raw=/.well-known/openid-configuration"))
    for name, here in ((CLUSTER_OF_THE_PAGE, calls_itself["issuer"]), (PEOPLE_OF_THE_PAGE, people.issuer)):
        assert name in issuers
        issuers = issuers.replace(name, here)
    crud = yaml.safe_load(issuers)["crud"] | yaml.safe_load(token)["crud"]
    crud["access"]["policy"] = POLICY.format(ci=account(callers))
    crud["access"]["issuers"][0]["ca_file"] = "/etc/people/ca.crt"
    crud["extraVolumes"].append({"name": "people", "configMap": {"name": "people"}})
    crud["extraVolumeMounts"].append({"name": "people", "mountPath": "/etc/people"})
    crud["ingress"] = {"enabled": True, "host": "rowcast.example.com"}
    vouching = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "people"}}
    vouching["data"] = {"ca.crt": authority.certificate.read_text()}
    return {"crud": crud, "extraObjects": [vouching], "networkPolicies": {"apiFrom": [from_namespace(callers.name)]}}


def account(callers: Namespace) -> str:
    """What the policy calls the pod's."""
    return f"k8s:system:serviceaccount:{callers.name}:ci"


@pytest.fixture(scope="module")
def pod(
    release: Release, people: Keycloak, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pod]:
    """Of the account `ci` in a namespace of its own; the release has a policy and believes tokens from now on."""
    callers = Namespace.make(release.cluster_of)
    file = tmp_path_factory.mktemp("values") / "values.yaml"
    file.write_text(yaml.safe_dump(values(release, callers, people, authority)))
    # Without hooks: the one for the resource type has an account of its own, which another test sees.
    upgrade = ("upgrade", "rowcast", CHART, "--namespace", release.namespace, "--reuse-values", "--no-hooks")
    release.cluster_of.run_helm(*upgrade, "--values", file)
    callers.apply(service_account("ci"), running(release, "ci"))
    callers.kubectl("wait", "pod/ci", "--for=condition=Ready", "--timeout=120s")
    release.wait_ready("deployment/rowcast-crud")
    pod = Pod(callers, "ci")
    # The pods of before go on answering for some seconds after the new ones are ready, by what they know.
    wait_until(lambda: not any("deletionTimestamp" in pod["metadata"] for pod in release.pods()))
    whoami = f"crud takes you for {account(callers)}\n"
    wait_until(lambda: whoami in pod.run("rowcast whoami"), lambda: pod.run("rowcast whoami"))
    yield pod
    callers.delete()


def service_account(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def running(release: Release, account: str) -> dict[str, Any]:
    """A pod that waits for commands, with the token at the place where `rowcast` looks for it."""
    token = {"serviceAccountToken": {"path": "token", "audience": "rowcast"}}
    container = {
        "name": "rowcast",
        "image": Naming(REGISTRY, version()).reference("services"),
        "imagePullPolicy": "Never",
        "command": ["sleep", "infinity"],
        "env": [{"name": "ROWCAST_CRUD_URL", "value": f"http://rowcast-crud.{release.namespace}.svc"}],
        "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/rowcast"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": account},
        "spec": {
            "serviceAccountName": account,
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            "volumes": [{"name": "token", "projected": {"sources": [token]}}],
        },
    }


def test_a_pods_own_token_may_do_what_the_policy_grants_its_account_and_nothing_else(
    release: Release, pod: Pod
) -> None:
    release.create("of-prod", environment="prod")
    who = account(pod.namespace)
    assert f"crud takes you for {who}\n" in pod.run("rowcast whoami")
    row = '{"name": "by-a-pod", "repository_url": "https://git.example/shop.git", "environment": "%s"}'
    said = pod.run(f"echo '[{row % 'dev'}]' | rowcast apply -f -")
    assert "exit code 0" in said, said
    listed = pod.run("rowcast get appconfigs -o name")
    assert {"appconfigs/by-a-pod", "appconfigs/of-prod"} <= {*listed.split()}, listed
    refused = pod.run(f"echo '[{row % 'prod'}]' | rowcast apply -f -")
    assert "exit code 1" in refused, refused
    assert f"{who} may not edit" in refused, refused
    refused = pod.run("rowcast delete appconfigs by-a-pod --yes")
    assert f"{who} may not delete" in refused, refused
    assert "line 4" in refused, refused
    release.settled()
    assert release.cluster()["by-a-pod"][1:] == release.repository()["by-a-pod"][1:]


def test_a_token_that_is_for_somebody_else_is_refused(pod: Pod) -> None:
    said = pod.run("ROWCAST_TOKEN_FILE=/var/run/secrets/kubernetes.io/serviceaccount/token rowcast get")
    assert "not for rowcast" in said, said
    assert "exit code 0" not in said, said


def test_a_persons_token_of_a_provider_outside_of_the_cluster_may_do_what_the_policy_says(
    pod: Pod, people: Keycloak
) -> None:
    token = f"ROWCAST_TOKEN={people.id_token('ada')}"
    assert "crud takes you for Ada of the tests\n" in pod.run(f"{token} rowcast whoami")
    assert "appconfigs/of-prod" in pod.run(f"{token} rowcast get appconfigs -o name").split()
    refused = pod.run(f"{token} rowcast delete appconfigs of-prod --yes")
    assert "ada@example.com may not delete" in refused, refused


def test_the_dashboards_own_way_is_as_it_was(release: Release, pod: Pod) -> None:
    row = release.create("by-the-dashboard")
    with release.api() as api:
        mine = done(api.get("/access:mine"))
        assert (mine["way"], mine["verified"], mine["enforced"]) == ("dashboard", False, True)
        done(api.delete(f"/appconfigs/{row['id']}"))
    release.settled()
