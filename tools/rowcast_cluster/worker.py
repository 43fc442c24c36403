"""The programs that make a node of a machine: containerd, the kubelet, kube-proxy, kube-router."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from rowcast_cluster.commands import run
from rowcast_cluster.control_plane import API_PORT, ControlPlane
from rowcast_cluster.images import PAUSE
from rowcast_cluster.machine import PLUGINS, search_path
from rowcast_local.program import Program

NODE = "node"
CRI = "io.containerd.grpc.v1.cri"


@dataclass(frozen=True)
class Worker:
    """The node of `control_plane`, its files in `folder`, its control groups below `cgroup`."""

    control_plane: ControlPlane
    folder: Path
    socket: Path
    cgroup: str

    def programs(self) -> list[Program]:
        """Writes what they read, and says how they are run."""
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        return [self._containerd(), self._kubelet(), self._proxy(), self._policies()]

    def _containerd(self) -> Program:
        networks = self._folder("cni") / "10-rowcast.conflist"
        networks.write_text(json.dumps(self._pod_network()))
        file = self.folder / "containerd.toml"
        file.write_text(self._containerd_settings(networks.parent))
        command = (shutil.which("containerd", path=search_path()) or "containerd", "--config", str(file))
        return Program("containerd", command, {}, self.folder)

    def _containerd_settings(self, networks: Path) -> str:
        # JSON's strings are TOML's.
        quote = json.dumps
        state = self._folder("containerd")
        return f"""version = 2
root = {quote(str(state / "root"))}
state = {quote(str(state / "state"))}
[grpc]
address = {quote(str(self.socket))}
[plugins."io.containerd.internal.v1.opt"]
path = {quote(str(state / "opt"))}
[plugins."{CRI}"]
sandbox_image = {quote(PAUSE)}
# Without CAP_SYS_RESOURCE, as in many a CI's machine, no sandbox starts otherwise.
restrict_oom_score_adj = true
[plugins."{CRI}".cni]
bin_dir = {quote(str(PLUGINS))}
conf_dir = {quote(str(networks))}
[plugins."{CRI}".containerd]
snapshotter = {quote(self._snapshotter())}
[plugins."{CRI}".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""

    def _snapshotter(self) -> str:
        # An overlay can't be laid over another one.
        kind = run("findmnt", "--noheadings", "--output=FSTYPE", "--target", self.folder).strip()
        return "native" if kind == "overlay" else "overlayfs"

    def _pod_network(self) -> dict[str, object]:
        """Each pod is linked to the node alone: so all between pods passes the node's rules, without br_netfilter."""
        addresses = {
            "type": "host-local",
            "ranges": [[{"subnet": str(self.control_plane.network.pods)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(self.folder / "addresses"),
        }
        plugins: list[dict[str, object]] = [
            {"type": "ptp", "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ]
        return {"cniVersion": "0.4.0", "name": "rowcast", "plugins": plugins}

    def _kubelet(self) -> Program:
        plane = self.control_plane
        address = plane.network.node
        certificate, key = plane.authority.issue("kubelet", f"system:node:{NODE}", ["system:nodes"], [address, NODE])
        config = plane.authority.kubeconfig("kubelet-node", plane.url, f"system:node:{NODE}", ["system:nodes"])
        resolver = self.folder / "resolv.conf"
        resolver.write_text("# Nothing outside the cluster has a name here.\n")
        settings = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(plane.authority.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(certificate),
            "tlsPrivateKeyFile": str(key),
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "clusterDomain": "cluster.local",
            "clusterDNS": [plane.network.dns_service],
            "resolvConf": str(resolver),
            "podLogsDir": str(self._folder("pod-logs")),
            "volumePluginDir": str(self._folder("plugins")),
            # Maps and secrets reach running pods within this time: Dapr's control plane waits for one at its start.
            "syncFrequency": "5s",
            # A full disk is the machine's trouble, not the test's.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
        }
        options: dict[str, object] = {
            "config": self._write("kubelet.yaml", settings),
            "kubeconfig": config,
            "hostname-override": NODE,
            "node-ip": address,
            "root-dir": self._folder("kubelet"),
        }
        return plane.program("kubelet", options, (API_PORT,))

    def _proxy(self) -> Program:
        plane = self.control_plane
        config = plane.authority.kubeconfig("kube-proxy", plane.url, "system:kube-proxy")
        settings = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clientConnection": {"kubeconfig": str(config)},
            "clusterCIDR": str(plane.network.pods),
            "hostnameOverride": NODE,
            "oomScoreAdj": 0,
            # Zero leaves the machine's own limits as they are.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
        return plane.program("kube-proxy", {"config": self._write("kube-proxy.yaml", settings)}, (API_PORT,))

    def _policies(self) -> Program:
        """What enforces network policies. Pods have their addresses from elsewhere, and services are kube-proxy's."""
        plane = self.control_plane
        options: dict[str, object] = {
            "kubeconfig": plane.authority.kubeconfig(
                "kube-router", plane.url, "rowcast-kube-router", ["system:masters"]
            ),
            "hostname-override": NODE,
            "service-cluster-ip-range": plane.network.services,
            "run-firewall": "true",
            "run-router": "false",
            "run-service-proxy": "false",
            "run-loadbalancer": "false",
            "enable-ipv6": "false",
            "health-port": 0,
        }
        return plane.program("kube-router", options, (API_PORT,))

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(mode=0o711, exist_ok=True)
        return folder

    def _write(self, name: str, content: object) -> Path:
        file = self.folder / name
        file.write_text(yaml.safe_dump(content))
        return file
