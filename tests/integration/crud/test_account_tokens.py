"""A real API server as an issuer of tokens: crud believes its service accounts, as a pod or a job would show them."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from rowcast.crud.access.issuers import Issuer
from rowcast.crud.access.tokens import LEEWAY_SECONDS, TokenError, Tokens
from rowcast_local.platform import Platform
from world import wait_until

from .serving import make_settings, serving

pytestmark = pytest.mark.anyio
ISSUER = "https://kubernetes.default.svc"
"""Which the API server calls itself; only pods reach it by that name."""


class Cluster:
    """Service accounts in a namespace of their own, and what a pod knows of its API server."""

    def __init__(self, api_server: Platform, folder: Path) -> None:
        self.environment = {**os.environ, **api_server.env()}
        self.namespace = f"tokens-{uuid.uuid4().hex[:10]}"
        cluster = yaml.safe_load(Path(api_server.env()["KUBECONFIG"]).read_text())["clusters"][0]["cluster"]
        self.server = str(cluster["server"])
        self.authority = folder / "ca.crt"
        self.authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        self.token_file = folder / "token"
        self.kubectl("create", "namespace", self.namespace)
        for name in ("crud", "ci"):
            self.kubectl("create", "serviceaccount", name)
        self.token_file.write_text(self.kubectl("create", "token", "crud"))

    def kubectl(self, *arguments: str) -> str:
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        ran = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=True)
        return ran.stdout.strip()

    def token(self, name: str = "ci", audience: str = "rowcast") -> str:
        return self.kubectl("create", "token", name, "--audience", audience)

    @property
    def ci(self) -> str:
        return f"k8s:system:serviceaccount:{self.namespace}:ci"

    def issuer(self, **other: Any) -> dict[str, Any]:
        """As the how-to has it, but for the address, which is another than in a pod."""
        keys = f"{self.server}/openid/v1/jwks"
        given = {"issuer": ISSUER, "audiences": ["rowcast"], "prefix": "k8s:", "jwks_url": keys}
        files = {"ca_file": str(self.authority), "token_file": str(self.token_file)}
        return {name: value for name, value in {**given, **files, **other}.items() if value is not None}


@pytest.fixture(scope="module")
def cluster(api_server: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(api_server, tmp_path_factory.mktemp("cluster"))
    yield made
    made.kubectl("delete", "namespace", made.namespace, "--wait=false")


Crud = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def crud(cluster: Cluster, migrated_url: str, tmp_path: Path) -> Crud:
    """crud with that issuer, some of its settings otherwise."""

    def start(**other: Any) -> AbstractContextManager[httpx.Client]:
        issuers, policy = tmp_path / "issuers.yaml", tmp_path / "policy.csv"
        issuers.write_text(json.dumps({"issuers": [cluster.issuer(**other)]}))
        policy.write_text(f"p, {cluster.ci}, rows, view, appconfigs/dev, allow\n")
        return serving(make_settings(migrated_url, issuers=issuers, policy=policy))

    return start


def ask(client: httpx.Client, token: str, path: str = "/access:mine") -> httpx.Response:
    return client.get(path, headers={"authorization": f"Bearer {token}"})


def expiry(token: str) -> float:
    part = token.split(".")[1]
    return float(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["exp"])


class InPod(httpx.AsyncBaseTransport):
    """Goes where a pod's resolver would send it: the issuer's name is the API server's address."""

    def __init__(self, cluster: Cluster) -> None:
        self._server = httpx.URL(cluster.server)
        self._inner = httpx.AsyncHTTPTransport(verify=ssl.create_default_context(cafile=str(cluster.authority)))
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        if request.url.host == httpx.URL(ISSUER).host:
            request.url = request.url.copy_with(host=self._server.host, port=self._server.port)
        return await self._inner.handle_async_request(request)


def test_a_service_account_is_who_its_token_says_and_may_do_what_the_policy_says(cluster: Cluster, crud: Crud) -> None:
    with crud() as client:
        mine = ask(client, cluster.token()).json()
        assert (mine["way"], mine["person"], mine["issuer"]) == ("token", cluster.ci, ISSUER)
        assert ask(client, cluster.token(), "/appconfigs?environment=dev").status_code == 200
        refused = ask(client, cluster.token(), "/pipeline")
        assert refused.status_code == 403
        assert f"{cluster.ci} may not view pipeline" in refused.json()["detail"]
        other = ask(client, cluster.token("crud"), "/appconfigs?environment=dev")
        assert other.status_code == 403, "another account of the same namespace has no rights"


def test_tokens_that_are_not_for_us_are_refused_with_the_reason(cluster: Cluster, crud: Crud) -> None:
    with crud() as client:
        for token, why in (
            (cluster.token(audience="vault"), "not for rowcast"),
            (cluster.kubectl("create", "token", "ci"), "not for rowcast"),  # for the API server itself
        ):
            answer = ask(client, token)
            assert answer.status_code == 401
            assert why in answer.json()["detail"]
    with crud(issuer="https://kubernetes.default.svc.cluster.local") as client:
        answer = ask(client, cluster.token())
        assert answer.status_code == 401
        assert "issuer that is not configured" in answer.json()["detail"]


async def test_keys_are_found_by_the_servers_own_discovery_and_a_token_counts_no_longer_than_it_says(
    cluster: Cluster,
) -> None:
    token, moment = cluster.token(), [0.0]
    issuer = Issuer.model_validate(cluster.issuer(jwks_url=None))
    pod = InPod(cluster)
    tokens = Tokens(lambda: [issuer], pod, clock=lambda: moment[0])
    moment[0] = expiry(token) - 1
    assert (await tokens.person(token)).subject == cluster.ci
    assert pod.asked == [f"{ISSUER}/.well-known/openid-configuration", f"{cluster.server}/openid/v1/jwks"]
    moment[0] = expiry(token) + LEEWAY_SECONDS
    with pytest.raises(TokenError, match="expired"):
        await tokens.person(token)


def test_without_a_login_keys_are_there_once_the_cluster_shows_them_to_everybody(cluster: Cluster, crud: Crud) -> None:
    with crud(token_file=None) as client:
        answer = ask(client, cluster.token())
        assert answer.status_code == 503
        assert "answered 403: it may want a token (token_file)" in answer.json()["detail"]
    role = "--clusterrole=system:service-account-issuer-discovery"
    cluster.kubectl("create", "clusterrolebinding", cluster.namespace, role, "--group=system:unauthenticated")
    try:
        keys = cluster.issuer()["jwks_url"]
        verify = ssl.create_default_context(cafile=str(cluster.authority))
        wait_until(lambda: httpx.get(keys, verify=verify, trust_env=False).is_success)
        with crud(token_file=None) as client:
            assert ask(client, cluster.token()).json()["person"] == cluster.ci
    finally:
        cluster.kubectl("delete", "clusterrolebinding", cluster.namespace)
