"""`rowcast renderer schemas`, and `check` with what a real API server says of its kinds."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rowcast.cli import app
from rowcast_local.platform import Platform

EXAMPLES = Path(__file__).parents[3] / "examples"
DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: shops}
spec:
  source: {table: public.shops, key: [id]}
  name: shop-${string(row.id)}
  allow: {kinds: [ConfigMap, apps/Deployment, rowcast.dev/AppConfig]}
  manifests:
    - id: settings
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "shop-${string(row.id)}", lables: {a: b}}
        data: {id: "${row.id}"}
    - id: run
      template:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: "shop-${string(row.id)}"}
        spec:
          replicas: ${string(row.id)}
          selector: {matchLabels: {shop: "${string(row.id)}"}}
          template:
            metadata: {labels: {shop: "${string(row.id)}"}}
            spec:
              containers:
                - image: shop
                  ports: [{containerPort: "${row.id}"}]
                  resources: {limits: {cpu: "${row.id}", memory: 1Gi}}
    - id: config
      template:
        apiVersion: rowcast.dev/v1alpha1
        kind: AppConfig
        metadata: {name: "shop-${string(row.id)}"}
        spec: {nothing: 1}
"""


def rowcast(api_server: Platform, *arguments: object) -> Result:
    environment = {"ROWCAST_DATABASE_URL": None, "KUBECONFIG": api_server.env()["KUBECONFIG"]}
    return CliRunner().invoke(app, ["renderer", *map(str, arguments)], env=environment)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "shops.columns.yaml").write_text("public.shops: {keys: [[id]], columns: {id: int}}")
    file = tmp_path / "shops.yaml"
    file.write_text(DECLARATION)
    return file


def test_fields_are_checked_by_the_cluster_and_by_what_was_saved_of_it(api_server: Platform, file: Path) -> None:
    saved = rowcast(api_server, "schemas", file)
    assert saved.exit_code == 0, saved.output
    written = {Path(line).name: Path(line).stat().st_size for line in saved.stdout.splitlines()}
    assert written.keys() == {
        "ConfigMap.v1.json",
        "Deployment.apps_v1.json",
        "AppConfig.rowcast.dev_v1alpha1.json",
    }
    assert max(written.values()) < 100_000

    asked, offline = rowcast(api_server, "check", "--cluster", file), rowcast(api_server, "check", file)

    assert asked.stdout == offline.stdout
    found = [line.removeprefix(f"{file}:").partition(": spec.manifests") for line in asked.stdout.splitlines()]
    assert [(place, rest.partition("template.")[2]) for place, _, rest in found][:4] == [
        ("14:60", "metadata.lables: there is no such field; labels is meant?"),
        ("15:20", "data.id: must be string, and is integer; use string(…)"),
        ("22:21", "spec.replicas: must be integer, and is string; use int(…)"),
        ("28:19", "spec.template.spec.containers[0]: name is missing"),
    ]
    assert [rest for _, _, rest in found][-2:] == [
        "[2].template.spec: repository_url is missing",
        "[2].template.spec.nothing: there is no such field; there is branch, environment, id, name, repository_url",
    ]


def test_an_example_fits_the_kinds_of_a_real_cluster(api_server: Platform) -> None:
    checked = rowcast(api_server, "check", "--cluster", EXAMPLES / "tenants" / "tenants.yaml")

    assert (checked.exit_code, checked.stdout) == (0, "")


def test_a_kind_that_the_cluster_has_not_is_named(api_server: Platform, file: Path) -> None:
    file.write_text(DECLARATION.replace("kinds: [ConfigMap,", "kinds: [ConfigMap, example.com/Nothing,"))

    saved = rowcast(api_server, "schemas", file)

    assert saved.exit_code == 1
    assert "the cluster has no example.com/Nothing" in saved.stderr
