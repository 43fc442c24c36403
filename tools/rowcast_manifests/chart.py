"""The chart's rendering as Kustomize wants it: what Helm would send to the cluster, without Helm's own marks."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rowcast_manifests.objects import Manifest, parse

RELEASE = "rowcast"
NAMESPACE = "the-releases-namespace"
"""Found nowhere else: what is left of it in an object is a place where a namespace would be wrong elsewhere."""

_OF_HELM = ("app.kubernetes.io/managed-by", "helm.sh/chart")


class RenderingError(Exception):
    """Helm refused; the message is what it said."""


def render(helm: Path, chart: Path, values: Mapping[str, Any], namespace: str = NAMESPACE) -> list[Manifest]:
    """Every object that `helm install` would make with `values`, hooks and tests aside. Raises RenderingError."""
    command = [str(helm), "template", RELEASE, str(chart), "--namespace", namespace, "--include-crds", "--no-hooks"]
    done = subprocess.run(
        [*command, "--values", "-"], input=json.dumps(values), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RenderingError(done.stderr.strip())
    return list(parse(done.stdout).values())


def portable(manifest: Manifest) -> Manifest:
    """The object without the labels that name Helm, and without a namespace wherever it is the release's own.

    Raises RenderingError where the namespace is part of something else: no overlay could put another one there.
    """
    stripped: Manifest = _stripped(manifest)
    if NAMESPACE in json.dumps(stripped):
        raise RenderingError(f"{manifest['kind']} {manifest['metadata']['name']} has the namespace inside a value")
    return stripped


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _stripped(entry)
            for key, entry in value.items()
            if key not in _OF_HELM and not (key.lower().endswith("namespace") and entry == NAMESPACE)
        }
    if isinstance(value, list):
        return [_stripped(entry) for entry in value]
    return value
