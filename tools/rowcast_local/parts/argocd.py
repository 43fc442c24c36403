"""Argo CD as far as it takes to make commits real: its repo-server and its application-controller."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rowcast_local.credentials import Credentials
from rowcast_local.part import Part
from rowcast_local.parts.git_repository import GitRepository
from rowcast_local.parts.kube_apiserver import KubeApiServer
from rowcast_local.parts.redis import Redis
from rowcast_local.ports import HOST
from rowcast_local.probes import answers
from rowcast_local.program import Program

NAMESPACE = "argocd"
APPLICATION = "rowcast"
RESYNC_SECONDS = 3600
"""Long, so that it is Rowcast's own asking that makes a commit arrive in seconds."""


@dataclass(frozen=True)
class ArgoCD:
    """One program whose name says which part it is. `ports` are those of the platform.

    `destination` is the namespace that the custom resources go to.
    """

    binary: Path
    crds: Path
    folder: Path
    ports: Mapping[str, int]
    server: KubeApiServer
    redis: Redis
    repository: GitRepository
    credentials: Credentials
    destination: str

    def parts(self) -> list[Part]:
        """Its processes, and the cache that they share."""
        redis = self.redis
        return [
            Part(redis.program(), redis.ready, redis.prepare, redis.port),
            Part(
                self._repo_server(),
                lambda: answers(f"{self._at('argocd-repo-server-metrics')}/healthz?full=true"),
                self._prepare,
                self.ports["argocd-repo-server"],
                ("kube-apiserver", "redis"),
            ),
            Part(
                self._controller(),
                lambda: answers(f"{self._at('argocd-application-controller')}/healthz"),
                port=self.ports["argocd-application-controller"],
                needs=("kube-apiserver", "redis", "argocd-repo-server"),
            ),
        ]

    def _prepare(self) -> None:
        # The name by which the program is called says which of its parts it is.
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("repo-server", "application-controller"):
            (self.folder / name).mkdir(exist_ok=True)
            link = self._called(name)
            link.unlink(missing_ok=True)
            link.symlink_to(self.binary)

    def _repo_server(self) -> Program:
        options = {
            "address": HOST,
            "port": str(self.ports["argocd-repo-server"]),
            "metrics-address": HOST,
            "metrics-port": str(self.ports["argocd-repo-server-metrics"]),
            "redis": self.redis.address,
            "disable-tls": "true",
        }
        return self._program("repo-server", options)

    def _controller(self) -> Program:
        options = {
            "kubeconfig": str(self.server.admin_kubeconfig),
            "namespace": NAMESPACE,
            "repo-server": f"{HOST}:{self.ports['argocd-repo-server']}",
            "repo-server-plaintext": "true",
            "metrics-port": str(self.ports["argocd-application-controller"]),
            "redis": self.redis.address,
            "app-resync": str(RESYNC_SECONDS),
            "app-resync-jitter": "0",
        }
        return self._program("application-controller", options)

    def _program(self, name: str, options: Mapping[str, str]) -> Program:
        folder = self.folder / name
        environment = {
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "REDIS_PASSWORD": self.credentials.redis,
            # It would want a keyring, for signatures that nobody asks for.
            "ARGOCD_GPG_ENABLED": "false",
        }
        given = (f"--{option}={value}" for option, value in {"loglevel": "info", **options}.items())
        return Program(f"argocd-{name}", (str(self._called(name)), *given), environment, folder, stop_seconds=5)

    def _called(self, name: str) -> Path:
        return self.folder / f"argocd-{name}"

    def _at(self, port: str) -> str:
        return f"http://{HOST}:{self.ports[port]}"
