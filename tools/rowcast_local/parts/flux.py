"""Flux as far as it takes to make commits real: its source-controller and its kustomize-controller.

Flux takes a repository by http or ssh only, so ours is served to it.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rowcast_local.credentials import Credentials, write_private
from rowcast_local.part import Part
from rowcast_local.parts.git_repository import GitRepository
from rowcast_local.parts.kube_apiserver import KubeApiServer
from rowcast_local.paths import CHECKOUT
from rowcast_local.ports import HOST
from rowcast_local.probes import answers, listens
from rowcast_local.program import Program

APPLICATION = "rowcast"


@dataclass(frozen=True)
class Flux:
    """Two controllers, and the server of the repository. `ports` are those of the platform.

    `namespace` has the GitRepository and the Kustomization, as a release has; `destination` the custom resources.
    """

    programs: Mapping[str, Path]
    folder: Path
    ports: Mapping[str, int]
    server: KubeApiServer
    repository: GitRepository
    credentials: Credentials
    namespace: str
    destination: str

    @property
    def url(self) -> str:
        """Where Flux finds the repository."""
        return f"http://{HOST}:{self.ports['git-http']}/{self.repository.folder.name}"

    @property
    def definitions(self) -> list[Path]:
        """Those of the kinds that are used, and of those that its controllers insist on."""
        folders = (self.programs["flux-source-crds"], self.programs["flux-kustomize-crds"])
        return [file for folder in folders for file in sorted(folder.glob("*.yaml")) if file.stem != "kustomization"]

    def parts(self) -> list[Part]:
        """Its processes."""
        ports = self.ports
        needs = ("kube-apiserver", "git-http")
        return [
            Part(self._git_http(), lambda: listens(ports["git-http"]), self._prepare, ports["git-http"]),
            Part(
                self._controller(
                    "source-controller",
                    {
                        "storage-path": str(self.folder / "artifacts"),
                        "storage-addr": f"{HOST}:{ports['flux-artifacts']}",
                        "storage-adv-addr": f"{HOST}:{ports['flux-artifacts']}",
                    },
                ),
                lambda: self._ready("source-controller"),
                port=ports["flux-source-controller"],
                needs=needs,
            ),
            Part(
                self._controller("kustomize-controller", {}),
                lambda: self._ready("kustomize-controller"),
                port=ports["flux-kustomize-controller"],
                needs=("kube-apiserver", "flux-source-controller"),
            ),
        ]

    def _prepare(self) -> None:
        for name in ("artifacts", "source-controller", "kustomize-controller"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._password, self.credentials.git_http)

    @property
    def _password(self) -> Path:
        return self.folder / "git-http.password"

    def _git_http(self) -> Program:
        options = {
            "folder": str(self.repository.folder.parent),
            "port": str(self.ports["git-http"]),
            "password-file": str(self._password),
        }
        given = (f"--{name}={value}" for name, value in options.items())
        command = (sys.executable, "-m", "rowcast_local.git_http", *given)
        return Program("git-http", command, environment={}, directory=CHECKOUT, stop_seconds=2)

    def _controller(self, name: str, options: Mapping[str, str]) -> Program:
        folder = self.folder / name
        given = {
            "metrics-addr": "0",
            "health-addr": f"{HOST}:{self.ports[f'flux-{name}']}",
            "log-level": "info",
            # It alone decides how often it looks; by default it waits longer by up to a tenth, at random.
            "interval-jitter-percentage": "0",
            **options,
        }
        environment = {
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "KUBECONFIG": str(self.server.admin_kubeconfig),
            "RUNTIME_NAMESPACE": self.namespace,
        }
        command = (str(self.programs[name]), *(f"--{option}={value}" for option, value in given.items()))
        return Program(f"flux-{name}", command, environment, folder, stop_seconds=5, awaits=(self.server.port,))

    def _ready(self, name: str) -> bool:
        return answers(f"http://{HOST}:{self.ports[f'flux-{name}']}/readyz")
