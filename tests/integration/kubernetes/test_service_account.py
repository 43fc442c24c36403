"""A pod's service account on a real API server: its files are where a pod has them, and change while we run."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from kubernetes.aio.config import incluster_config

from rowcast.core.errors import TransientError
from rowcast.core.events import AppConfig, Change, Op
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Failed, Result
from rowcast.core.render import KEY, Desired, Manifest, ResourceType, labels_of, render
from rowcast.core.row import RowKey, app_config
from rowcast.sync.targets.kubernetes import KubernetesTarget, connect
from rowcast_local.parts.certificates import settle_certificate, settle_key
from rowcast_local.platform import Platform
from world import wait_until

pytestmark = pytest.mark.anyio
VERBS = "list,watch,create,patch,delete,get"
MOMENT = "2026-11-22T15:42:27Z"


class Account:
    """A service account of a namespace of its own, which may do what sync's Role will let it do."""

    def __init__(self, api_server: Platform, mount: Path) -> None:
        self._environment = {**os.environ, **api_server.env()}
        self.namespace = f"account-{uuid.uuid4().hex[:10]}"
        self.token_file = mount / "token"
        self.kubectl("create", "namespace", self.namespace)
        self.kubectl("create", "serviceaccount", "sync")
        self.kubectl("create", "role", "sync", f"--verb={VERBS}", "--resource=appconfigs.rowcast.dev")
        self.kubectl("create", "rolebinding", "sync", "--role=sync", f"--serviceaccount={self.namespace}:sync")

    def kubectl(self, *arguments: str) -> str:
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        ran = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60, check=True)
        return ran.stdout

    def may_list(self, resource: str) -> bool:
        """Whether the API server says so: it takes a moment to see that a right has gone."""
        command = ["kubectl", "auth", "can-i", "list", resource, f"--as=system:serviceaccount:{self.namespace}:sync"]
        ran = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60)
        return ran.stdout.strip() == "yes"

    def token(self) -> str:
        return self.kubectl("create", "token", "sync").strip()


@pytest.fixture
def account(api_server: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    cluster = yaml.safe_load(Path(api_server.env()["KUBECONFIG"]).read_text())["clusters"][0]["cluster"]
    account = Account(api_server, tmp_path)
    server = urlsplit(cluster["server"])
    authority = tmp_path / "ca.crt"
    authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    account.token_file.write_text(account.token())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(server.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(account.token_file))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
    return account


@pytest.fixture
async def target(account: Account) -> AsyncIterator[KubernetesTarget]:
    target = await connect(None, account.namespace, in_flight=4)
    await target.start()
    yield target
    await target.close()


async def deliver(target: KubernetesTarget, *names: str) -> list[Result]:
    rows = [
        AppConfig(n, name, "https://git.example.com/a.git", "main", "dev", 1, MOMENT, MOMENT, "ada")
        for n, name in enumerate(names, 1)
    ]
    results = await target.deliver([render(Change(app_config(row.id), Op.CREATE, row, 1, None)) for row in rows])
    return list(results.values())


async def test_the_pods_own_account_is_enough(target: KubernetesTarget, account: Account) -> None:
    await target.check()
    results = await deliver(target, "a", "b")

    assert [isinstance(one, Delivered) and one.outcome for one in results] == [Outcome.CREATED] * 2
    assert account.kubectl("get", "appconfigs", "-o", "name").split() == [
        "appconfig.rowcast.dev/a",
        "appconfig.rowcast.dev/b",
    ]


async def test_credentials_that_expire_are_trouble_that_passes_and_the_new_ones_are_taken(
    target: KubernetesTarget, account: Account
) -> None:
    account.token_file.write_text("expired")
    target._api._login._client.configuration.api_key["BearerToken"] = "bearer expired"  # as the API server would see it
    target._api._login._client.configuration.refresh_api_key_hook = None

    refused = await deliver(target, "a", "b", "c")
    account.token_file.write_text(account.token())
    await deliver(target, "a", "b", "c")  # finds out with the old ones
    results = await deliver(target, "a", "b", "c")

    assert [isinstance(one, Failed) and isinstance(one.error, TransientError) for one in refused] == [True] * 3
    assert {isinstance(one, Delivered) for one in results} == {True}


async def test_an_authority_that_changes_is_taken_without_a_restart(account: Account, tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    right = authority.read_bytes()
    authority.unlink()
    settle_certificate(authority, settle_key(tmp_path / "another.key"))
    target = await connect(None, account.namespace, in_flight=4)
    with pytest.raises(TransientError, match=r"(?i)certificate"):
        await target.start()

    authority.write_bytes(right)
    with pytest.raises(TransientError):
        await target.start()  # finds out with the old one
    await target.start()

    assert [type(one) for one in await deliver(target, "a")] == [Delivered]
    await target.close()


@pytest.fixture
def everywhere(account: Account) -> Iterator[str]:
    """Rights on all ConfigMaps there are, as a declaration's are given; gone in the end."""
    name = account.namespace
    account.kubectl("create", "clusterrole", name, f"--verb={VERBS}", "--resource=configmaps")
    account.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={name}:sync")
    yield name
    account.kubectl("delete", "clusterrole", name)
    account.kubectl("delete", "clusterrolebinding", name, "--ignore-not-found")


async def test_a_kind_that_may_not_be_listed_any_more_is_told_of_its_rows_and_keeps_no_other_from_being_compared(
    target: KubernetesTarget, account: Account, everywhere: str
) -> None:
    owner = RowKey("limits", "1")
    annotations = {
        "rowcast.dev/generation": "1",
        "rowcast.dev/lsn": "10",
        "rowcast.dev/updated-by": "ada",
        KEY: owner.key,
    }
    metadata = {"name": "limits", "labels": labels_of(owner), "annotations": annotations}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    manifest = Manifest(ResourceType("", "v1", "", "ConfigMap"), "limits", body)
    wanted = Desired(owner, 1, 10, "limits", "dev", "ada", (manifest,), authoritative=True)
    await deliver(target, "a")
    await target.deliver([wanted])
    assert {str(held.row) for held in await target.inventory()} == {"appconfigs/1", "limits/1"}

    account.kubectl("delete", "clusterrolebinding", everywhere)
    await asyncio.to_thread(wait_until, lambda: not account.may_list("configmaps"))

    assert {str(held.row) for held in await target.inventory()} == {"appconfigs/1"}
    (result,) = (await target.deliver([wanted])).values()
    assert isinstance(result, Failed)
    assert isinstance(result.error, TransientError)
    assert 'cannot get resource "configmaps"' in str(result.error)


async def test_the_watch_goes_on_with_the_new_credentials(target: KubernetesTarget, account: Account) -> None:
    noticed: list[RowKey] = []
    target.listen(noticed.append)
    await deliver(target, "a")
    old = target._api._login._client
    old.configuration.api_key["BearerToken"] = "bearer expired"
    old.configuration.refresh_api_key_hook = None
    await deliver(target, "a", "b")
    assert target._api._login._client is not old
    await deliver(target, "a", "b")

    # What happens while the watch begins anew is for the reconcile; from some moment on it sees everything again.
    edits = itertools.count()

    def edited_and_seen() -> bool:
        patch = f'{{"spec": {{"branch": "by-hand-{next(edits)}"}}}}'
        account.kubectl("patch", "appconfig", "a", "--type=merge", "--patch", patch)
        return app_config(1) in noticed

    await asyncio.to_thread(wait_until, edited_and_seen)
