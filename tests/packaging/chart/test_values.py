"""Values: a typo is an error, every value is described, and the pages made from them are today's."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from charting.rendering import CHART, CI_VALUES, RefusedError, render
from rowcast_local.provision.tools import tool

SUBCHARTS = sorted(path.parent for path in CHART.glob("charts/*/values.yaml") if path.parent.name != "common")
SHARED = ("image", "postgres", "kafka", "redis", "rabbitmq")
"""Blocks of global values whose names other charts have as well: what is in them is known to the checks."""


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
def test_every_example_of_values_renders(values: Path) -> None:
    assert render(values=values)


@pytest.mark.parametrize(
    "setting",
    [
        "crud.replica=2",
        "sync.k8s.inflight=3",
        "global.targets.k8s.kubeconfig=x",
        "kafka.heap=1",
        "redis.maxMemory=1",
        "global.jetstream.url=x",
        "capture.heap=1",
        "networkPolicy.enabled=true",
        "git-server.persistance.enabled=false",
    ],
)
def test_a_value_that_does_not_exist_is_an_error(setting: str) -> None:
    name = setting.partition("=")[0].split(".")
    with pytest.raises(RefusedError, match=r"additional properties .* not allowed") as refused:
        render(setting)
    assert any(f"'{part}'" in str(refused.value) for part in name)


def test_a_global_value_that_does_not_exist_is_an_error_unless_another_chart_is_above() -> None:
    with pytest.raises(RefusedError, match=r"global\.postgre is not a value of this chart"):
        render("global.postgre.host=x")


def test_all_global_values_are_known_to_that_check() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["global"]
    line = next(line for line in (CHART / "templates" / "_checks.tpl").read_text().splitlines() if "(keys $g)" in line)

    assert set(re.findall(r'"(\w+)"', line)) == schema["properties"].keys()
    checks = (CHART / "templates" / "_checks.tpl").read_text()
    blocks = dict(re.findall(r'set \$blocks "(\w+)" \(list (.*?)\)', checks))
    assert tuple(blocks) == SHARED
    for block, names in blocks.items():
        assert set(re.findall(r'"(\w+)"', names)) == schema["properties"][block]["properties"].keys(), block


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        (
            "global.redis.adress=r:6379",
            r"global\.redis\.adress is not a value of this chart: global\.redis has address,",
        ),
        ("global.image.repository=x", r"global\.image\.repository is not a value of this chart"),
        ("global.logLevel=2", r"global\.logLevel=2: it is debug, info, warning or error"),
    ],
)
def test_a_slip_in_a_block_that_others_have_too_is_an_error(setting: str, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        render(setting)


@pytest.mark.parametrize(
    ("setting", "place"),
    [
        ("sync.k8s.replicas=two", "/k8s/replicas"),
        ("global.gitops.engine=jenkins", "/global/gitops/engine"),
        ("global.kafka.sasl.mechanism=GSSAPI", "/global/kafka/sasl/mechanism"),
        ("global.targets.kubernetes.enabled=true", "/global/targets/kubernetes"),
        ("sync.reconcile.pruneLimit=2", "/reconcile/pruneLimit"),
        ("global.postgres.sslMode=maybe", "/global/postgres/sslMode"),
    ],
)
def test_a_value_that_can_not_be_is_an_error_that_names_its_place(setting: str, place: str) -> None:
    with pytest.raises(RefusedError) as refused:
        render(setting)
    assert place in str(refused.value)


@pytest.mark.parametrize("chart", [CHART, *SUBCHARTS], ids=lambda path: path.name)
def test_the_schema_knows_every_value_and_no_other(chart: Path) -> None:
    values = yaml.safe_load((chart / "values.yaml").read_text())
    schema = json.loads((chart / "values.schema.json").read_text())
    for name in (path.name for path in SUBCHARTS):
        values.pop(name, None)  # judged by its own schema

    assert set(_places(values, schema)) == set(_described(schema)) - _foreign(chart)


def test_every_value_is_described() -> None:
    rows = [line.strip("| ").split(" | ") for line in (CHART / "README.md").read_text().splitlines() if " | " in line]
    values = [row for row in rows if len(row) >= 3 and row[1] in ("bool", "float", "int", "list", "object", "string")]

    assert len(values) > 200
    assert [row[0] for row in values if len(row) < 4 or not row[3].strip()] == []


def test_the_readme_is_made_from_the_values() -> None:
    command = [str(tool("helm-docs")), "--chart-to-generate", ".", "--dry-run"]
    options = ["--document-dependency-values", "--sort-values-order", "file"]
    made = subprocess.run(
        [*command, *options], cwd=CHART, capture_output=True, text=True, check=True, timeout=60
    ).stdout

    assert made.strip() == (CHART / "README.md").read_text().strip(), "run ./task docs"


def test_helm_finds_nothing_to_complain_of() -> None:
    done = subprocess.run([tool("helm"), "lint", "--strict", CHART], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


def test_all_charts_have_one_version_and_it_is_the_packages() -> None:
    charts = [yaml.safe_load(path.read_text()) for path in CHART.glob("**/Chart.yaml")]
    project = (CHART.parents[1] / "pyproject.toml").read_text()

    (version,) = {chart[key] for chart in charts for key in ("version", "appVersion")}
    assert f'version = "{version}"' in project


def _foreign(chart: Path) -> set[str]:
    """What Helm itself puts among the values."""
    parts = {path.name for path in SUBCHARTS}
    return parts | {"common"} if chart == CHART else {"global"}


def _places(values: Any, schema: Any, path: str = "") -> Iterator[str]:
    """Each value's place, down to where the schema leaves things open."""
    for name, value in values.items():
        place = f"{path}.{name}" if path else name
        inner = schema.get("properties", {}).get(name, {})
        if isinstance(value, dict) and "properties" in inner:
            yield from _places(value, inner, place)
        else:
            yield place


def _described(schema: Any, path: str = "") -> Iterator[str]:
    # Values of a chart above come there, and targets of people's own names.
    assert (path in ("global", "global.targets", *(f"global.{block}" for block in SHARED))) is (
        schema.get("additionalProperties") is not False
    ), path
    for name, inner in schema["properties"].items():
        place = f"{path}.{name}" if path else name
        if "properties" in inner:
            yield from _described(inner, place)
        else:
            yield place
