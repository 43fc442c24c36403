"""Pull request mode: the settings, the token's file and the way to the forge."""

from __future__ import annotations

from charting.rendering import CHART, one, pod, render

VALUES = CHART / "ci" / "git-pull-requests-values.yaml"


def test_the_instance_is_told_of_the_forge_and_reads_the_token_from_a_file() -> None:
    spec = pod(render(values=VALUES), "sync-git").spec
    container = next(one for one in spec["containers"] if "ROWCAST_TARGET" in {entry["name"] for entry in one["env"]})
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}

    assert environment["ROWCAST_GIT_MODE"] == "pull-request"
    assert environment["ROWCAST_GIT_FORGE"] == "gitea"
    assert environment["ROWCAST_GIT_FORGE_URL"] == "https://git.example:3000/api/v1"
    assert environment["ROWCAST_GIT_FORGE_TOKEN_FILE"] == "/etc/rowcast/forge/token"
    assert environment["ROWCAST_GIT_PROPOSAL_BRANCH"] == "rowcast/production"
    assert environment["SSL_CERT_FILE"] == "/etc/rowcast/git-ca/ca.crt"
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == "forge"]
    assert volume["secret"]["secretName"] == "rowcast-forge"
    # As a folder: a file of its own would not follow the secret.
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "forge"]
    assert (mount["mountPath"], "subPath" in mount) == ("/etc/rowcast/forge", False)


def test_the_network_lets_it_reach_the_forge() -> None:
    policy = one(render(values=VALUES), "NetworkPolicy", "rowcast-to-git")
    assert 3000 in [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]


def test_without_it_nothing_of_a_forge_is_there() -> None:
    assert "FORGE" not in str(one(render(), "Deployment", "rowcast-sync-git"))
