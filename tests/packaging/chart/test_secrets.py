"""Credentials: always from secrets, each of which may be one's own; made-up ones only where none is named."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from charting.rendering import CHART, CI_VALUES, Manifest, of_kind, one, pods, render

OWN = (
    "global.postgres.existingSecret=my-database",
    "global.git.existingSecret=my-git",
    "global.kafka.usersSecret=my-broker",
    "global.connect.login.existingSecret=my-connect",
    "global.dapr.apiToken.existingSecret=my-api-token",
    "global.dapr.appToken.existingSecret=my-app-token",
)


OWN_BROKERS = ("redis", "rabbitmq", "jetstream")


def _secret_references(value: Any) -> set[tuple[str, str | None]]:
    """Every secret that a manifest names, with the key if one is named."""
    if isinstance(value, list):
        return {found for item in value for found in _secret_references(item)}
    if not isinstance(value, dict):
        return set()
    found = {pair for item in value.values() for pair in _secret_references(item)}
    if "secretKeyRef" in value:
        found.add((value["secretKeyRef"]["name"], value["secretKeyRef"]["key"]))
    if isinstance(value.get("secret"), dict):
        keys = [item["key"] for item in value["secret"].get("items", ())] or [None]
        found |= {(value["secret"]["secretName"], key) for key in keys}
    for annotation in ("dapr.io/api-token-secret", "dapr.io/app-token-secret"):
        if annotation in value:
            found.add((value[annotation], "token"))
    return found


def _without_secrets(manifests: list[Manifest]) -> str:
    return json.dumps([manifest for manifest in manifests if manifest["kind"] != "Secret"], sort_keys=True)


@pytest.mark.parametrize("kind", ["kafka", *OWN_BROKERS])
def test_every_secret_that_is_used_is_made_with_the_keys_that_are_used(kind: str) -> None:
    manifests = render(f"global.broker.kind={kind}", "global.capture.kind=engine")
    made = {name: secret["data"].keys() for name, secret in of_kind(manifests, "Secret").items()}

    used = _secret_references(manifests)
    assert {name for name, _ in used} == made.keys(), kind
    for name, key in used:
        assert key is None or key in made[name]


def test_with_secrets_of_ones_own_there_is_none_of_the_charts() -> None:
    manifests = render(*OWN)

    assert of_kind(manifests, "Secret") == {}
    assert {name for name, _ in _secret_references(manifests)} == {
        "my-database",
        "my-git",
        "my-broker",
        "my-connect",
        "my-api-token",
        "my-app-token",
    }


@pytest.mark.parametrize("kind", OWN_BROKERS)
def test_the_included_broker_takes_a_login_of_ones_own_and_its_clients_the_same(kind: str) -> None:
    given = f"global.{kind}"
    manifests = render(f"global.broker.kind={kind}", f"{given}.existingSecret=my", f"{given}.secretKeys.url=uri")

    assert f"rowcast-{kind}" not in of_kind(manifests, "Secret")
    keys = {key for name, key in _secret_references(manifests) if name == "my"}
    assert keys == {"username", "password", "uri"}


@pytest.mark.parametrize("kind", OWN_BROKERS)
def test_a_made_up_login_is_the_same_in_the_url(kind: str) -> None:
    data = one(render(f"global.broker.kind={kind}"), "Secret", f"rowcast-{kind}")["data"]
    told = {key: b64decode(value).decode() for key, value in data.items()}

    assert f"://{told['username']}:{told['password']}@rowcast-{kind}:" in told["url"]


def test_with_secrets_of_ones_own_two_renderings_are_the_same() -> None:
    # Another order of the settings: the rendering of the same ones is kept.
    assert render(*OWN) == render(*reversed(OWN))


def test_made_up_secrets_are_long_and_differ() -> None:
    one_rendering, another = render(), render("ui.replicas=1")
    values = [
        value
        for manifests in (one_rendering, another)
        for name, secret in of_kind(manifests, "Secret").items()
        for key, value in secret["data"].items()
        if not key.endswith("username")
    ]

    assert len(values) == len(set(values)) == 2 * 11
    assert all(len(value) >= 40 for value in values)


def test_the_databases_passwords_stay_with_its_volume() -> None:
    secret = one(render(), "Secret", "rowcast-postgres")

    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_a_made_up_secret_is_looked_up_before_it_is_made() -> None:
    # `helm template` has no cluster to look in; the tests of the cluster see the value survive an upgrade.
    helper = (CHART / "charts" / "common" / "templates" / "_secrets.tpl").read_text()

    assert 'lookup "v1" "Secret" .root.Release.Namespace .name' in helper


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
def test_no_secrets_value_is_in_any_other_object(values: Path) -> None:
    manifests = render(values=values)
    rest = _without_secrets(manifests)

    for secret in of_kind(manifests, "Secret").values():
        for key, value in secret["data"].items():
            assert key == "username" or value not in rest


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
def test_no_password_is_written_in_an_environment(values: Path) -> None:
    for pod in pods(render(values=values)):
        for container in pod.containers:
            for variable in container.get("env", ()):
                name = variable["name"]
                if any(word in name for word in ("PASSWORD", "TOKEN", "SECRET")) and not name.endswith("_FILE"):
                    assert variable.get("valueFrom", {}).keys() == {"secretKeyRef"}, name


@pytest.mark.parametrize("kind", ["kafka", *OWN_BROKERS])
def test_a_job_makes_what_helm_would_and_no_rendering_has_it(kind: str) -> None:
    """With the keys, so that a release can go from the one to the other and back."""
    by_helm = {
        name: set(secret["data"]) for name, secret in of_kind(render(f"global.broker.kind={kind}"), "Secret").items()
    }
    manifests = render(f"global.broker.kind={kind}", "global.secrets.generate=job")
    (wanted,) = (
        json.loads(each.spec["containers"][0]["command"][-1]) for each in pods(manifests) if "secrets" in each.owner
    )

    made = {one["name"]: {*one.get("fixed", ()), *one.get("random", ()), *one.get("urls", ())} for one in wanted}
    assert made == by_helm
    assert of_kind(manifests, "Secret") == {}
    assert manifests == render("global.secrets.generate=job", f"global.broker.kind={kind}")
    rules = one(manifests, "Role", "rowcast-secrets")["rules"]
    assert rules[0]["resourceNames"] == [each["name"] for each in wanted]
    assert rules[1] == {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}


def test_with_secrets_of_ones_own_no_job_makes_any() -> None:
    assert not any("secrets" in each.owner for each in pods(render(*OWN, "global.secrets.generate=job")))
