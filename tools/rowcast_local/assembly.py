"""The composition root: which parts there are, and what each is told about the others."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from rowcast_local.accounts import reachable_folder, service_account
from rowcast_local.broker import PART_OF, Broker, Capture, Kind
from rowcast_local.credentials import Credentials
from rowcast_local.engine import Engine
from rowcast_local.part import Part, nothing
from rowcast_local.parts.argocd import APPLICATION, ArgoCD
from rowcast_local.parts.argocd import NAMESPACE as NAMESPACE_OF_ARGOCD
from rowcast_local.parts.argocd_objects import argocd_objects
from rowcast_local.parts.broker_redis import BrokerRedis
from rowcast_local.parts.connect import Connect
from rowcast_local.parts.dapr import API_TOKEN, RESILIENCY, RESOURCES, Sidecar, with_targets
from rowcast_local.parts.etcd import Etcd
from rowcast_local.parts.flux import Flux
from rowcast_local.parts.flux_objects import flux_objects
from rowcast_local.parts.git_repository import GitRepository
from rowcast_local.parts.kafka import Kafka
from rowcast_local.parts.kube_apiserver import KubeApiServer
from rowcast_local.parts.nats import Nats
from rowcast_local.parts.postgres import DATABASE, REPLICATION, Postgres
from rowcast_local.parts.rabbitmq import RabbitMQ
from rowcast_local.parts.redis import Redis
from rowcast_local.paths import CHECKOUT, State
from rowcast_local.ports import HOST
from rowcast_local.probes import answers, connector_runs
from rowcast_local.program import Program
from rowcast_local.provision.toolbox import Toolbox

NAMESPACE = "rowcast"
GITOPS_NAMESPACE = "rowcast-gitops"
CONNECTOR = "rowcast"
APPS = ("crud", "sync-k8s", "sync-git", "ui")
OWN_SERVICES = (*APPS, *(f"{app}-dapr" for app in APPS), "connector")
SETTABLE = (*OWN_SERVICES, "capture", "capture-dapr")
TARGETS = "k8s,git"
"""Besides those that are asked for by name."""


@dataclass(frozen=True)
class Blueprint:
    """All that the parts of one platform are made from. `settings` adds to the environment of our services, of
    the connector, of sidecars and of Connect, by part name; Kafka takes `ROWCAST_KAFKA_ADVERTISED_PORT` from there.
    """

    toolbox: Toolbox
    state: State
    ports: Mapping[str, int]
    credentials: Credentials
    checkout: Path = CHECKOUT
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    gitops: str = ""
    kind: Kind = Kind.KAFKA
    capture: Capture = Capture.CONNECT
    targets: tuple[str, ...] = ()
    """Further clusters, by their names: each is a namespace of its own here."""

    @property
    def apps(self) -> tuple[str, ...]:
        """Our services that have a sidecar."""
        further = tuple(map(sync_of, self.targets))
        return (*APPS, *further, "capture") if self.capture is Capture.ENGINE else (*APPS, *further)

    @property
    def known_targets(self) -> str:
        """All targets, as crud and capture are told of them."""
        return ",".join((TARGETS, *(f"{target}=k8s" for target in self.targets)))

    @property
    def namespaces(self) -> dict[str, str]:
        """Where each further cluster's rows go."""
        return {target: f"{NAMESPACE}-{target}" for target in self.targets}

    @property
    def carrier(self) -> str:
        """What captures the changes and carries them, for people."""
        captured = {Capture.CONNECT: "Kafka Connect", Capture.ENGINE: "Debezium's engine"}[self.capture]
        return f"{captured} and {self.broker.title}"

    @property
    def broker(self) -> Broker:
        """What carries the messages."""
        toolbox, ports, password = self.toolbox, self.ports, self.credentials.broker
        folder = self.state.data / PART_OF[self.kind]
        match self.kind:
            case Kind.KAFKA:
                kafka = self.kafka
                part = Part(kafka.program(), kafka.ready, kafka.prepare, kafka.port)
                environment = {"ROWCAST_KAFKA": kafka.bootstrap}
                return Broker(self.kind, "Kafka", kafka.bootstrap, environment, kafka.port, [part])
            case Kind.REDIS:
                redis = BrokerRedis(toolbox.extras["redis"], folder, ports["broker-redis"], password)
                return Broker(self.kind, "Redis Streams", redis.url, redis.environment, redis.port, redis.parts())
            case Kind.RABBITMQ:
                rabbitmq = RabbitMQ(
                    toolbox.extras["rabbitmq"],
                    toolbox.extras["erlang"],
                    folder,
                    port=ports["rabbitmq"],
                    node_port=ports["rabbitmq-node"],
                    names_port=ports["rabbitmq-epmd"],
                    password=password,
                    cookie=self.credentials.erlang,
                )
                parts = rabbitmq.parts()
                return Broker(self.kind, "RabbitMQ", rabbitmq.url, rabbitmq.environment, rabbitmq.port, parts)
            case Kind.JETSTREAM:
                nats = Nats(toolbox.extras["nats"], folder, ports["nats"], password)
                return Broker(self.kind, "NATS JetStream", nats.url, nats.environment, nats.port, nats.parts())

    @property
    def broker_resources(self) -> Path:
        """The folder with the one component that the sidecars know as their broker."""
        return self.state.data / "dapr" / "-".join(("broker", *self.targets))

    def place_broker(self) -> None:
        """Puts the broker's component where the sidecars look for it: of all that there are, they may see one.

        With further clusters the other resource is there, too, since both name who may.
        """
        self.broker_resources.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.broker_resources / "pubsub.yaml").write_text(with_targets(self.broker.component, self.targets))
        if self.targets:
            (self.broker_resources / RESILIENCY.name).write_text(with_targets(RESILIENCY, self.targets))

    @property
    def postgres(self) -> Postgres:
        """The database."""
        user = service_account()
        data = reachable_folder(self.state.folder, "postgres", user) / "data"
        return Postgres(self.toolbox.postgres, data, self.ports["postgres"], self.credentials, user)

    @property
    def kafka(self) -> Kafka:
        """Kafka, where it is the broker."""
        ports = self.ports
        data = self.state.data / "kafka"
        advertised = self.settings.get("kafka", {}).get("ROWCAST_KAFKA_ADVERTISED_PORT")
        return Kafka(
            self.toolbox.java,
            self.toolbox.class_path,
            data,
            ports["kafka"],
            ports["kafka-controller"],
            advertised_port=int(advertised) if advertised else None,
        )

    @property
    def captured(self) -> dict[str, str]:
        """How to log in to what is captured."""
        return {
            "ROWCAST_CAPTURE_DB_HOST": HOST,
            "ROWCAST_CAPTURE_DB_PORT": str(self.ports["postgres"]),
            "ROWCAST_CAPTURE_DB_NAME": DATABASE,
            "ROWCAST_CAPTURE_DB_USER": REPLICATION,
            "ROWCAST_CAPTURE_DB_PASSWORD": self.credentials.replication,
        }

    @property
    def connect(self) -> Connect:
        """Kafka Connect, where it captures; the connector's configuration names the variables of `captured`."""
        capture = {**self.captured, **self.settings.get("connect", {})}
        toolbox, port = self.toolbox, self.ports["connect"]
        data = self.state.data / "connect"
        password = self.credentials.connect
        return Connect(toolbox.java, toolbox.class_path, data, port, self.kafka.bootstrap, password, capture)

    @property
    def etcd(self) -> Etcd:
        """The API server's store."""
        return Etcd(self.toolbox.etcd, self.state.data / "etcd", self.ports["etcd"], self.ports["etcd-peer"])

    @property
    def kube_apiserver(self) -> KubeApiServer:
        """The API server."""
        folder, port = self.state.data / "kubernetes", self.ports["kube-apiserver"]
        return KubeApiServer(
            self.toolbox.kube_apiserver, folder, port, self.etcd.url, self.credentials, namespace=NAMESPACE
        )

    @property
    def git_repository(self) -> GitRepository:
        """What sync-git commits to."""
        return GitRepository(self.state.data / "git" / "configurations.git")

    @property
    def engine(self) -> Engine | None:
        """What makes commits real, if it is asked for."""
        match self.gitops:
            case "argocd":
                argocd = self.argocd
                application = f"{NAMESPACE_OF_ARGOCD}/{APPLICATION}"
                return Engine("Argo CD", application, argocd.parts(), partial(argocd_objects, argocd))
            case "flux":
                flux = self.flux
                return Engine("Flux", f"{NAMESPACE}/{APPLICATION}", flux.parts(), partial(flux_objects, flux))
        return None

    @property
    def argocd(self) -> ArgoCD:
        """Argo CD, with the cache that it needs."""
        redis = Redis(self.toolbox.extras["redis"], self.state.data / "redis", self.ports["redis"], self.credentials)
        return ArgoCD(
            binary=self.toolbox.extras["argocd"],
            crds=self.toolbox.extras["argocd-crds"],
            folder=self.state.data / "argocd",
            ports=self.ports,
            server=self.kube_apiserver,
            redis=redis,
            repository=self.git_repository,
            credentials=self.credentials,
            destination=GITOPS_NAMESPACE,
        )

    @property
    def flux(self) -> Flux:
        """Flux, with the server of the repository that it needs."""
        return Flux(
            programs=self.toolbox.extras,
            folder=self.state.data / "flux",
            ports=self.ports,
            server=self.kube_apiserver,
            repository=self.git_repository,
            credentials=self.credentials,
            namespace=NAMESPACE,
            destination=GITOPS_NAMESPACE,
        )

    def sidecar(self, app: str) -> Sidecar:
        """The daprd of `app`; the dashboard's gets no app port, since nobody calls a dashboard.

        The others want a token: they publish, and any page in a browser on this machine can send a POST to their ports.
        People's own programs go through the dashboard's.
        """
        kinds = ("http", "grpc", "internal", "metrics")
        broker = self.broker
        return Sidecar(
            app_id=app,
            binary=self.toolbox.daprd,
            folder=self.state.data / "dapr",
            ports={kind: self.ports[f"{app}-dapr-{kind}"] for kind in kinds},
            app_port=None if app == "ui" else self.ports[app],
            resources=(self.broker_resources,) if self.targets else (RESOURCES, self.broker_resources),
            values={"ROWCAST_NAMES": str(self.state.data / "dapr" / "names.db")},
            environment={
                **({} if app == "ui" else {**broker.environment, API_TOKEN: self.credentials.sidecars}),
                **self.settings.get(f"{app}-dapr", {}),
            },
            broker_port=None if app == "ui" else broker.port,
        )

    def url(self, part: str) -> str:
        """Where a service of ours answers."""
        return f"http://{HOST}:{self.ports[part]}"

    def parts(self) -> list[Part]:
        """Every part, each kind of thing before what needs it (for reading only: all start at once)."""
        capture = self._connector() if self.capture is Capture.CONNECT else self._capture()
        ours = [*self._apps(), capture, *map(self._sidecar_part, self.apps)]
        engine = self.engine
        return [*self._real_parts(), *(engine.parts if engine else ()), *ours]

    def _real_parts(self) -> list[Part]:
        postgres, connect = self.postgres, self.connect
        etcd, server = self.etcd, self.kube_apiserver
        with_connect = [Part(connect.program(), connect.ready, connect.prepare, connect.port, ("kafka",))]
        return [
            Part(postgres.program(), postgres.ready, postgres.prepare, postgres.port),
            *self.broker.parts,
            *(with_connect if self.capture is Capture.CONNECT else ()),
            Part(etcd.program(), etcd.ready, etcd.prepare, etcd.port),
            Part(server.program(), server.ready, server.prepare, server.port, ("etcd",)),
        ]

    def _apps(self) -> list[Part]:
        crud = {
            "ROWCAST_DATABASE_URL": self.postgres.serving_url,
            "ROWCAST_OWNER_URL": self.postgres.url,
            "ROWCAST_SERVING_PASSWORD": self.credentials.database_serving,
            "ROWCAST_REPLICATION_PASSWORD": self.credentials.replication,
            "ROWCAST_BROKER": self.kind,
            "ROWCAST_CAPTURE": self.capture,
            **(self.connect.access if self.capture is Capture.CONNECT else {}),
            **({"ROWCAST_TARGETS": self.known_targets} if self.targets else {}),
        }
        cluster = {
            **self.broker.sync_settings,
            "ROWCAST_TARGET": "k8s",
            "ROWCAST_NAMESPACE": NAMESPACE,
            "KUBECONFIG": str(self.kube_apiserver.sync_kubeconfig),
        }
        repository = self.git_repository
        git = {
            **self.broker.sync_settings,
            "ROWCAST_TARGET": "git",
            "ROWCAST_GIT_URL": repository.url,
            "ROWCAST_GIT_BRANCH": repository.branch,
            "ROWCAST_GIT_CACHE": str(self.state.data / "git" / "mirror"),
        }
        if engine := self.engine:
            git |= {
                "ROWCAST_GITOPS_ENGINE": self.gitops,
                "ROWCAST_GITOPS_APPLICATION": engine.application,
                "KUBECONFIG": str(self.kube_apiserver.gitops_kubeconfig),
            }
        return [
            self._service("crud", ("crud", "serve", "--migrate"), crud, ("postgres",)),
            self._service("sync-k8s", ("sync", "serve"), cluster, ("kube-apiserver",)),
            self._service("sync-git", ("sync", "serve"), git, ()),
            *(self._further(target, cluster) for target in self.targets),
            self._dashboard(),
        ]

    def _further(self, target: str, cluster: Mapping[str, str]) -> Part:
        own = {"ROWCAST_TARGET": target, "ROWCAST_TARGET_KIND": "k8s", "ROWCAST_NAMESPACE": self.namespaces[target]}
        return self._service(sync_of(target), ("sync", "serve"), {**cluster, **own}, ("kube-apiserver",))

    def _service(
        self, name: str, arguments: tuple[str, ...], environment: Mapping[str, str], needs: tuple[str, ...]
    ) -> Part:
        port = self.ports[name]
        own = {"ROWCAST_HTTP_PORT": str(port), "ROWCAST_HTTP_HOST": HOST, **environment}
        program = self._program(name, (executable("rowcast"), *arguments), own)
        prepare = self.git_repository.prepare if name == "sync-git" else nothing
        return Part(program, lambda: answers(f"{self.url(name)}/readyz"), prepare, port, needs)

    def _dashboard(self) -> Part:
        port = self.ports["ui"]
        options = {
            "server.port": str(port),
            "server.address": HOST,
            "server.headless": "true",
            "server.fileWatcherType": "none",
            "browser.gatherUsageStats": "false",
        }
        flags = (f"--{name}={value}" for name, value in options.items())
        command = (executable("streamlit"), "run", str(self.checkout / "ui-streamlit" / "serve.py"), *flags)
        ready = f"{self.url('ui')}/readyz"
        # It keeps nothing, and has been seen to hang in its own goodbye.
        program = replace(self._program("ui", command, {}), stop_signal="KILL")
        return Part(program, lambda: answers(ready), port=port)

    def _connector(self) -> Part:
        environment = {**self.connect.access, **self.settings.get("connector", {})}
        command = (executable("rowcast"), "connector", "apply", "--wait")
        program = Program("connector", command, environment, self.checkout, once=True)
        return Part(
            program,
            lambda: connector_runs(self.connect.url, CONNECTOR, self.connect.login),
            needs=("connect", "postgres", "crud"),
        )

    def _capture(self) -> Part:
        folder = self.state.data / "capture"
        environment = {
            **self.captured,
            "ROWCAST_CAPTURE_JARS": str(self.toolbox.class_path.folder),
            "ROWCAST_CAPTURE_FOLDER": str(folder),
            # A name on $PATH may be a link to where it really is.
            "ROWCAST_JAVA_HOME": str(self.toolbox.java.resolve().parent.parent),
            "ROWCAST_BROKER": self.kind,
            "ROWCAST_BROKER_URL": self.broker.url,
            "ROWCAST_TARGETS": self.known_targets,
        }
        needs = ("postgres", "crud", PART_OF[self.kind])
        made = self._service("capture", ("capture", "serve"), environment, needs)
        return replace(made, prepare=lambda: folder.mkdir(mode=0o700, parents=True, exist_ok=True))

    def _sidecar_part(self, app: str) -> Part:
        sidecar = self.sidecar(app)
        needs = () if app == "ui" else (app, PART_OF[self.kind])
        return Part(sidecar.program(), sidecar.ready, sidecar.prepare, sidecar.ports["http"], needs)

    def _program(self, name: str, command: tuple[str, ...], environment: Mapping[str, str]) -> Program:
        full = {**self.sidecar(name).app_environment, **environment, **self.settings.get(name, {})}
        return Program(name, command, full, self.checkout)


def sync_of(target: str) -> str:
    """The instance that delivers to a target."""
    return f"sync-{target}"


def executable(name: str) -> str:
    """A console script of this very environment."""
    return str(Path(sys.executable).parent / name)
