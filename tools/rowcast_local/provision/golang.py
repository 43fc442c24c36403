"""Parts that are built from source by Go: each from a small module of ours that pins it and everything below it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    """A binary `name` of `version`: `package` built in `tools/go/<name>`; `variables` are set by the linker."""

    name: str
    version: str
    package: str
    variables: Mapping[str, str]
    prepare: Callable[[Path, Path, Commands], None] | None = None


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


PARTS = (
    GoPart(
        "daprd", "1.18.0", ".", {"github.com/dapr/dapr/pkg/buildinfo.version": "1.18.0"}, prepare=drop_component_check
    ),
    GoPart("kube-apiserver", "1.36.3", "k8s.io/kubernetes/cmd/kube-apiserver", kubernetes_version("1.36.3")),
    GoPart("etcd", "3.6.16", "go.etcd.io/etcd/server/v3", {}),
)


def go_step(part: GoPart, cache: Path, go: Path, needs: tuple[str, ...]) -> Step:
    """Builds `part` with the toolchain `go`, in a copy, so that the checkout stays as it is."""
    source = MODULES / part.name

    def build(folder: Path, commands: Commands) -> None:
        work = folder / "source"
        shutil.copytree(source, work)
        if part.prepare:
            part.prepare(work, go, commands)
        flags = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in part.variables.items())])
        output = folder / part.name
        commands.run(
            go, "build", "-ldflags", flags, "-o", output, part.package, folder=work, environment=GO_ENVIRONMENT
        )
        shutil.rmtree(work)

    target = cache / f"{part.name}-{part.version}-{source_key(source, part)}"
    return Step(f"{part.name} {part.version}", target, build, needs=needs, heavy=True)


def source_key(source: Path, part: GoPart) -> str:
    """Eight digits that change with the module's files and the way it is built."""
    content = hashlib.sha256(repr((part.package, sorted(part.variables.items()))).encode())
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
