"""Parts that are built from source by Go: each from a small module of ours that pins it and everything below it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rowcast_local.paths import CHECKOUT
from rowcast_local.provision.commands import Commands
from rowcast_local.provision.step import Step

MODULES = CHECKOUT / "tools" / "go"
# GOTOOLCHAIN=local: the Go that we chose, not one that it would download. A user's own GOFLAGS must not matter.
GO_ENVIRONMENT: Mapping[str, str] = {
    "CGO_ENABLED": "0",
    "GOTOOLCHAIN": "local",
    "GOFLAGS": "-mod=mod -trimpath",
    "GOWORK": "off",
    "GO111MODULE": "on",
    "GOROOT": "",
}


@dataclass(frozen=True)
class GoPart:
    """A binary `name` of `version`: `package` built in `tools/go/<module>`; `variables` are set by the linker.

    Several binaries may come from one module; `module` is the binary's name unless it is given.
    """

    name: str
    version: str
    package: str
    variables: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path, Path, Commands], None] | None = None
    module: str = ""
    tags: str = ""

    @property
    def source(self) -> Path:
        """The folder of its module."""
        return MODULES / (self.module or self.name)


@dataclass(frozen=True)
class GoFiles:
    """The folder `folder` of the module `package` of `version`, as the module in `tools/go/<module>` requires it."""

    name: str
    version: str
    package: str
    folder: str
    module: str

    @property
    def source(self) -> Path:
        """The folder of our module."""
        return MODULES / self.module


def kubernetes_version(version: str) -> dict[str, str]:
    """Without these a client takes the API server for version 0 and refuses it."""
    major, minor, _ = version.split(".")
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": value for package in packages for name, value in values.items()}


def drop_component_check(folder: Path, go: Path, commands: Commands) -> None:
    """Lets `main.go` choose daprd's components.

    Dapr's own package panics at start unless it is built with all of them, which takes much longer than all the rest.
    So its module is copied beside ours, and the file that panics is replaced by an empty one.
    """
    commands.run(go, "mod", "download", "github.com/dapr/dapr", folder=folder, environment=GO_ENVIRONMENT)
    source = module_folder(go, "github.com/dapr/dapr", folder)
    copy = folder / "dapr"
    shutil.copytree(source, copy, copy_function=shutil.copyfile)
    (copy / "cmd" / "daprd" / "components" / "zz_notag.go").write_text("package components\n")
    commands.run(go, "mod", "edit", "-replace=github.com/dapr/dapr=./dapr", folder=folder, environment=GO_ENVIRONMENT)


def module_folder(go: Path, module: str, folder: Path) -> Path:
    """Where Go keeps the source of `module`, as required by the module in `folder`."""
    command = (str(go), "list", "-m", "-json", module)
    listed = subprocess.run(command, cwd=folder, env={**os.environ, **GO_ENVIRONMENT}, capture_output=True, check=True)
    return Path(json.loads(listed.stdout)["Dir"])


DAPR, KUBERNETES = "1.18.0", "1.36.3"
DAPR_VARIABLES = {"github.com/dapr/dapr/pkg/buildinfo.version": DAPR}


def kubernetes_part(name: str) -> GoPart:
    """One of Kubernetes' programs."""
    package = f"k8s.io/kubernetes/cmd/{name}"
    return GoPart(name, KUBERNETES, package, kubernetes_version(KUBERNETES), module="kubernetes")


def dapr_part(name: str) -> GoPart:
    """One of the programs of Dapr's control plane: their components are none of ours."""
    package = f"github.com/dapr/dapr/cmd/{name}"
    return GoPart(f"dapr-{name}", DAPR, package, DAPR_VARIABLES, module="daprd", tags="stablecomponents")


# What the local platform runs.
PARTS = (
    GoPart("daprd", DAPR, ".", DAPR_VARIABLES, prepare=drop_component_check),
    kubernetes_part("kube-apiserver"),
    GoPart("etcd", "3.6.16", "go.etcd.io/etcd/server/v3"),
)
# What writes, renders and judges the packages of Rowcast.
PACKAGING_TOOLS: tuple[GoPart | GoFiles, ...] = (
    GoPart("helm", "4.3.1", "helm.sh/helm/v4/cmd/helm", {"helm.sh/helm/v4/internal/version.version": "v4.3.1"}),
    GoPart("kustomize", "5.8.1", "sigs.k8s.io/kustomize/kustomize/v5"),
    GoPart("kubeconform", "0.7.0", "github.com/yannh/kubeconform/cmd/kubeconform", {"main.version": "v0.7.0"}),
    GoPart("helm-docs", "1.14.2", "github.com/norwoodj/helm-docs/cmd/helm-docs", {"main.version": "1.14.2"}),
    # It judges alerts; the many services that Prometheus can discover, and their clients, are not asked for.
    GoPart(
        "promtool",
        "3.13.0",
        "github.com/prometheus/prometheus/cmd/promtool",
        {"github.com/prometheus/common/version.Version": "3.13.0"},
        tags="remove_all_sd",
    ),
)
# What `./task chaos` cuts and slows links with.
FAULT_TOOLS: tuple[GoPart | GoFiles, ...] = (
    GoPart("toxiproxy", "2.5.0", "github.com/Shopify/toxiproxy/v2/cmd/server"),
)
# What runs in every cluster for tests.
CLUSTER_PARTS: tuple[GoPart | GoFiles, ...] = (
    *map(dapr_part, ("operator", "injector", "sentry", "placement")),
    GoFiles("dapr-chart", DAPR, "github.com/dapr/dapr", "charts/dapr", module="daprd"),
    GoPart("probe", "1", "."),
)
# What a cluster has besides when it is made of this machine's own parts.
NODE_PARTS: tuple[GoPart | GoFiles, ...] = (
    *map(kubernetes_part, ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")),
    GoPart("coredns", "1.14.0", "github.com/coredns/coredns"),
    GoPart("pause", "1", "."),
)


def go_step(part: GoPart | GoFiles, cache: Path, go: Path, needs: tuple[str, ...]) -> Step:
    """Makes `part` with the toolchain `go`, in a copy, so that the checkout stays as it is."""

    def build(folder: Path, commands: Commands) -> None:
        work = folder / "source"
        shutil.copytree(part.source, work)
        if isinstance(part, GoPart):
            _compile(part, work, folder / part.name, go, commands)
        else:
            _copy(part, work, folder / part.name, go, commands)
        shutil.rmtree(work)

    target = cache / f"{part.name}-{part.version}-{source_key(part.source, part)}"
    return Step(f"{part.name} {part.version}", target, build, needs=needs, heavy=True)


def _compile(part: GoPart, work: Path, output: Path, go: Path, commands: Commands) -> None:
    if part.prepare:
        part.prepare(work, go, commands)
    flags = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in part.variables.items())])
    options = ("-tags", part.tags, "-ldflags", flags, "-o", output)
    commands.run(go, "build", *options, part.package, folder=work, environment=GO_ENVIRONMENT)


def _copy(part: GoFiles, work: Path, output: Path, go: Path, commands: Commands) -> None:
    commands.run(go, "mod", "download", part.package, folder=work, environment=GO_ENVIRONMENT)
    shutil.copytree(module_folder(go, part.package, work) / part.folder, output, copy_function=shutil.copyfile)


def source_key(source: Path, part: GoPart | GoFiles) -> str:
    """Eight digits that change with the module's files and the way it is built."""
    how = (part.package, part.tags, sorted(part.variables.items())) if isinstance(part, GoPart) else part
    content = hashlib.sha256(repr(how).encode())
    for file in sorted(path for path in source.iterdir() if path.is_file()):
        content.update(file.name.encode() + file.read_bytes())
    return content.hexdigest()[:8]


def required_go(modules: Path = MODULES) -> tuple[int, ...]:
    """The newest Go that one of our modules asks for."""
    return max(version_in(_go_directive(file.read_text())) for file in modules.glob("*/go.mod"))


def _go_directive(text: str) -> str:
    found = re.search(r"^go (\S+)$", text, re.MULTILINE)
    return found[1] if found else "0"


def version_in(text: str) -> tuple[int, ...]:
    """The first version in `text`, such as (1, 36, 3) for `Kubernetes v1.36.3`; () if there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(number) for number in found[0].split(".")) if found else ()
