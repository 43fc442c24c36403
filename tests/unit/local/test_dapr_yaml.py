from typing import Any

import yaml

from rowcast_local.assembly import APPS, Blueprint
from rowcast_local.credentials import Credentials
from rowcast_local.jvm import ClassPath
from rowcast_local.paths import CHECKOUT, State, state_folder
from rowcast_local.ports import DEFAULT_PORTS, HOST
from rowcast_local.provision.toolbox import Toolbox

CONTENT: dict[str, Any] = yaml.safe_load((CHECKOUT / "dapr.yaml").read_text())
KINDS = {"daprHTTPPort": "http", "daprGRPCPort": "grpc", "daprInternalGRPCPort": "internal", "metricsPort": "metrics"}


def test_the_dapr_cli_gets_the_same_applications_as_the_local_platform() -> None:
    assert [app["appID"] for app in CONTENT["apps"]] == list(APPS)


def test_the_dapr_cli_gets_the_same_ports_as_the_local_platform() -> None:
    for app in CONTENT["apps"]:
        ours = {kind: DEFAULT_PORTS[f"{app['appID']}-dapr-{kind}"] for kind in KINDS.values()}
        assert {kind: app[name] for name, kind in KINDS.items()} == ours


def test_every_service_listens_where_its_sidecar_looks_for_it() -> None:
    for app in CONTENT["apps"]:
        if "appPort" in app:
            assert app["appPort"] == DEFAULT_PORTS[app["appID"]] == app["env"]["ROWCAST_HTTP_PORT"]


def test_the_dashboard_listens_at_its_port() -> None:
    dashboard = next(app for app in CONTENT["apps"] if app["appID"] == "ui")
    assert f"--server.port={DEFAULT_PORTS['ui']}" in dashboard["command"]


def test_no_sidecar_stops_subscribing_because_its_application_is_unwell() -> None:
    assert not [app["appID"] for app in CONTENT["apps"] if app.get("enableAppHealthCheck")]
    assert "appHealthCheckPath" not in CONTENT["common"]


def test_crud_is_told_where_connect_is_as_on_the_local_platform() -> None:
    crud = next(app for app in CONTENT["apps"] if app["appID"] == "crud")
    assert crud["env"]["ROWCAST_CONNECT_URL"] == f"http://{HOST}:{DEFAULT_PORTS['connect']}"


def blueprint() -> Blueprint:
    """The local platform's, where nobody has chosen another folder or other ports."""
    toolbox = Toolbox(
        postgres=CHECKOUT,
        java=CHECKOUT,
        kubectl=CHECKOUT,
        etcd=CHECKOUT,
        kube_apiserver=CHECKOUT,
        daprd=CHECKOUT,
        class_path=ClassPath(CHECKOUT, ()),
        choices=(),
    )
    return Blueprint(toolbox, State(state_folder(environment={})), DEFAULT_PORTS, Credentials())


def test_the_dapr_cli_finds_the_broker_where_the_local_platform_puts_it() -> None:
    folders = [(CHECKOUT / path).resolve() for path in CONTENT["common"]["resourcesPaths"]]
    assert folders == [*blueprint().sidecar("crud").resources]


def test_the_sidecars_of_the_dapr_cli_are_set_as_those_of_the_local_platform() -> None:
    common = CONTENT["common"]
    for app in CONTENT["apps"]:
        command = blueprint().sidecar(app["appID"]).program().command
        ours = dict(word.removeprefix("--").split("=", 1) for word in command[1:])
        assert str(CHECKOUT / app["configFilePath"]) == ours["config"]
        assert common["apiListenAddresses"] == ours["dapr-listen-addresses"]
        assert common["maxBodySize"] == ours["max-body-size"]
        assert common["readBufferSize"] == ours["read-buffer-size"]
        assert common["placementHostAddress"] == ours["placement-host-address"]
