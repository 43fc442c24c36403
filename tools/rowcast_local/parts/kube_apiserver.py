"""A Kubernetes API server: the real one, without nodes."""

import base64
from dataclasses import dataclass
from pathlib import Path

import yaml

from rowcast_local.credentials import Credentials, write_private
from rowcast_local.parts.certificates import settle_certificate, settle_key
from rowcast_local.ports import HOST
from rowcast_local.probes import answers
from rowcast_local.program import Program

ADMIN = "rowcast-admin"
SYNC = "rowcast-sync"
GITOPS = "rowcast-gitops"
SERVICE_RANGE = "10.96.0.0/16"


@dataclass(frozen=True)
class KubeApiServer:
    """One server with its certificate, keys and kubeconfigs in `folder`; its objects are in etcd at `etcd_url`."""

    binary: Path
    folder: Path
    port: int
    etcd_url: str
    credentials: Credentials
    namespace: str
    name: str = "kube-apiserver"

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"https://{HOST}:{self.port}"

    @property
    def certificate(self) -> Path:
        """What clients trust."""
        return self.folder / "apiserver.crt"

    @property
    def admin_kubeconfig(self) -> Path:
        """For the person at the keyboard: may do everything."""
        return self.folder / "kubeconfig"

    @property
    def sync_kubeconfig(self) -> Path:
        """For sync-k8s: may do what its Role says."""
        return self.folder / "sync.kubeconfig"

    @property
    def gitops_kubeconfig(self) -> Path:
        """For sync-git, where an engine makes its commits real: may ask that engine's Application."""
        return self.folder / "gitops.kubeconfig"

    @property
    def admin_headers(self) -> dict[str, str]:
        """For requests as the administrator."""
        return {"authorization": f"Bearer {self.credentials.kubernetes_admin}"}

    def prepare(self) -> None:
        """Makes keys, certificate, tokens and kubeconfigs."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        settle_certificate(self.certificate, settle_key(self._file("apiserver.key")))
        settle_key(self._file("service-accounts.key"))
        given = self.credentials
        tokens = [
            f"{given.kubernetes_admin},{ADMIN},{ADMIN},system:masters",
            f"{given.kubernetes_sync},{SYNC},{SYNC}",
            f"{given.kubernetes_gitops},{GITOPS},{GITOPS}",
        ]
        write_private(self._file("tokens.csv"), "\n".join(tokens) + "\n")
        write_private(self.admin_kubeconfig, self._kubeconfig(ADMIN, given.kubernetes_admin))
        write_private(self.sync_kubeconfig, self._kubeconfig(SYNC, given.kubernetes_sync))
        write_private(self.gitops_kubeconfig, self._kubeconfig(GITOPS, given.kubernetes_gitops))

    def program(self) -> Program:
        """The server's process; it ends if etcd isn't there within some 20 s, and then wants to be started again."""
        options = {
            "etcd-servers": self.etcd_url,
            "bind-address": HOST,
            "secure-port": str(self.port),
            "advertise-address": HOST,
            # There are no pods that could reach the server by a Service, and a loopback address is refused there.
            "endpoint-reconciler-type": "none",
            "tls-cert-file": str(self.certificate),
            "tls-private-key-file": str(self._file("apiserver.key")),
            "cert-dir": str(self.folder),
            "token-auth-file": str(self._file("tokens.csv")),
            "authorization-mode": "Node,RBAC",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": str(self._file("service-accounts.key")),
            "service-account-signing-key-file": str(self._file("service-accounts.key")),
            "service-cluster-ip-range": SERVICE_RANGE,
            "shutdown-delay-duration": "0s",
            "profiling": "false",
        }
        command = (str(self.binary), *(f"--{option}={value}" for option, value in options.items()))
        # Without etcd, which stops at the same time, it would wait for ever; nothing of value is in its memory.
        return Program(self.name, command, environment={}, directory=self.folder, stop_seconds=2)

    def ready(self) -> bool:
        """Whether it says so itself."""
        return self.certificate.exists() and answers(f"{self.url}/readyz", self.admin_headers, str(self.certificate))

    def _file(self, name: str) -> Path:
        return self.folder / name

    def _kubeconfig(self, user: str, token: str) -> str:
        authority = base64.b64encode(self.certificate.read_bytes()).decode()
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "rowcast", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [
                {"name": "rowcast", "context": {"cluster": "rowcast", "user": user, "namespace": self.namespace}}
            ],
            "current-context": "rowcast",
        }
        return yaml.safe_dump(content, sort_keys=False)
