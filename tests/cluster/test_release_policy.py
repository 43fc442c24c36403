"""Who isn't meant to, can't: without a token, outside of the access policy, beyond a topic's scope or a Role."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cluster.apps import SIDECAR, Namespace
from cluster.forward import Forward
from cluster.release import Release, let_in, secret_of
from world import config, done, wait_until

pytestmark = pytest.mark.timeout(900)

CDC_TOPIC = "rowcast.public.app_configs"
EVENT = {"data": {"before": None, "after": None}}


@pytest.fixture(scope="module")
def intruder(release: Release) -> Iterator[tuple[Namespace, str]]:
    """An application in the release's own namespace, with a sidecar of its own, that is in no policy of Dapr's.

    The network lets it through, so that Dapr's own policies show what they are worth without the network's.
    """
    namespace = Namespace(release.cluster_of, release.namespace)
    peer = {"podSelector": {"matchLabels": {"app": "intruder"}}}
    with let_in(release.cluster_of, release.namespace, "intruder", peer):
        yield namespace, namespace.run_dapr("intruder")
    namespace.kubectl("delete", "deployment", "intruder", "--wait=false")


@pytest.fixture(scope="module")
def syncs_sidecar(release: Release) -> Iterator[httpx.Client]:
    """The sidecar of sync-git, with its token."""
    with (
        Forward(release.cluster_of, release.namespace, "deployment/rowcast-sync-git", 3500) as sidecar,
        release.client(sidecar.url) as client,
    ):
        yield client


@pytest.mark.parametrize("token", [{}, {"dapr-api-token": "guessed"}], ids=["without a token", "with a wrong one"])
def test_nobody_reaches_crud_itself(release: Release, token: dict[str, str]) -> None:
    (pod,) = release.pods("--selector=app.kubernetes.io/component=crud")
    url = f"http://{pod['status']['podIP']}:8080"
    with httpx.Client(base_url=url, headers=token, trust_env=False) as nobody:
        assert nobody.get("/healthz").status_code == httpx.codes.OK
        assert nobody.get("/appconfigs").status_code == httpx.codes.UNAUTHORIZED
        assert nobody.post("/appconfigs", json=config("smuggled")).status_code == httpx.codes.UNAUTHORIZED


def test_connect_serves_only_those_who_log_in(release: Release) -> None:
    (pod,) = release.pods("--selector=app.kubernetes.io/component=connect")
    password = secret_of(release.cluster_of, release.namespace, "rowcast-connect", "password")
    validate = "/connector-plugins/PostgresConnector/config/validate"
    with httpx.Client(base_url=f"http://{pod['status']['podIP']}:8083", timeout=30, trust_env=False) as anybody:
        for login in (httpx.Auth(), httpx.BasicAuth("rowcast", "guessed")):  # the first of them is none
            assert anybody.get("/health", auth=login).status_code == httpx.codes.UNAUTHORIZED
            assert anybody.put(validate, json={}, auth=login).status_code == httpx.codes.UNAUTHORIZED
        status = done(anybody.get("/connectors/rowcast/status", auth=("rowcast", password)))
    assert status["connector"]["state"] == "RUNNING"


CHANGED = "rowcast.public.app_configs"


@pytest.mark.parametrize(
    ("topic", "user", "key", "said"),
    [
        (CHANGED, None, "", "not present in metadata"),
        (CHANGED, "rowcast", "", "Invalid username or password"),
        (CHANGED, "rowcast", "password", "Not authorized to access topics"),
        ("elsewhere", "rowcast", "password", "Not authorized to access topics"),
        ("rowcast.connect-config", "rowcast", "password", "Not authorized to access topics"),
        ("rowcast.sync-status", "connect", "connect-password", "Not authorized to access topics"),
    ],
)
def test_nobody_but_connect_announces_a_change_and_everybody_writes_only_what_is_theirs(
    release: Release, topic: str, user: str | None, key: str, said: str
) -> None:
    assert said in produce(release, topic, user, key)


def produce(release: Release, topic: str, user: str | None, key: str) -> str:
    """What Kafka's own producer says that tries it inside of the broker's pod; an empty `key` is a guessed password."""
    settings = {"max.block.ms": "8000", "linger.ms": "0"}
    if user is not None:
        password = secret_of(release.cluster_of, release.namespace, "rowcast-kafka", key) if key else "guessed"
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        settings |= {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.jaas.config": f'{module} required username="{user}" password="{password}";',
        }
    options = [word for name, value in settings.items() for word in ("--command-property", f"{name}={value}")]
    producer = ["java", "-Xmx48m", "-cp", "/opt/kafka/libs/*", "org.apache.kafka.tools.ConsoleProducer"]
    command = shlex.join([*producer, "--bootstrap-server", "localhost:9092", "--topic", topic, *options])
    inside = ("exec", "--namespace", release.namespace, "rowcast-kafka-0", "--", "sh", "-c")
    return release.cluster_of.kubectl(*inside, f"echo forged | {command} 2>&1")


def test_what_crud_says_of_the_way_includes_connect(release: Release) -> None:
    with release.api() as api:

        def known() -> bool:
            stations = {each["name"]: each for each in done(api.get("/pipeline"))["stations"]}
            return {stations[name]["state"] for name in ("connect", "connector")} == {"ok"}

        wait_until(known)


def test_a_sidecar_serves_only_those_who_have_its_token(release: Release) -> None:
    with httpx.Client(base_url=release.sidecar.url, headers={"dapr-app-id": "crud"}, trust_env=False) as nobody:
        assert nobody.get("/appconfigs").status_code == httpx.codes.UNAUTHORIZED


def test_an_application_outside_of_the_policy_cannot_invoke_crud(intruder: tuple[Namespace, str]) -> None:
    namespace, pod = intruder
    for path in ("appconfigs", "appconfigs:snapshot", "deadletters"):
        status, said = namespace.fetch(pod, f"{SIDECAR}/v1.0/invoke/crud/method/{path}")
        assert status == httpx.codes.FORBIDDEN, said


def test_an_application_outside_of_the_scopes_has_no_broker(intruder: tuple[Namespace, str]) -> None:
    namespace, pod = intruder
    wanted = {"method": "POST", "url": f"{SIDECAR}/v1.0/publish/pubsub/{CDC_TOPIC}", "body": json.dumps(EVENT)}
    said = namespace.tell(pod, "/probe/fetch", json.dumps(wanted))
    assert said["status"] in (httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND), said
    assert "PUBSUB_NOT" in said["body"].upper(), said


@pytest.mark.parametrize("topic", [CDC_TOPIC, "rowcast.replay.k8s", "anything"])
def test_sync_cannot_publish_what_is_not_its_own(syncs_sidecar: httpx.Client, topic: str) -> None:
    refused = syncs_sidecar.post(f"/v1.0/publish/pubsub/{topic}", json=EVENT)
    assert refused.status_code == httpx.codes.FORBIDDEN, refused.text


def test_sync_may_read_the_table_and_nothing_else_of_crud(syncs_sidecar: httpx.Client) -> None:
    invoke = "/v1.0/invoke/crud/method"
    assert syncs_sidecar.get(f"{invoke}/appconfigs:snapshot").is_success
    for answer in (
        syncs_sidecar.get(f"{invoke}/deadletters"),
        syncs_sidecar.post(f"{invoke}/appconfigs", json=config("smuggled")),
        syncs_sidecar.delete(f"{invoke}/appconfigs/1"),
    ):
        assert answer.status_code == httpx.codes.FORBIDDEN, answer.text


@pytest.mark.parametrize(
    "path", ["appconfigs:snapshot", "appconfigs:late", "events/status", "dapr/subscribe", "metrics"]
)
def test_the_dashboard_may_call_the_api_and_nothing_else_of_crud(release: Release, path: str) -> None:
    with release.api() as api:
        assert api.get("/appconfigs").is_success
        for method in ("GET", "POST"):
            answer = api.request(method, f"/{path}")
            assert answer.status_code == httpx.codes.FORBIDDEN, answer.text


def test_nothing_that_was_refused_has_left_a_trace(release: Release) -> None:
    release.settled()
    assert "smuggled" not in release.table()
    assert release.dead_letters() == []


def test_only_sync_k8s_can_talk_to_the_api_server_and_it_used_no_verb_beyond_its_role(release: Release) -> None:
    mounting = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for pod in release.pods()
        if any(
            "serviceAccountToken" in source and "audience" not in source["serviceAccountToken"]
            for volume in pod["spec"]["volumes"]
            for source in volume.get("projected", {}).get("sources", [])
        )
    }
    assert mounting == {"sync-k8s"}

    row = release.create("audited")
    release.settled()
    with release.api() as api:
        done(api.delete(f"/appconfigs/{row['id']}"))
    release.settled()

    account = f"system:serviceaccount:{release.namespace}"
    # A watch is there from its start on: it completes only after minutes.
    requests = [
        event
        for line in release.cluster_of.audit_log.read_text().splitlines()
        # (A request that ended before anybody was asked who sent it has no name.)
        if (event := json.loads(line))["user"].get("username", "").startswith(account)
    ]
    assert {event["user"]["username"] for event in requests} == {f"{account}:rowcast-sync-k8s"}
    assert [event for event in requests if event["responseStatus"]["code"] in (401, 403)] == []
    rules = release.get("role", "rowcast-sync-k8s")["rules"]
    everywhere = [
        rule
        for role in release.cluster_of.get("clusterroles")["items"]
        if role["metadata"]["name"] == f"{release.namespace}-rowcast-sync-k8s-renderers"
        for rule in role["rules"]
    ]
    beyond = [described(event) for event in requests if not allowed(event, rules, everywhere, release.namespace)]
    assert beyond == []
    assert {"patch", "delete", "watch"} <= {event["verb"] for event in requests}


def allowed(
    event: dict[str, Any], rules: list[dict[str, Any]], everywhere: list[dict[str, Any]], namespace: str
) -> bool:
    """Whether one of a Role's rules in a namespace, or of those for all namespaces, names what was asked for."""
    asked = event.get("objectRef")
    if asked is not None and asked["resource"] == "selfsubjectaccessreviews":
        # What one may do oneself everybody may ask (system:basic-user); for the page of the pipeline sync does.
        return True
    if asked is None:
        # Which kinds there are, everybody may ask (system:discovery).
        return bool(event["verb"] == "get" and event["requestURI"].split("/")[1] in ("api", "apis"))
    resource = "/".join(filter(None, [asked["resource"], asked.get("subresource")]))
    return any(
        asked.get("apiGroup", "") in rule["apiGroups"]
        and resource in rule["resources"]
        and event["verb"] in rule["verbs"]
        for rule in (*everywhere, *(rules if asked.get("namespace") == namespace else ()))
    )


def described(event: dict[str, Any]) -> str:
    return f"{event['verb']} {event['requestURI']}"
