"""The programs that make a cluster of objects: etcd, the API server, the controllers, the scheduler."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from rowcast_cluster.authority import Authority
from rowcast_cluster.network import Network
from rowcast_local.program import Program

API_PORT = 6443
ETCD_PORT, ETCD_PEER_PORT = 2379, 2380
AUDIT_MEGABYTES = 500
# Who used which verb on what: bodies aren't needed for that, and they have secrets in them.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True)
class ControlPlane:
    """Its programs by name, in `binaries`; its files are in `folder`."""

    binaries: Mapping[str, Path]
    folder: Path
    network: Network
    authority: Authority

    @property
    def url(self) -> str:
        """The API server."""
        return f"https://{self.network.node}:{API_PORT}"

    @property
    def audit_log(self) -> Path:
        """A line of JSON for each request."""
        return self.folder / "audit.log"

    def programs(self) -> list[Program]:
        """Writes what they read, and says how they are run."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return [self._etcd(), self._api_server(), self._controllers(), self._scheduler()]

    def program(self, name: str, options: dict[str, object], awaits: tuple[int, ...] = ()) -> Program:
        """A program of the cluster: it is never stopped, only killed with everything else."""
        command = (str(self.binaries[name]), *(f"--{option}={value}" for option, value in options.items()))
        return Program(name, command, {}, self.folder, awaits=awaits)

    def _etcd(self) -> Program:
        client, peer = f"http://127.0.0.1:{ETCD_PORT}", f"http://127.0.0.1:{ETCD_PEER_PORT}"
        options: dict[str, object] = {
            "name": "node",
            "data-dir": self.folder / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"node={peer}",
            "log-level": "warn",
            # Its data ends with the cluster, whichever way that ends.
            "unsafe-no-fsync": "true",
        }
        return self.program("etcd", options)

    def _api_server(self) -> Program:
        network, authority = self.network, self.authority
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
        hosts = [network.node, network.api_service, "127.0.0.1", "localhost", *names]
        certificate, key = authority.issue("kube-apiserver", "kube-apiserver", hosts=hosts)
        to_kubelet, to_kubelet_key = authority.issue("kubelet-client", "kube-apiserver", ["system:masters"])
        accounts = authority.key("service-accounts")
        policy = self.folder / "audit-policy.yaml"
        policy.write_text(yaml.safe_dump(AUDIT_POLICY))
        options: dict[str, object] = {
            "etcd-servers": f"http://127.0.0.1:{ETCD_PORT}",
            "advertise-address": network.node,
            "secure-port": API_PORT,
            "service-cluster-ip-range": network.services,
            "tls-cert-file": certificate,
            "tls-private-key-file": key,
            "client-ca-file": authority.certificate,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "allow-privileged": "true",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": accounts,
            "service-account-signing-key-file": accounts,
            "kubelet-client-certificate": to_kubelet,
            "kubelet-client-key": to_kubelet_key,
            "kubelet-certificate-authority": authority.certificate,
            "kubelet-preferred-address-types": "InternalIP",
            "audit-policy-file": policy,
            "audit-log-path": self.audit_log,
            "audit-log-maxsize": AUDIT_MEGABYTES,
            "profiling": "false",
        }
        return self.program("kube-apiserver", options, (ETCD_PORT,))

    def _controllers(self) -> Program:
        options = {
            "root-ca-file": self.authority.certificate,
            "service-account-private-key-file": self.authority.key("service-accounts"),
            "use-service-account-credentials": "true",
        }
        return self._client("kube-controller-manager", options)

    def _scheduler(self) -> Program:
        return self._client("kube-scheduler", {})

    def _client(self, name: str, options: Mapping[str, object]) -> Program:
        """One that knows the API server by a kubeconfig of its own, and lets it judge who may ask itself."""
        config = self.authority.kubeconfig(name, self.url, f"system:{name}")
        common: dict[str, object] = {
            "kubeconfig": config,
            "authentication-kubeconfig": config,
            "authorization-kubeconfig": config,
            "bind-address": "127.0.0.1",
            "leader-elect": "false",
        }
        return self.program(name, {**common, **options}, (API_PORT,))
