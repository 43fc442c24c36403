"""An API server that is overloaded, fails, or doesn't let sync in for a while."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from chaos.arena import Arena
from chaos.faults import repairs
from chaos.faults.fault import Doing, Fault
from chaos.places import RESOURCES
from chaos.verdict import wait
from rowcast_local.parts.cluster_objects import ROLE, apply_cluster_objects
from rowcast_local.ports import HOST, free_ports

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
WEBHOOK = "chaos-webhook-down"
ROLE_BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/rowcast/rolebindings"
POLICY = "chaos-no-sevens"
RULE = "object == null || !object.spec.branch.endsWith('7')"


def burst(status: int) -> Doing:
    """Most requests get `status`."""

    @contextmanager
    def during(arena: Arena, chance: random.Random) -> Iterator[None]:
        with arena.bursts.burst(status, chance.choice((0.3, 0.9, 1.0))):
            yield

    return during


@contextmanager
def forbidden(arena: Arena, _chance: random.Random) -> Iterator[None]:
    """Sync's rights are taken away."""
    arena.cluster.http.delete(f"{ROLE_BINDINGS}/{ROLE}").raise_for_status()
    try:
        yield
    finally:
        apply_cluster_objects(arena.platform.blueprint.kube_apiserver)


@contextmanager
def denied(arena: Arena, _chance: random.Random) -> Iterator[None]:
    """An admission policy denies some rows; once it is gone, a reconcile delivers them."""
    http = arena.cluster.http
    put(http, f"{POLICIES}/{POLICY}", "ValidatingAdmissionPolicy", policy(RULE, "no sevens"))
    put(http, f"{BINDINGS}/{POLICY}", "ValidatingAdmissionPolicyBinding", binding())
    try:
        yield
    finally:
        http.delete(f"{BINDINGS}/{POLICY}").raise_for_status()
        http.delete(f"{POLICIES}/{POLICY}").raise_for_status()
    arena.poison.add(POLICY)
    arena.repairs.append(denied_no_more)


def denied_no_more(arena: Arena) -> None:
    """The API server takes a moment to forget a policy: a dry run asks it."""

    def ask() -> list[str]:
        answer = _ask(arena)
        return [] if answer.is_success else [answer.text]

    assert not (why := wait(ask, 30)), why
    repairs.reconcile(arena, "k8s")


def _denies(arena: Arena) -> list[str]:
    return ["the policy doesn't count yet"] if _ask(arena).is_success else []


def _ask(arena: Arena) -> httpx.Response:
    manifest = {
        "apiVersion": "rowcast.dev/v1alpha1",
        "kind": "AppConfig",
        "metadata": {"name": "chaos-probe"},
        "spec": {"id": 1, "name": "chaos-probe", "repository_url": "https://a/b", "branch": "7", "environment": "dev"},
    }
    return arena.cluster.http.post(RESOURCES, params={"dryRun": "All"}, json=manifest)


@contextmanager
def webhook_down(arena: Arena, _chance: random.Random) -> Iterator[None]:
    """A validating webhook that nobody serves has a say in some rows; all others arrive, and these once it is gone."""
    http = arena.cluster.http
    put(http, f"{WEBHOOKS}/{WEBHOOK}", "ValidatingWebhookConfiguration", webhook(next(free_ports())), key="webhooks")
    try:
        yield
    finally:
        http.delete(f"{WEBHOOKS}/{WEBHOOK}").raise_for_status()


@contextmanager
def long_words(arena: Arena, chance: random.Random) -> Iterator[None]:
    """A policy denies nearly all rows, of one transaction, each with 50 KB of words."""
    http = arena.cluster.http
    words = "no sevens, and that is a long story; " * 1_400
    put(http, f"{POLICIES}/{POLICY}", "ValidatingAdmissionPolicy", policy(RULE, words))
    put(http, f"{BINDINGS}/{POLICY}", "ValidatingAdmissionPolicyBinding", binding())
    assert not (why := wait(lambda: _denies(arena), 30)), why
    change = "UPDATE app_configs SET branch = %s WHERE name LIKE 'chaos-%%'"
    try:
        arena.load._sql(*((change, (f"long-{chance.randrange(10**5)}7",)) for _ in range(2)))
        yield
    finally:
        http.delete(f"{BINDINGS}/{POLICY}").raise_for_status()
        http.delete(f"{POLICIES}/{POLICY}").raise_for_status()
    arena.poison.add(POLICY)
    arena.repairs.append(denied_no_more)


def webhook(port: int) -> list[dict[str, object]]:
    """Webhooks of a ValidatingWebhookConfiguration: one for rows whose branch ends in 3, at a port of nobody's."""
    rule = {
        "apiGroups": ["rowcast.dev"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["appconfigs"],
    }
    return [
        {
            "name": f"{WEBHOOK}.example.org",
            "clientConfig": {"url": f"https://{HOST}:{port}/"},
            "rules": [rule],
            "matchConditions": [{"name": "some", "expression": "object.spec.branch.endsWith('3')"}],
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 5,
            "admissionReviewVersions": ["v1"],
        }
    ]


def policy(expression: str, message: str) -> dict[str, object]:
    """A ValidatingAdmissionPolicy's spec for custom resources of ours."""
    rule = {
        "apiGroups": ["rowcast.dev"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["appconfigs"],
    }
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "message": message}],
    }


def binding() -> dict[str, object]:
    """What makes the policy count."""
    return {"policyName": POLICY, "validationActions": ["Deny"]}


def put(http: httpx.Client, path: str, kind: str, spec: object, key: str = "spec") -> None:
    """Apply one object, whose content is below `key`. Raises httpx.HTTPError."""
    manifest = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": path.rpartition("/")[2]},
        key: spec,
    }
    headers = {"content-type": "application/apply-patch+yaml"}
    params = {"fieldManager": "chaos", "force": "true"}
    http.patch(path, params=params, headers=headers, content=json.dumps(manifest)).raise_for_status()


FAULTS = (
    *(Fault(f"API server answers {status}", "answers", burst(status), (1, 8), "bursts") for status in (429, 500, 503)),
    Fault("sync-k8s loses its rights", "access", forbidden, (1, 6), "access"),
    Fault("an admission policy denies", "access", denied, (2, 6), "access"),
    Fault("a webhook is down for some rows", "webhook", webhook_down, (3, 10), "access"),
    Fault("a policy denies in 50 KB of words", "oversized messages", long_words, (3, 8), "access"),
)
