"""kube-score judges what the chart renders; what it finds is either mended or has its reason here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from charting.rendering import CHART, render
from rowcast_local.provision.tools import tool

REASONS = {
    "container-resources": "CPU has requests and no limit: a limit only slows a pod down while the node idles",
    "container-ephemeral-storage-request-and-limit": "what pods write has its own bound (sizeLimit of each emptyDir); "
    "a node's disk is yours to share out, by `resources`",
    "container-image-pull-policy": "an image of a version never changes, and a node that has it needs no registry",
    "statefulset-has-servicename": "no Service is headless: a name resolves while no pod is ready (`_workloads.tpl`)",
    "pod-probes-identical": "the included stores are asked in one way; liveness waits longer",
    "pod-networkpolicy": "the way out is closed by `networkPolicies.egress`, which needs to know your cluster",
    "deployment-replicas": "one pod of each is for an evaluation; one writes to a branch, and one captures",
    "deployment-strategy": "who must be alone (sync-git, Connect, capture) is replaced, not rolled",
    "deployment-has-host-podantiaffinity": "pods spread by topologySpreadConstraints, as a cluster's shape wants it",
    "deployment-has-poddisruptionbudget": "a budget for one pod would hold up every drain of its node",
    "statefulset-has-poddisruptionbudget": "the included stores have one pod, whose budget would hold up every drain",
    "statefulset-has-host-podantiaffinity": "the included stores have one pod",
    "pod-topology-spread-constraints": "a cluster's own shape decides (`global.topologySpreadConstraints`)",
}


@pytest.mark.parametrize("values", ["default-values", "production-values", "external-secrets-values"])
def test_what_kube_score_finds_has_its_reason(values: str) -> None:
    found = findings(CHART / "ci" / f"{values}.yaml")

    assert {check: where for check, where in found.items() if check not in REASONS} == {}


def findings(values: Path) -> dict[str, set[str]]:
    """What it would have otherwise: each check that isn't passed, and the objects that don't pass it."""
    content = "\n---\n".join(json.dumps(manifest) for manifest in render(values=values))
    command = [str(tool("kube-score")), "score", "--output-format", "json", "-"]
    done = subprocess.run(command, input=content, capture_output=True, text=True, check=False, timeout=120)
    found: dict[str, set[str]] = {}
    for judged in json.loads(done.stdout):
        for check in judged["checks"]:
            # 10: nothing to say; less is a warning, 1 is critical.
            if not check["skipped"] and check["grade"] < 10:
                found.setdefault(check["check"]["id"], set()).add(judged["object_name"])
    return found
