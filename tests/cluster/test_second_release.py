"""A second release beside the first: of the version before, on the first one's PostgreSQL and Kafka; then upgraded.

There is no released chart before this one. Until there is, "before" is this chart under a lower version, with the same
images by an older tag and other values, so that every object changes and every pod rolls. Once there is a tag, take its
chart.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.load import Load
from cluster.pages import CHECKOUT, run_page
from cluster.release import Database, Release, from_namespace, let_in, secret_of
from rowcast_cluster.cluster import Cluster
from rowcast_images.catalogue import IMAGES
from rowcast_images.references import REGISTRY, Naming, version
from rowcast_release.publishing import UNPUBLISHED
from world import wait_until

pytestmark = pytest.mark.timeout(2400)

BEFORE = "0.0.9"
NAMESPACE = "rowcast-second"
CRD = "appconfigs.rowcast.dev"


def package_before(cluster: Cluster, folder: Path) -> Path:
    """The chart of the version before, packed, with other values than today's."""
    chart = folder / "rowcast"
    shutil.copytree(CHECKOUT / "charts" / "rowcast", chart)
    values = (chart / "values.yaml").read_text()
    assert "logLevel: info" in values
    (chart / "values.yaml").write_text(values.replace("logLevel: info", "logLevel: debug"))
    description = chart / "Chart.yaml"
    assert UNPUBLISHED in description.read_text()
    description.write_text(description.read_text().replace(UNPUBLISHED, ""))
    # Of all of them: an image's default tag is the version of the part that it belongs to.
    for description in chart.rglob("Chart.yaml"):
        description.write_text(description.read_text().replace(version(), BEFORE))
    cluster.run_helm("package", chart, "--destination", folder)
    return folder / f"rowcast-{BEFORE}.tgz"


@pytest.fixture(scope="module")
def second(cluster: Cluster, release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Installed as *Bring your own Kafka and PostgreSQL* says; the parts are those of the first release."""
    for image in IMAGES:
        cluster.tag(Naming(REGISTRY, version()).reference(image.name), Naming(REGISTRY, BEFORE).reference(image.name))
    with let_in(cluster, release.namespace, "second", from_namespace(NAMESPACE)):
        yield from _second(cluster, release, tmp_path_factory.mktemp("chart"))


def _second(cluster: Cluster, release: Release, folder: Path) -> Iterator[Release]:
    password = secret_of(cluster, release.namespace, "rowcast-postgres", "superuser-password")
    inside = f"--namespace {release.namespace} rowcast-postgres-0 -- env PGPASSWORD={password}"
    give_rights(cluster, release)
    run_page(
        "bring-your-own-kafka-and-postgresql",
        cluster.environment,
        NAME="second",
        NAMESPACE=NAMESPACE,
        DATABASE_HOST=f"rowcast-postgres.{release.namespace}",
        PSQL=f'"kubectl exec --stdin {inside} psql --host 127.0.0.1 --username postgres"',
        BROKERS=f"rowcast-kafka.{release.namespace}:9092",
        REPLICAS="1",
        MECHANISM="PLAIN",
        KAFKA_USERNAME="rowcast",
        KAFKA_PASSWORD=secret_of(cluster, release.namespace, "rowcast-kafka", "password"),
        CHART=str(package_before(cluster, folder)),
    )
    with Release.of(
        cluster, NAMESPACE, database=Database("second", "rowcast-database", release.namespace)
    ) as installed:
        yield installed
    cluster.run_helm("uninstall", "rowcast", "--namespace", NAMESPACE, "--wait")
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def give_rights(cluster: Cluster, first: Release) -> None:
    """As the first one's broker's administrator: its user may also do what the second one needs."""
    java = ["java", "-Xmx48m", "-Djava.security.auth.login.config=/tmp/logins.conf", "-cp", "/opt/kafka/libs/*"]
    who = ["--bootstrap-controller", "localhost:9093", "--command-config", "/tmp/admin.properties"]
    what = ["--add", "--allow-principal", "User:rowcast", "--operation", "All", "--resource-pattern-type", "prefixed"]
    where = ["--topic", "second", "--topic", "__debezium-heartbeat.second", "--group", "second"]
    inside = ("exec", "--namespace", first.namespace, "rowcast-kafka-0", "--")
    cluster.kubectl(*inside, *java, "org.apache.kafka.tools.AclCommand", *who, *what, *where)


def test_a_second_release_does_not_meet_the_first(release: Release, second: Release) -> None:
    here, there = release.create("met", branch="first"), second.create("met", branch="second")
    second.create("only-there")
    second.settled()
    release.settled()

    assert "only-there" not in {**release.table(), **release.cluster(), **release.repository()}
    assert release.cluster()["met"] == release.repository()["met"]
    assert (release.cluster()["met"][0], release.cluster()["met"][3]) == (here["id"], "first")
    assert (second.cluster()["met"][0], second.cluster()["met"][3]) == (there["id"], "second")
    assert release.dead_letters() == second.dead_letters() == []


def test_an_application_of_one_release_cannot_invoke_the_crud_of_the_other(release: Release, second: Release) -> None:
    with second.client(second.sidecar.url) as dashboard:
        refused = dashboard.get(f"/v1.0/invoke/crud.{release.namespace}/method/appconfigs")
    assert refused.status_code == httpx.codes.FORBIDDEN, refused.text


def test_an_upgrade_under_load_loses_nothing_and_keeps_what_was_generated(cluster: Cluster, second: Release) -> None:
    age_resource_type(cluster)
    pods = uids(second)
    secrets = generated(second)
    assert len(secrets) >= 3

    with Load(second, "upgraded") as load:
        load.more(20)
        run_page("upgrade", cluster.environment, NAMESPACE=NAMESPACE)
        load.more(20)

    second.wait_ready()
    wait_until(lambda: not pods & uids(second), lambda: f"still there: {pods & uids(second)}")
    assert {image(pod) for pod in second.pods("--field-selector=status.phase=Running")} == {version()}
    assert generated(second) == secrets
    assert printed(cluster) != []
    second.settled()
    assert load.lost() == {}
    assert second.dead_letters() == []


def age_resource_type(cluster: Cluster) -> None:
    """Takes from the resource type what the hook of an upgrade has to bring back."""
    taken = [{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns"}]
    cluster.kubectl("patch", "crd", CRD, "--type=json", "--patch", json.dumps(taken))
    assert printed(cluster) == []


def printed(cluster: Cluster) -> list[Any]:
    """The columns that kubectl shows of an AppConfig, beside its name."""
    columns: list[Any] = cluster.get("crd", CRD)["spec"]["versions"][0].get("additionalPrinterColumns", [])
    # Without any, the API server shows the age.
    return [column for column in columns if column["name"] != "Age"]


def uids(release: Release) -> set[str]:
    """Of its pods, apart from those of jobs that are done."""
    return {pod["metadata"]["uid"] for pod in release.pods("--field-selector=status.phase!=Succeeded")}


def generated(release: Release) -> dict[str, dict[str, str]]:
    """The data of the release's secrets, by name."""
    items = release.get("secrets", "--selector=app.kubernetes.io/part-of=rowcast")["items"]
    return {item["metadata"]["name"]: item["data"] for item in items}


def image(pod: dict[str, Any]) -> str:
    """The tag of the pod's own image."""
    own = next(each for each in pod["spec"]["containers"] if each["name"] != "daprd")
    return str(own["image"]).rpartition(":")[2]
