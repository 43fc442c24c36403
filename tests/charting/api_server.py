"""A judge of manifests: a real API server that knows Dapr, Argo CD, Flux, KEDA and operators of metrics and secrets."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from processes import running
from rowcast_local.credentials import Credentials
from rowcast_local.parts.etcd import Etcd
from rowcast_local.parts.kube_apiserver import KubeApiServer
from rowcast_local.paths import cache_folder
from rowcast_local.ports import free_ports
from rowcast_local.provision.go_parts import ARGOCD_CRDS, DAPR, FLUX_CRDS
from rowcast_local.provision.golang import GoFiles
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.toolbox import provide, provide_built

CRDS = (
    GoFiles("dapr-chart", DAPR, "github.com/dapr/dapr", "charts/dapr", module="daprd"),
    ARGOCD_CRDS,
    *FLUX_CRDS,
    GoFiles("gateway-api-crds", "1.4.1", "sigs.k8s.io/gateway-api", "config/crd/standard", module="crds"),
    GoFiles(
        "external-secrets-crds",
        "1.3.2",
        "github.com/external-secrets/external-secrets",
        "config/crds/bases",
        module="crds",
    ),
    GoFiles("keda-crds", "2.18.0", "github.com/kedacore/keda/v2", "config/crd/bases", module="crds"),
    GoFiles(
        "prometheus-operator-crds",
        "0.85.0",
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd",
        module="crds",
    ),
)


def crd_folders() -> list[Path]:
    """The folders with the operators' CRDs, got by Go from their modules if they aren't in the cache."""
    folders = provide_built(CRDS, cache_folder(), Progress())
    return [folder / "crds" if (folder / "crds").is_dir() else folder for folder in folders.values()]


@dataclass(frozen=True)
class Judge:
    """One API server, as its administrator sees it by kubectl."""

    kubectl: Path
    kubeconfig: Path

    def run(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """kubectl's end, whatever it was."""
        return subprocess.run(
            [self.kubectl, f"--kubeconfig={self.kubeconfig}", *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def must(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl printed; an AssertionError with its complaint if it failed."""
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, manifests: Sequence[dict[str, Any]]) -> None:
        """Puts them there."""
        content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        self.must("apply", "--server-side", "--force-conflicts", "-f", "-", given=content)

    def complaints(self, manifests: Sequence[dict[str, Any]]) -> str:
        """What the API server would refuse or warn of; nothing is kept."""
        content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        options = ("--server-side", "--dry-run=server", "--validate=strict")
        done = self.run("apply", *options, "-f", "-", given=content)
        return done.stderr


@contextmanager
def judge(folder: Path) -> Iterator[Judge]:
    """Starts etcd and an API server in `folder`, with all resource types, and ends them."""
    toolbox = provide(cache_folder(), Progress())
    ports = free_ports()
    etcd = Etcd(toolbox.etcd, folder / "etcd", next(ports), next(ports))
    server = KubeApiServer(
        toolbox.kube_apiserver, folder / "kubernetes", next(ports), etcd.url, Credentials(), namespace="rowcast"
    )
    with ExitStack() as stack:
        for part in (etcd, server):
            part.prepare()
            program = replace(part.program(), stop_signal="KILL")  # nothing of it is kept
            stack.enter_context(running(program, part.ready, program.directory / "log"))
        made = Judge(toolbox.kubectl, server.admin_kubeconfig)
        for crds in crd_folders():
            files = [f"--filename={file}" for file in sorted(crds.glob("*.yaml")) if file.name != "kustomization.yaml"]
            made.must("apply", "--server-side", *files)
        made.must("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        yield made
