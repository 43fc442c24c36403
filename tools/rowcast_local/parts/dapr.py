"""A daprd beside each application."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from rowcast_local.paths import CHECKOUT
from rowcast_local.ports import HOST
from rowcast_local.probes import answers
from rowcast_local.program import Program

RESOURCES = CHECKOUT / "dapr-components" / "local"
RESILIENCY = RESOURCES / "resiliency.yaml"
PLACEHOLDER = re.compile(r"\{env:([A-Z_]+)\}")
MAX_BODY_SIZE = "16Mi"
API_TOKEN = "DAPR_API_TOKEN"
OF_CLUSTER = ".replay.k8s"


@dataclass(frozen=True)
class Sidecar:
    """One daprd. `ports` has its own four: http, grpc, internal, metrics.

    `app_port` is None for an application that only calls. `resources` are folders of components, `environment` what
    these refer to. `values` fill the placeholders of its configuration. `broker_port` is that of the broker it connects
    to, if any.
    """

    app_id: str
    binary: Path
    folder: Path
    ports: Mapping[str, int]
    app_port: int | None = None
    resources: Sequence[Path] = (RESOURCES,)
    configuration: str = "configuration.yaml"
    values: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    broker_port: int | None = None

    @property
    def url(self) -> str:
        """Where its application finds it."""
        return f"http://{HOST}:{self.ports['http']}"

    @property
    def app_environment(self) -> dict[str, str]:
        """What Dapr's own CLI would set for the application."""
        return {
            "APP_ID": self.app_id,
            "DAPR_HTTP_PORT": str(self.ports["http"]),
            "DAPR_GRPC_PORT": str(self.ports["grpc"]),
            **({API_TOKEN: self.environment[API_TOKEN]} if API_TOKEN in self.environment else {}),
        }

    def prepare(self) -> None:
        """Writes the configuration with its placeholders filled."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        template = (RESOURCES / self.configuration).read_text()
        self._configuration_file.write_text(fill(template, self.values))

    def program(self) -> Program:
        """The sidecar's process; it waits for its application by itself."""
        return Program(
            f"{self.app_id}-dapr",
            (
                str(self.binary),
                *(f"--resources-path={folder}" for folder in self.resources),
                *(f"--{name}={value}" for name, value in self._options().items()),
            ),
            environment={
                # Sidecars find each other at this address.
                "DAPR_HOST_IP": HOST,
                **self.environment,
            },
            directory=self.folder,
            # A sidecar whose broker doesn't answer ends at once, instead of trying again.
            awaits=() if self.broker_port is None else (self.broker_port,),
        )

    def ready(self) -> bool:
        """Whether it has loaded its components and heard from its application."""
        return answers(f"{self.url}/v1.0/healthz")

    @property
    def _configuration_file(self) -> Path:
        return self.folder / f"{self.app_id}.yaml"

    def _options(self) -> dict[str, str]:
        options = {
            "app-id": self.app_id,
            "config": str(self._configuration_file),
            "dapr-http-port": str(self.ports["http"]),
            "dapr-grpc-port": str(self.ports["grpc"]),
            "dapr-internal-grpc-port": str(self.ports["internal"]),
            "dapr-internal-grpc-listen-address": HOST,
            "dapr-listen-addresses": HOST,
            "metrics-port": str(self.ports["metrics"]),
            "metrics-listen-address": HOST,
            "enable-metrics": "true",
            "max-body-size": MAX_BODY_SIZE,
            # Of a request's line and headers: keys of rows, and cursors, may be long.
            "read-buffer-size": "32Ki",
            "disable-builtin-k8s-secret-store": "true",
            "placement-host-address": "",
            "scheduler-host-address": "",
            "dapr-graceful-shutdown-seconds": "3",
        }
        return options if self.app_port is None else options | self._app_options()

    def _app_options(self) -> dict[str, str]:
        return {
            "app-port": str(self.app_port),
            "app-protocol": "http",
            "app-channel-address": HOST,
            # Else it would stop subscribing while its application is unwell, and may never begin again (decision 13).
            "enable-app-health-check": "false",
        }


def with_targets(file: Path, targets: Sequence[str]) -> str:
    """A resource of Dapr's as text, in which the instances of further clusters may do what sync-k8s may."""
    text = file.read_text()
    if not targets:
        return text
    resource = yaml.safe_load(text)
    resource["scopes"] += [f"sync-{target}" for target in targets]
    for field_ in resource["spec"].get("metadata", ()):
        if "sync-k8s=" in str(field_.get("value")):
            field_["value"] = _scopes(field_["value"], targets)
    return str(yaml.safe_dump(resource, sort_keys=False))


def _scopes(value: str, targets: Sequence[str]) -> str:
    """Topics by application, as `crud=a,b;sync-k8s=c`."""
    topics = {app: names.split(",") for app, _, names in (one.partition("=") for one in value.split(";"))}
    for target in targets:
        topics[f"sync-{target}"] = [_replay(name, target) for name in topics["sync-k8s"]]
        topics["crud"] += [_replay(name, target) for name in topics["crud"] if name.endswith(OF_CLUSTER)]
    return ";".join(f"{app}={','.join(names)}" for app, names in topics.items())


def _replay(topic: str, target: str) -> str:
    return topic.removesuffix(OF_CLUSTER) + f".replay.{target}" if topic.endswith(OF_CLUSTER) else topic


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with each `{env:NAME}` replaced by the value of NAME. Raises KeyError for a name without one."""
    return PLACEHOLDER.sub(lambda found: values[found[1]], template)
