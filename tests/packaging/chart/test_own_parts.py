"""PostgreSQL, Kafka, Connect and Git of one's own in the place of the included ones."""

from __future__ import annotations

import re
from typing import Any

import pytest

from charting.rendering import CHART, Manifest, Pod, of_kind, one, pod, render
from rowcast.connector.definition import read_definition

CI = CHART / "ci"


def _metadata(manifests: list[Manifest]) -> dict[str, Any]:
    entries = one(manifests, "Component", "pubsub")["spec"]["metadata"]
    return {entry["name"]: entry.get("value", entry.get("secretKeyRef")) for entry in entries}


def _properties(manifests: list[Manifest]) -> dict[str, str]:
    text = one(manifests, "ConfigMap", "rowcast-connect")["data"]["connect.properties"]
    return dict(line.split("=", 1) for line in text.splitlines())


def _secret_at(one_pod: Pod, path: str) -> str:
    """The name of the secret that is mounted at `path`."""
    (mount,) = (mount for mount in one_pod.containers[0]["volumeMounts"] if mount["mountPath"] == path)
    (volume,) = (volume for volume in one_pod.spec["volumes"] if volume["name"] == mount["name"])
    name: str = volume["secret"]["secretName"]
    return name


def test_nothing_comes_along_when_all_is_ones_own() -> None:
    manifests = render(values=CI / "external-everything-values.yaml")

    assert of_kind(manifests, "StatefulSet") == {}
    assert of_kind(manifests, "Secret") == {}
    assert of_kind(manifests, "Deployment").keys() == {
        "rowcast-crud",
        "rowcast-sync-k8s",
        "rowcast-sync-git",
        "rowcast-ui",
    }


def test_a_database_of_ones_own_is_reached_with_its_certificate_verified() -> None:
    manifests = render(values=CI / "external-everything-values.yaml")

    for component, user, key in (("crud", "rowcast_crud", "serving-password"), ("migrate", "rowcast", "password")):
        one_pod = pod(manifests, component)
        environment = one_pod.environment
        assert environment["ROWCAST_DATABASE_URL"] == f"postgresql://{user}@postgres.databases.example:6432/rowcast"
        assert environment["ROWCAST_DATABASE_PASSWORD_FILE"] == f"/etc/rowcast/database/{key}"
        assert _secret_at(one_pod, "/etc/rowcast/database") == "rowcast-database"
        assert environment["PGSSLMODE"] == "verify-full"
        assert environment["PGSSLROOTCERT"] == "/etc/rowcast/postgres/ca.crt"
        assert _secret_at(one_pod, "/etc/rowcast/postgres") == "rowcast-database-ca"


def test_connect_verifies_a_database_of_ones_own_by_its_workers_environment() -> None:
    manifests = render(values=CI / "production-values.yaml")
    command, connect = pod(manifests, "connector").containers[0]["command"], pod(manifests, "connect")

    assert "--set=database.sslmode=${env:ROWCAST_CAPTURE_DB_SSLMODE}" in command
    assert "--set=database.sslrootcert=${env:ROWCAST_CAPTURE_DB_SSLROOTCERT}" in command
    assert connect.environment["ROWCAST_CAPTURE_DB_SSLMODE"] == "verify-full"
    assert connect.environment["ROWCAST_CAPTURE_DB_SSLROOTCERT"] == "/etc/rowcast/postgres/ca.crt"
    assert _secret_at(connect, "/etc/rowcast/postgres") == "rowcast-database-ca"
    # The job is the same whoever vouches for the database: Kustomize's components name it.
    other = render("global.postgres.caSecret.key=other.pem", values=CI / "production-values.yaml")
    assert pod(other, "connector").containers[0]["command"] == command


def test_a_role_that_a_dba_made_keeps_its_password() -> None:
    given, left = render(), render("global.postgres.setReplicationPassword=false")

    assert "ROWCAST_REPLICATION_PASSWORD" in pod(given, "migrate").environment
    assert "ROWCAST_REPLICATION_PASSWORD" not in pod(left, "migrate").environment


def test_crud_has_no_other_password_than_that_of_the_role_that_it_serves_as() -> None:
    crud = pod(render(), "crud")

    (volume,) = [one for one in crud.spec["volumes"] if one["name"] == "database"]
    assert [item["key"] for item in volume["secret"]["items"]] == ["serving-password"]
    assert not {"ROWCAST_OWNER_URL", "ROWCAST_SERVING_PASSWORD", "ROWCAST_REPLICATION_PASSWORD"} & set(crud.environment)


@pytest.mark.parametrize(("user", "role"), [("rowcast", "rowcast_crud"), ("second-Owner", "second_owner_crud")])
def test_the_role_that_serves_is_named_after_the_owner(user: str, role: str) -> None:
    manifests = render(f"global.postgres.user={user}")

    assert pod(manifests, "migrate").environment["ROWCAST_SERVING_ROLE"] == role
    assert f"//{role}@" in pod(manifests, "crud").environment["ROWCAST_DATABASE_URL"]


def test_crud_may_go_on_serving_as_the_owner() -> None:
    manifests = render("global.postgres.servingRole=rowcast")

    assert "//rowcast@" in pod(manifests, "crud").environment["ROWCAST_DATABASE_URL"]
    assert pod(manifests, "crud").environment["ROWCAST_DATABASE_PASSWORD_FILE"] == "/etc/rowcast/database/password"
    assert "ROWCAST_SERVING_PASSWORD" not in pod(manifests, "migrate").environment


def test_the_included_database_lets_who_replicates_into_its_own_database_alone() -> None:
    hba = one(render(), "ConfigMap", "rowcast-postgres")["data"]["pg_hba.conf"]

    assert [line for line in hba.splitlines() if not line.startswith("#")] == [
        'host "rowcast" "rowcast_replication" all scram-sha-256',
        'host all,replication "rowcast_replication" all reject',
        "host all all all scram-sha-256",
    ]


def test_sidecars_log_in_to_a_kafka_of_ones_own_by_references_to_secrets() -> None:
    metadata = _metadata(render(values=CI / "external-everything-values.yaml"))

    assert metadata["brokers"] == "kafka-0.example:9093,kafka-1.example:9093"
    assert metadata["authType"] == "password"
    assert metadata["saslMechanism"] == "SHA-512"  # Dapr's word for it
    assert metadata["saslUsername"] == {"name": "rowcast-kafka", "key": "username"}
    assert metadata["saslPassword"] == {"name": "rowcast-kafka", "key": "password"}
    assert metadata["disableTls"] == "false"
    assert metadata["caCert"] == {"name": "rowcast-kafka-ca", "key": "ca.crt"}


def test_connect_and_its_connectors_log_in_to_a_kafka_of_ones_own() -> None:
    manifests = render(values=CI / "own-kafka-values.yaml")
    properties, connect = _properties(manifests), pod(manifests, "connect")

    for client in ("", "producer.", "consumer.", "admin."):
        assert properties[f"{client}security.protocol"] == "SASL_SSL"
        assert properties[f"{client}sasl.mechanism"] == "PLAIN"
        assert "PlainLoginModule" in properties[f"{client}sasl.jaas.config"]
        assert 'password="${env:ROWCAST_KAFKA_PASSWORD}"' in properties[f"{client}sasl.jaas.config"]
        assert properties[f"{client}ssl.truststore.location"] == "/etc/rowcast/kafka/ca.crt"
    assert connect.environment["ROWCAST_KAFKA_PASSWORD"] == {
        "secretKeyRef": {"name": "rowcast-kafka", "key": "password"}
    }
    assert _secret_at(connect, "/etc/rowcast/kafka") == "rowcast-kafka-ca"


def test_scram_takes_its_own_login() -> None:
    manifests = render(
        "kafka.enabled=false",
        "global.kafka.brokers=k:9092",
        "global.kafka.sasl.mechanism=SCRAM-SHA-256",
        "global.kafka.sasl.existingSecret=login",
    )

    assert _properties(manifests)["security.protocol"] == "SASL_PLAINTEXT"
    assert "ScramLoginModule" in _properties(manifests)["sasl.jaas.config"]
    assert _metadata(manifests)["saslMechanism"] == "SHA-256"
    assert "caCert" not in _metadata(manifests)


def test_the_connector_is_put_to_a_connect_of_ones_own() -> None:
    manifests = render(values=CI / "external-everything-values.yaml")

    assert pod(manifests, "connector").environment["ROWCAST_CONNECT_URL"] == "http://connect.streaming.example:8083"


def _connect_login(manifests: list[Manifest], component: str) -> tuple[str, tuple[str, str]] | None:
    """The user, and the secret and its key."""
    environment = pod(manifests, component).environment
    if "ROWCAST_CONNECT_USERNAME" not in environment:
        assert "ROWCAST_CONNECT_PASSWORD" not in environment
        return None
    reference = environment["ROWCAST_CONNECT_PASSWORD"]["secretKeyRef"]
    return environment["ROWCAST_CONNECT_USERNAME"], (reference["name"], reference["key"])


def test_the_included_connect_and_those_who_ask_it_have_the_same_login() -> None:
    for settings, login in (
        ((), ("rowcast", ("rowcast-connect", "password"))),
        (
            (
                "global.connect.login.username=me",
                "global.connect.login.existingSecret=mine",
                "global.connect.login.passwordKey=key",
            ),
            ("me", ("mine", "key")),
        ),
    ):
        manifests = render(*settings)
        assert [_connect_login(manifests, part) for part in ("connect", "crud", "connector")] == [login] * 3


def test_a_connect_of_ones_own_wants_a_login_if_its_secret_is_named() -> None:
    own = ("connect.enabled=false", "global.connect.url=http://c:8083")
    named = render(*own, "global.connect.login.existingSecret=mine")

    assert [_connect_login(render(*own), part) for part in ("crud", "connector")] == [None, None]
    assert {_connect_login(named, part) for part in ("crud", "connector")} == {("rowcast", ("mine", "password"))}


def test_connect_reads_no_file_for_a_connector_and_lets_none_choose_where_its_login_goes() -> None:
    properties = _properties(render())

    assert properties["config.providers"] == "env"
    assert properties["connector.client.config.override.policy"] == "Allowlist"
    definition = read_definition().config
    overridden = {key.split(".override.")[1] for key in definition if ".override." in key}
    assert set(properties["connector.client.config.override.allowlist"].split(",")) == overridden
    # What is allowed must not reach the login to its own REST interface.
    assert not re.fullmatch(properties["config.providers.env.param.allowlist.pattern"], "ROWCAST_CONNECT_PASSWORD")


def test_connect_is_asked_with_its_login_whether_it_is_well() -> None:
    container = pod(render(), "connect").containers[0]

    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["exec"]["command"] == ["bash", "/etc/connect/healthy.sh"]


def test_the_connectors_settings_can_be_added_to() -> None:
    manifests = render("connector.settings.heartbeat\\.interval\\.ms=10000", "global.connect.connector=other")
    command = pod(manifests, "connector").containers[0]["command"]

    assert "--set=heartbeat.interval.ms=10000" in command
    assert "--name=other" in command


def test_git_over_https_logs_in_by_a_secret_that_is_read_at_each_call() -> None:
    manifests = render(values=CI / "own-kafka-values.yaml")
    sync = pod(manifests, "sync-git")

    assert sync.environment["ROWCAST_GIT_URL"] == "https://git.example/platform/configurations.git"
    assert sync.environment["GIT_SSL_CAINFO"] == "/etc/rowcast/git-ca/ca.crt"
    assert "ROWCAST_GIT_SSH_KEY" not in sync.environment
    assert sync.environment["ROWCAST_GIT_USERNAME_FILE"] == "/etc/rowcast/git/username"
    assert sync.environment["ROWCAST_GIT_PASSWORD_FILE"] == "/etc/rowcast/git/password"
    assert _secret_at(sync, "/etc/rowcast/git") == "rowcast-git"


def test_git_over_ssh_knows_its_host_and_uses_its_key_alone() -> None:
    for values in ("external-everything-values.yaml", "production-values.yaml"):
        manifests = render(values=CI / values)
        environment = pod(manifests, "sync-git").environment

        assert environment["ROWCAST_GIT_SSH_KEY"] == "/etc/rowcast/git/ssh-privatekey"
        assert environment["ROWCAST_GIT_KNOWN_HOSTS"] == "/etc/rowcast/git/known_hosts"
        assert "ROWCAST_GIT_PASSWORD_FILE" not in environment


def test_the_included_broker_knows_three_users_and_each_part_is_one_of_them() -> None:
    manifests = render()
    broker = one(manifests, "ConfigMap", "rowcast-kafka")["data"]
    properties = dict(line.split("=", 1) for line in broker["server.properties"].splitlines())

    listeners = properties["listener.security.protocol.map"].split(",")
    assert {listener.split(":")[1] for listener in listeners} == {"SASL_PLAINTEXT"}
    assert properties["authorizer.class.name"].endswith(".StandardAuthorizer")
    assert properties["allow.everyone.if.no.acl.found"] == "false"
    assert properties["super.users"] == "User:admin"
    assert _metadata(manifests)["saslMechanism"] == "PLAINTEXT"
    assert _metadata(manifests)["saslPassword"] == {"name": "rowcast-kafka", "key": "password"}
    connect = pod(manifests, "connect").environment
    assert connect["ROWCAST_KAFKA_PASSWORD"]["secretKeyRef"] == {"name": "rowcast-kafka", "key": "connect-password"}
    assert "admin-password" not in str(pod(manifests, "connect").spec) + str(_metadata(manifests))


def test_only_connects_user_may_write_the_topic_of_changes() -> None:
    script = one(render("global.kafka.topicPrefix=mine"), "ConfigMap", "rowcast-kafka")["data"]["start.sh"]
    grants = re.findall(r"^ +grant (.*)$", script.replace("\\\n", ""), re.MULTILINE)

    writing = [grant for grant in grants if re.search("--operation (Write|All)", grant)]
    topics = {re.findall(r"User:(\w+)", grant)[0]: re.findall(r"--topic (\S+)", grant) for grant in writing}
    assert topics == {
        "connect": ["mine.public.", "mine.connect-", "__debezium-heartbeat.mine"],
        "rowcast": ["mine.sync-status", "mine.dead-letters", "mine.replay.k8s", "mine.replay.git"],
    }
    assert not re.search(r"rowcast\.", " ".join(grants))


def test_brokers_of_ones_own_are_logged_in_to_as_before() -> None:
    own = render("kafka.enabled=false", "global.kafka.brokers=k:9092")

    assert _metadata(own)["authType"] == "none"
    assert "ROWCAST_KAFKA_PASSWORD" not in pod(own, "connect").environment
    assert "security.protocol" not in _properties(own)


def test_a_redis_of_ones_own_is_logged_in_to_over_tls() -> None:
    manifests = render(values=CI / "own-redis-values.yaml")
    metadata, capture = _metadata(manifests), pod(manifests, "capture")

    assert metadata["redisHost"] == "redis.streaming.example:6380"
    assert metadata["enableTLS"] == "true"
    assert metadata["redisUsername"] == {"name": "rowcast-redis-login", "key": "username"}
    assert metadata["redisPassword"] == {"name": "rowcast-redis-login", "key": "password"}
    assert capture.environment["ROWCAST_BROKER_URL"] == {"secretKeyRef": {"name": "rowcast-redis-login", "key": "url"}}
    assert "rowcast-redis" not in of_kind(manifests, "StatefulSet")


def test_a_rabbitmq_and_a_nats_of_ones_own_are_reached_by_the_url_in_their_secrets() -> None:
    rabbitmq, nats = (_metadata(render(values=CI / f"own-{kind}-values.yaml")) for kind in ("rabbitmq", "jetstream"))

    assert rabbitmq["connectionString"] == {"name": "rowcast-rabbitmq-login", "key": "url"}
    assert rabbitmq["caCert"] == {"name": "rowcast-rabbitmq-ca", "key": "ca.crt"}
    assert nats["natsURL"] == {"name": "rowcast-nats-login", "key": "url"}


@pytest.mark.parametrize(("kind", "scheme"), [("redis", "redis"), ("jetstream", "nats")])
def test_a_broker_of_ones_own_may_want_no_login(kind: str, scheme: str) -> None:
    own = (f"global.broker.kind={kind}", f"{kind}.enabled=false", f"global.{kind}.address=b.example:1234")
    manifests = render(*own)

    assert pod(manifests, "capture").environment["ROWCAST_BROKER_URL"] == f"{scheme}://b.example:1234"
    assert not [name for name in _metadata(manifests) if name.startswith(("redisUser", "redisPass"))]


@pytest.mark.parametrize("component", ["crud", "sync-k8s", "sync-git", "capture"])
def test_sidecars_trust_the_authority_where_their_component_takes_none(component: str) -> None:
    for kind, ca in (("redis", "rowcast-redis-ca"), ("jetstream", "rowcast-nats-ca"), ("rabbitmq", None)):
        one_pod = pod(render(values=CI / f"own-{kind}-values.yaml"), component)
        volumes = {volume["name"]: volume.get("secret", {}).get("secretName") for volume in one_pod.spec["volumes"]}
        if ca is None:
            assert "dapr.io/volume-mounts" not in one_pod.annotations
            continue
        assert one_pod.annotations["dapr.io/volume-mounts"] == "broker-ca:/etc/rowcast/broker"
        # Go reads this folder beside the system's own file.
        assert one_pod.annotations["dapr.io/env"] == "SSL_CERT_DIR=/etc/rowcast/broker"
        assert volumes["broker-ca"] == ca


def test_capture_verifies_the_broker_and_the_database() -> None:
    capture = pod(render(values=CI / "own-redis-values.yaml"), "capture")

    assert capture.environment["ROWCAST_BROKER_CA_FILE"] == "/etc/rowcast/broker/ca.crt"
    assert _secret_at(capture, "/etc/rowcast/broker") == "rowcast-redis-ca"
    assert capture.environment["ROWCAST_CAPTURE_DB_SSLMODE"] == "verify-full"
    assert capture.environment["ROWCAST_CAPTURE_DB_SSLROOTCERT"] == "/etc/rowcast/postgres/ca.crt"
    assert _secret_at(capture, "/etc/rowcast/postgres") == "rowcast-database-ca"


@pytest.mark.parametrize("kind", ["redis", "rabbitmq", "jetstream"])
def test_without_kafka_there_is_nothing_of_it(kind: str) -> None:
    manifests = render(f"global.broker.kind={kind}")

    names = {one["metadata"]["name"] for one in manifests}
    assert not [name for name in names if "kafka" in name or "connect" in name]
    assert {"rowcast-capture", f"rowcast-{kind}"} <= names
    crud = pod(manifests, "crud").environment
    assert (crud["ROWCAST_BROKER"], crud["ROWCAST_CAPTURE"]) == (kind, "engine")
    assert "ROWCAST_CONNECT_URL" not in crud


def test_with_kafka_the_engine_may_take_connects_place() -> None:
    manifests = render(values=CI / "kafka-engine-values.yaml")

    assert "rowcast-kafka" in of_kind(manifests, "StatefulSet")
    assert "rowcast-connect" not in of_kind(manifests, "Deployment")
    assert {name for name in of_kind(manifests, "Job") if "connector" in name} == set()
    environment = pod(manifests, "capture").environment
    # The password by itself: within the URL it would have to be percent-encoded.
    assert environment["ROWCAST_BROKER_URL"] == "kafka://rowcast-kafka:9092?mechanism=PLAIN"
    assert environment["ROWCAST_BROKER_PASSWORD"]["secretKeyRef"]["name"] == "rowcast-kafka"


def test_the_sidecars_user_writes_changes_only_where_a_sidecar_captures() -> None:
    def written(*settings: str) -> bool:
        script = one(render(*settings), "ConfigMap", "rowcast-kafka")["data"]["start.sh"]
        return "User:rowcast --operation Write --topic rowcast.public.app_configs" in script

    assert not written()
    assert written("global.capture.kind=engine")
