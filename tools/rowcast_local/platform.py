"""One platform: all its parts, from a folder. The command line and the tests' fixtures both use it."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import httpx

from rowcast_local.accounts import substitute_folder
from rowcast_local.assembly import APPS, GITOPS_NAMESPACE, NAMESPACE, Blueprint, sync_of
from rowcast_local.broker import PART_OF, Capture, Kind
from rowcast_local.credentials import settle_credentials, write_private
from rowcast_local.errors import LocalError
from rowcast_local.failures import Ends, account
from rowcast_local.part import Part
from rowcast_local.parts.cluster_objects import apply_all, apply_cluster_objects
from rowcast_local.parts.kafka import KafkaStorageError
from rowcast_local.paths import CHECKOUT, State, cache_folder
from rowcast_local.ports import HOST, load_ports, settle_ports
from rowcast_local.program import Program
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.toolbox import Toolbox, provide
from rowcast_local.renderers import apply_renderers
from rowcast_local.set_settings import Settings, load_settings
from rowcast_local.supervise import ProcessState, Supervisor

READY_SECONDS = 120.0
UNREADY = "it runs, and is not ready"
SLOT = "rowcast"
POLL_SECONDS = 0.1
# What others still write to while they stop.
STORES = ("postgres", "etcd", *PART_OF.values(), "rabbitmq-epmd")


class PlatformError(LocalError):
    """The platform isn't as it should be for what was asked; the text says what to do."""


class Platform:
    """The parts of one platform, whose files are all below `folder`.

    `free_ports` takes no default ports; `without` names parts that shall not start; `settings` adds to the environment
    of parts, by name; `gitops` is the engine that makes commits real (empty: none), `broker` what carries the messages,
    `capture` what captures the changes, `renderers` the folder of declarations that are applied (empty: none),
    `targets` the names of further clusters, which are namespaces here. None for any of them is what it was started with
    before. Raises PlatformError, PackageError, StepError or SupervisorError where something can't be had.
    """

    def __init__(
        self,
        folder: Path,
        *,
        checkout: Path = CHECKOUT,
        free_ports: bool = False,
        without: Collection[str] = (),
        settings: Settings | None = None,
        gitops: str | None = None,
        broker: str | None = None,
        capture: str | None = None,
        renderers: str | None = None,
        targets: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.state = State(folder)
        self._checkout = checkout
        self._free_ports = free_ports
        self._without = frozenset(without)
        self._settings = settings
        self._gitops = gitops
        self._broker = broker
        self._capture = capture
        self._renderers = renderers
        self._targets = targets
        self._progress = progress or Progress()
        self.supervisor = Supervisor(self.state)
        self._not_applied = ""

    @property
    def running(self) -> bool:
        """Whether its supervisor is there; its parts may still be on their way."""
        return self.supervisor.running()

    @property
    def gitops(self) -> str:
        """The engine that makes commits real; empty for none."""
        if self._gitops is not None:
            return self._gitops
        return self.state.gitops.read_text() if self.state.gitops.exists() else ""

    @property
    def broker(self) -> Kind:
        """What carries the messages."""
        return Kind(self._broker) if self._broker is not None else self.broker_before or Kind.KAFKA

    @property
    def broker_before(self) -> Kind | None:
        """What carried them when it was started last; None if it never was."""
        return Kind(text) if (text := _text(self.state.broker, "kafka" if self._has_data("kafka") else "")) else None

    @property
    def capture(self) -> Capture:
        """What captures the changes. Raises PlatformError where Connect is asked for without Kafka."""
        if self.broker is Kind.KAFKA:
            before = self.capture_before if self.broker_before is Kind.KAFKA else None
            return Capture(self._capture) if self._capture is not None else before or Capture.CONNECT
        if self._capture == Capture.CONNECT:
            raise PlatformError(f"Kafka Connect needs Kafka: with {self.broker} it is the engine that captures")
        return Capture.ENGINE

    @property
    def capture_before(self) -> Capture | None:
        """What captured them when it was started last; None if it never was."""
        before = _text(self.state.capture, "connect" if self._has_data("connect") else "")
        return Capture(before) if before else None

    @property
    def renderers(self) -> Path | None:
        """The folder with the declarations that are applied; None for none. Raises PlatformError if it isn't there."""
        folder = self._renderers if self._renderers is not None else _text(self.state.renderers, "")
        if folder and not Path(folder).is_dir():
            raise PlatformError(
                f"--renderers {folder}: there is no such folder; name another one, or none by --renderers="
            )
        return Path(folder) if folder else None

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of further clusters."""
        if self._targets is not None:
            return tuple(self._targets)
        return tuple(filter(None, _text(self.state.targets, "").split(",")))

    @property
    def change(self) -> tuple[Kind, Capture] | None:
        """The broker and the capture that the next start takes over from; None if there are none, or the same."""
        before = (self.broker_before, self.capture_before)
        if before[0] is None or before[1] is None or before == (self.broker, self.capture):
            return None
        return before[0], before[1]

    @property
    def settings(self) -> Settings:
        """What is added to the environment of parts."""
        if self._settings is not None:
            return self._settings
        return load_settings(self.state.settings)

    @cached_property
    def toolbox(self) -> Toolbox:
        """The programs of all parts, got if they are missing."""
        return provide(cache_folder(), self._progress, gitops=self.gitops, broker=self.broker)

    @cached_property
    def blueprint(self) -> Blueprint:
        """What the parts are made from. Raises PlatformError before the platform was started for the first time."""
        ports = load_ports(self.state.ports, self.targets)
        if ports is None or not self.state.toolbox.exists():
            raise PlatformError("no platform here yet: start one with ./task up")
        credentials = settle_credentials(self.state.credentials)
        toolbox = Toolbox.from_json(self.state.toolbox.read_text())
        return Blueprint(
            toolbox,
            self.state,
            ports,
            credentials,
            self._checkout,
            self.settings,
            self.gitops,
            kind=self.broker,
            capture=self.capture,
            targets=self.targets,
        )

    @cached_property
    def parts(self) -> dict[str, Part]:
        """The parts by name, except those that the platform was started without."""
        everything = self.blueprint.parts()
        without = json.loads(self.state.without.read_text())
        return {part.name: part for part in everything if part.name not in without}

    @property
    def programs(self) -> list[Program]:
        """The processes of all parts."""
        return [part.program for part in self.parts.values()]

    def start(self) -> None:
        """Starts every part at once and returns; `wait_ready` waits. Nothing happens to a platform that runs."""
        if self.running:
            return
        broker, capture, change = self.broker, self.capture, self.change
        toolbox = self.toolbox
        self.state.create()
        self.state.without.write_text(json.dumps(sorted(self._without)))
        self.state.gitops.write_text(self.gitops)
        write_private(self.state.settings, json.dumps(self.settings, indent=1))
        self.state.targets.write_text(",".join(self.targets))
        settle_ports(self.state.ports, all_free=self._free_ports, targets=self.targets)
        write_private(self.state.toolbox, toolbox.to_json())
        self.__dict__.pop("blueprint", None)
        self.__dict__.pop("parts", None)
        if change:
            self._change_over(*change)
        self.state.broker.write_text(broker)
        self.state.capture.write_text(capture)
        self.blueprint.place_broker()
        self._prepare()
        self.supervisor.start(self.programs)

    def apply_renderers(self) -> str:
        """Applies the declarations, once everything is ready; the folder is kept for the next start.

        A line for each declaration. Raises RenderersError, PlatformError.
        """
        folder = self.renderers
        self.state.renderers.write_text(str(folder or ""))
        return "" if folder is None else apply_renderers(self.blueprint, folder)

    def stop(self) -> None:
        """Stops every part and keeps the data."""
        self.supervisor.stop(last=STORES)

    def destroy(self) -> None:
        """Stops every part and throws the data away."""
        self.stop()
        # Both, whichever it was: with the folder gone, it can't be told any more who could reach it.
        for folder in (self.state.folder, substitute_folder(self.state.folder)):
            shutil.rmtree(folder, ignore_errors=True)

    def wait_ready(self, seconds: float = READY_SECONDS, names: Collection[str] | None = None) -> None:
        """Returns when every part (or those of `names`) is ready.

        Raises PlatformError at once for a part that can't start, and with what isn't ready in time; with the last
        lines of their logs.
        """
        if names is None and "crud" not in self.parts:
            # Whoever runs crud elsewhere makes the tables after this, and capture goes on trying until then.
            names = [name for name in self.parts if not name.startswith("capture")]
        wanted = self.parts if names is None else {name: self.parts[name] for name in names}
        deadline = time.monotonic() + seconds
        pending = dict(wanted)
        # What ended before is not held against a part that was started again; a platform's own start is all new.
        ends = Ends(self.supervisor.states() if names is not None else {}, self.supervisor.last_end)
        for name in pending:
            self._progress.start(name)
        while pending:
            processes = self.supervisor.states()
            for name in [name for name, part in pending.items() if self._is_ready(part, processes.get(name))]:
                del pending[name]
                self._progress.finish(name)
            for name, part in pending.items():
                if why := ends.saw(part, processes.get(name), pending):
                    self._progress.fail(name)
                    raise PlatformError(account(name, why, self._log(name)))
            if pending and time.monotonic() > deadline:
                raise PlatformError(self._unready(pending, seconds))
            if pending and not self.running:
                raise PlatformError(f"the supervisor has ended; see {self.state.logs}")
            time.sleep(POLL_SECONDS if pending else 0)

    def start_part(self, name: str) -> None:
        """Starts a part that was stopped. Raises KeyError for an unknown one."""
        self.supervisor.start_program(name)

    def stop_part(self, name: str) -> None:
        """Stops a part for good, until it is started. Raises KeyError for an unknown one."""
        self.supervisor.stop_program(name)

    def kill_part(self, name: str, signal: str = "KILL") -> None:
        """Sends a signal (named without `SIG`) to a part, which is started again when it ends."""
        self.supervisor.signal_program(name, signal)

    def env(self) -> dict[str, str]:
        """The variables for whoever wants to look inside, or to script against it."""
        blueprint = self.blueprint
        return {
            "KUBECONFIG": str(blueprint.kube_apiserver.admin_kubeconfig),
            "ROWCAST_UI_URL": blueprint.url("ui"),
            "ROWCAST_DAPR_URL": blueprint.sidecar("ui").url,
            "ROWCAST_CRUD_URL": blueprint.url("crud"),
            "ROWCAST_SYNC_K8S_URL": blueprint.url("sync-k8s"),
            "ROWCAST_SYNC_GIT_URL": blueprint.url("sync-git"),
            **{_url_of(target): blueprint.url(sync_of(target)) for target in self.targets},
            "ROWCAST_DATABASE_URL": blueprint.postgres.url,
            "ROWCAST_REPLICATION_PASSWORD": blueprint.credentials.replication,
            "ROWCAST_GIT_URL": blueprint.git_repository.url,
            "ROWCAST_BROKER": self.broker,
            "ROWCAST_CAPTURE": self.capture,
            **(blueprint.connect.access if self.capture is Capture.CONNECT else {}),
            **({"ROWCAST_KAFKA": blueprint.kafka.bootstrap} if self.broker is Kind.KAFKA else {}),
            "ROWCAST_NAMESPACE": NAMESPACE,
            **({"ROWCAST_GITOPS_NAMESPACE": GITOPS_NAMESPACE} if self.gitops else {}),
            # For the sidecars that `dapr run -f .` starts: they find each other at this address, as ours do.
            **({} if "crud" in self.parts else {"DAPR_HOST_IP": HOST}),
        } | self._path()

    def _has_data(self, part: str) -> bool:
        return (self.state.data / part).exists()

    def _change_over(self, broker: Kind, capture: Capture) -> None:
        """Makes that the new capture reads the whole table, and throws away what the old broker still has.

        Nothing in it is the only copy: the snapshot's events are of every row, and the reconcile that follows a
        snapshot finds what was deleted. What waited there would arrive when the old broker is chosen again, long
        after it was true; and positions that were kept on either side are of a slot that has moved on without them.
        """
        self._progress.say(
            f"  {broker} ({capture}) gives way to {self.broker} ({self.capture}): the table is read again as a whole"
        )
        self.blueprint.postgres.drop_slot(SLOT)
        others = {*PART_OF.values()} - {PART_OF[self.broker]}
        for name in (*others, "connect", "capture"):
            shutil.rmtree(self.state.data / name, ignore_errors=True)

    def _path(self) -> dict[str, str]:
        if shutil.which("kubectl"):
            return {}
        return {"PATH": f"{self.blueprint.toolbox.kubectl.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}

    def _prepare(self) -> None:
        if "sync-git" not in self.parts:
            # Whoever runs it elsewhere, as by `dapr run -f .`, has to find the repository.
            self.blueprint.git_repository.prepare()
        if "crud" not in self.parts:
            for app in APPS:
                self.blueprint.sidecar(app).prepare()
        with ThreadPoolExecutor(max_workers=len(self.parts)) as pool:
            for done in [pool.submit(_prepare, part) for part in self.parts.values()]:
                done.result()

    def _log(self, name: str) -> Path:
        return self.state.logs / f"{name}.log"

    def _unready(self, pending: Mapping[str, Part], seconds: float) -> str:
        """The parts that aren't ready, and the last lines of those that wait for no other."""
        first = [name for name, part in pending.items() if not any(need in pending for need in part.needs)]
        why = {"kube-apiserver": self._not_applied} if self._not_applied else {}
        said = "".join(f"\n{account(name, why.get(name, UNREADY), self._log(name))}" for name in first)
        return f"not ready within {seconds:.0f} s: {', '.join(pending)}{said}"

    def _is_ready(self, part: Part, process: ProcessState | None) -> bool:
        # At its port somebody else may answer.
        if not part.ready() or (not part.program.once and (process is None or process.pid is None)):
            return False
        if part.name == "kube-apiserver":
            return self._apply_cluster_objects()
        return True

    def _apply_cluster_objects(self) -> bool:
        try:
            apply_cluster_objects(self.blueprint.kube_apiserver, self.blueprint.namespaces.values())
            if engine := self.blueprint.engine:
                apply_all(self.blueprint.kube_apiserver, engine.objects())
        except httpx.HTTPError as error:
            self._not_applied = f"it runs, and could not be told of namespaces and definitions: {error!r}"
            return False
        self._not_applied = ""
        return True


def _url_of(target: str) -> str:
    return f"ROWCAST_SYNC_{target.upper().replace('-', '_')}_URL"


def _text(file: Path, otherwise: str) -> str:
    return file.read_text() if file.exists() else otherwise


def _prepare(part: Part) -> None:
    try:
        part.prepare()
    except (OSError, subprocess.CalledProcessError, KafkaStorageError) as error:
        raise PlatformError(f"{part.name} cannot be prepared: {error}") from error
