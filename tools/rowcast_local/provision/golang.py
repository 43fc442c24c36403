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

    return Step(f"{part.name} {part.version}", built_folder(part, cache), build, needs=needs, heavy=True)


def built_folder(part: GoPart | GoFiles, cache: Path) -> Path:
    """Where in `cache` it is once it is made."""
    return cache / f"{part.name}-{part.version}-{source_key(part.source, part)}"


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
