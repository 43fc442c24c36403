"""The alerts by Prometheus' own tool; and no alert or panel may ask for what no service gives."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import metrics_reference
from rowcast_local.provision.tools import tool

CHECKOUT = Path(__file__).parents[2]
RULES = CHECKOUT / "charts/rowcast/files/prometheus-rules.yaml"
DASHBOARD = CHECKOUT / "charts/rowcast/files/grafana-dashboard.json"
RUNBOOKS = f"{yaml.safe_load((CHECKOUT / 'charts/rowcast/Chart.yaml').read_text())['home']}/blob/main/docs/runbooks.md"
TESTS = sorted(Path(__file__).parent.glob("*.yaml"))
METRIC = re.compile(r"\browcast_[a-z0-9_]+")


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> Iterator[str]:
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def promtool(*arguments: str) -> None:
    ran = subprocess.run([str(tool("promtool")), *arguments], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_rules_are_valid() -> None:
    promtool("check", "rules", str(RULES))


@pytest.mark.parametrize("tests", TESTS, ids=lambda path: path.stem)
def test_each_alert_comes_when_it_should_and_only_then(tests: Path) -> None:
    promtool("test", "rules", str(tests))


def test_every_alert_is_tested_to_come_and_to_stay_away() -> None:
    cases = [
        case for tests in TESTS for one in yaml.safe_load(tests.read_text())["tests"] for case in one["alert_rule_test"]
    ]
    come = {case["alertname"] for case in cases if case["exp_alerts"]}
    silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    assert come == silent == {alert["alert"] for alert in alerts()}


def test_every_alert_says_how_bad_it_is_and_where_to_read_what_to_do() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in ("warning", "critical")
        assert {"summary", "description", "runbook_url"} == alert["annotations"].keys()
        assert alert["annotations"]["runbook_url"] == f"{RUNBOOKS}#{alert['alert'].lower()}"


def test_every_alert_has_one_runbook_and_every_runbook_an_alert() -> None:
    runbooks = re.findall(r"^## (.+)$", CHECKOUT.joinpath("docs/runbooks.md").read_text(), re.MULTILINE)
    assert runbooks == [alert["alert"] for alert in alerts()]


def test_every_metric_that_is_asked_for_is_given_by_a_service() -> None:
    asked = {name for query in (*queries(), *(alert["expr"] for alert in alerts())) for name in METRIC.findall(query)}
    assert asked - metrics_reference.series() == set()
    assert len(asked) > 25


def test_what_is_told_of_the_broker_and_of_what_it_lost_is_on_the_dashboard() -> None:
    shown = {name for query in queries() for name in METRIC.findall(query)}
    told = {name for name in metrics_reference.series() if name.startswith("rowcast_broker_")}
    assert told | {"rowcast_missing_events", "rowcast_late_rows_total", "rowcast_capture_refused_total"} <= shown


def test_no_panel_lies_over_another() -> None:
    places = [
        (column, line)
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for line in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))


def test_the_queries_of_the_dashboard_are_promql(tmp_path: Path) -> None:
    plain = [query.replace("$__rate_interval", "5m").replace("$namespace", ".*") for query in queries()]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(plain)]
    file = tmp_path / "dashboard.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", "--lint=none", str(file))


def test_the_dashboard_asks_the_source_and_the_namespace_that_are_chosen() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert {one["name"] for one in dashboard["templating"]["list"]} == {"datasource", "namespace"}
    assert {panel["datasource"]["uid"] for panel in panels()} == {"${datasource}"}
    assert all("$namespace" in query for query in queries())
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
