"""Renders the chart by Helm and finds things in what it rendered."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rowcast_local.provision.tools import tool

CHECKOUT = Path(__file__).parents[2]
CHART = CHECKOUT / "charts" / "rowcast"
CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
WORKLOADS = ("Deployment", "StatefulSet", "Job", "Pod")

Manifest = dict[str, Any]


class RefusedError(Exception):
    """Helm, the chart's schema or the chart itself refused the values; the text is what Helm said."""


@dataclass(frozen=True)
class Pod:
    """A pod as some object has it: the object's kind and name, and the pod's metadata and spec."""

    owner: str
    metadata: Manifest
    spec: Manifest

    @property
    def containers(self) -> list[Manifest]:
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    @property
    def environment(self) -> dict[str, Any]:
        """The first container's variables: a text, or where it comes from."""
        return {one["name"]: one.get("value", one.get("valueFrom")) for one in self.spec["containers"][0]["env"]}

    @property
    def annotations(self) -> dict[str, str]:
        return self.metadata.get("annotations") or {}


class _Strict(yaml.CSafeLoader):
    """As Kustomize and the API server read: a key may be there once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        twice = {str(key) for key in keys if keys.count(key) > 1}
        assert not twice, f"twice in one mapping, at{node.start_mark}: {sorted(twice)}"
        return super().construct_mapping(node, deep=deep)


def render(*settings: str, values: Path | None = None, crds_required: bool = False) -> list[Manifest]:
    """What `helm template rowcast` gives for `--set` texts and a file of values. Raises RefusedError."""
    return list(yaml.load_all(_template(settings, values, crds_required), _Strict))


@cache
def _template(settings: Sequence[str], values: Path | None, crds_required: bool) -> str:
    command = [str(tool("helm")), "template", "rowcast", str(CHART), "--namespace", "rowcast"]
    if not crds_required:
        command += ["--set", "global.dapr.requireCrds=false"]
    if values is not None:
        command += ["--values", str(values)]
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


def of_kind(manifests: Sequence[Manifest], kind: str) -> dict[str, Manifest]:
    """The objects of a kind, by name."""
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] == kind}


def one(manifests: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The object of that kind and name; raises KeyError."""
    return of_kind(manifests, kind)[name]


def pods(manifests: Sequence[Manifest]) -> Iterator[Pod]:
    """Every pod that there would be."""
    for manifest in manifests:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if kind == "Pod":
            yield Pod(f"{kind} {name}", manifest["metadata"], manifest["spec"])
        elif kind in WORKLOADS:
            template = manifest["spec"]["template"]
            yield Pod(f"{kind} {name}", template["metadata"], template["spec"])


def pod(manifests: Sequence[Manifest], component: str) -> Pod:
    """The pod of a part."""
    (found,) = (
        candidate
        for candidate in pods(manifests)
        if candidate.metadata["labels"]["app.kubernetes.io/component"] == component
    )
    return found
