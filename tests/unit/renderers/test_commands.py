"""`rowcast renderer check`, `render` and `test` without a database."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from rowcast import cli
from rowcast.cli import app
from rowcast.core.renderer import Renderer
from rowcast.core.rights import Account, Need

EXAMPLES = Path(__file__).parents[3] / "examples"
DECLARATIONS = sorted(path for path in EXAMPLES.glob("*/*.yaml") if not path.name.endswith(".columns.yaml"))
ACME = {"id": 1, "slug": "acme", "plan": "gold", "cpu": 8, "memory_gib": 32, "settings": {}, "active": True}


@pytest.fixture(autouse=True)
def _no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROWCAST_DATABASE_URL", raising=False)


@pytest.fixture
def tenants(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLES / "tenants", tmp_path / "tenants")
    return tmp_path / "tenants" / "tenants.yaml"


def rowcast(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["renderer", *map(str, arguments)], input=stdin)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_there_are_two_examples() -> None:
    assert [path.stem for path in DECLARATIONS] == ["services", "tenants"]


@pytest.mark.parametrize("file", DECLARATIONS, ids=lambda path: path.stem)
def test_every_example_passes_its_check_and_its_tests(file: Path) -> None:
    checked, tested = rowcast("check", file), rowcast("test", file)

    assert (checked.exit_code, checked.stdout) == (0, "")
    assert tested.exit_code == 0, tested.output


def test_check_names_each_problem_by_file_line_and_column(tenants: Path) -> None:
    change(tenants, "name: ${row.slug}", "name: ${row.slgu}")
    change(tenants, "${string(row.cpu)}", "${row.billing_token}")

    result = rowcast("check", tenants)

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{tenants}:13:14: spec.name: undefined field 'slgu' not found among the row's columns (slug is meant?)"
        " in row.slgu",
        f"{tenants}:34:32: spec.manifests[1].template.spec.hard.requests.cpu: undefined field 'billing_token' not found"
        " among the row's columns (billing_token is in spec.source.exclude) in row.billing_token",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("public.tenants", "public.tenantz", "7:12: spec.source.table: there is no table public.tenantz"),
        ("key: [id]", "key: [idd]", "8:11: spec.source.key[0]: there is no column idd; id is meant?"),
        ("key: [id]", "key: [plan]", "8:10: spec.source.key: [plan] doesn't name one row of public.tenants; what does"),
        ("[billing_token]", "[bill]", "9:15: spec.source.exclude[0]: there is no column bill"),
        ("on: {tenant: id}", "on: {tenand: id}", "12:47: spec.source.with.hosts.on: there is no column tenand"),
        ("columns: [host]", "columns: [hosts]", "spec.source.with.hosts.columns[0]: there is no column hosts; host"),
        ("      hosts: {", "      plan: {", "spec.source.with.plan: plan is a column of public.tenants already"),
        ("kinds: [Namespace, ", "kinds: [", "template.kind: Namespace is not among spec.allow.kinds"),
        (
            '{name: tenant, namespace: "team-${row.slug}"}',
            "{name: tenant, namespace: kube-system}",
            "kube-system is not",
        ),
        ("      expect: golden/acme.yaml", "      expect: ../acme.yaml", "must be a file beside the declaration"),
        ("      expect: golden/acme.yaml", "      expects: x", "must have either expect, a file, or error"),
    ],
)
def test_check_says_what_is_wrong_with_tables_rights_and_tests(tenants: Path, old: str, new: str, said: str) -> None:
    change(tenants, old, new)

    result = rowcast("check", tenants)

    assert result.exit_code == 1
    assert said in result.stdout


def test_a_file_of_columns_that_is_wrong_is_named_with_its_place(tenants: Path) -> None:
    columns = tenants.with_name("tenants.columns.yaml")
    change(columns, "slug: string", "slug: varchar")

    result = rowcast("check", tenants)

    assert result.exit_code == 1
    assert f"{columns}:7:11: public.tenants.columns.slug: must be int, double" in result.output


def test_without_columns_check_says_where_they_come_from(tenants: Path) -> None:
    tenants.with_name("tenants.columns.yaml").unlink()

    result = rowcast("check", tenants)

    assert result.exit_code == 2
    assert "name --database-url, or save them as" in result.stderr


def test_render_prints_the_manifests_of_a_row_in_the_order_of_after(tenants: Path) -> None:
    row = json.dumps({**ACME, "owner_group": "admins"})

    result = rowcast("render", tenants, "--row", "-", stdin=row)

    assert result.exit_code == 0, result.output
    kinds = [line for line in result.stdout.splitlines() if line.startswith("kind:")]
    assert kinds == ["kind: Namespace", "kind: ResourceQuota", "kind: RoleBinding", "kind: ConfigMap"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**ACME, "slgu": 1}, "row.slgu: there is no such column; slug is meant?"),
        ({"slug": "acme"}, "row: is without id, plan, cpu, memory_gib, settings, active, which can't be NULL"),
        ({**ACME, "hosts": [{}]}, "row.hosts[0]: is without host"),
        ({**ACME, "slug": "x" * 60}, "manifest namespace: Kubernetes refuses it: metadata.name"),
        ({**ACME, "plan": "p" * 64}, "label example.com/plan: "),
        ([], "must be an object"),
    ],
)
def test_a_row_that_cannot_be_rendered_is_refused_in_one_line(tenants: Path, row: object, said: str) -> None:
    result = rowcast("render", tenants, "--row", "-", stdin=json.dumps(row))

    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_test_shows_what_differs_and_update_writes_it(tenants: Path) -> None:
    change(tenants, "${row.memory_gib}Gi", "${row.memory_gib}Mi")

    failed = rowcast("test", tenants)

    assert failed.exit_code == 1
    assert "-    requests.memory: 32Gi\n+    requests.memory: 32Mi" in failed.stdout
    assert "a slug that is no name of a namespace is refused: passed" in failed.stdout
    assert rowcast("test", "--update", tenants).exit_code == 0
    assert rowcast("test", tenants).exit_code == 0


def test_a_row_that_has_to_be_refused_and_is_not_fails_its_test(tenants: Path) -> None:
    change(tenants, "slug: Acme Inc", "slug: acme-inc")

    result = rowcast("test", tenants)

    assert result.exit_code == 1
    assert "failed: it is rendered, and not refused" in result.stdout


def test_a_golden_file_that_is_missing_fails_its_test(tenants: Path) -> None:
    (tenants.parent / "golden" / "tiny.yaml").unlink()

    assert "; --update writes it" in rowcast("test", tenants).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--row", "-", "--key", "1"], "either --row or --key"), ([], "either"), (["--key", "1"], "needs --database-url")],
)
def test_render_needs_one_row(tenants: Path, arguments: list[str], said: str) -> None:
    result = rowcast("render", tenants, *arguments, stdin="{}")

    assert result.exit_code == 2
    assert said in result.stderr


def test_help_says_what_changes_anything() -> None:
    assert "`apply` makes a declaration count" in " ".join(rowcast("--help").stdout.split())


def test_rights_follow_from_allow_without_a_table_or_its_columns(tenants: Path) -> None:
    (tenants.with_name("tenants.columns.yaml")).unlink()

    role, binding = yaml.safe_load_all(rowcast("rights", tenants, "--service-account", "here/sync").stdout)
    values = yaml.safe_load(rowcast("rights", tenants.parent, "--format", "values").stdout)

    assert values == {"renderersRights": {"rules": role["rules"]}}
    assert [rule["resources"] for rule in role["rules"]] == [
        ["configmaps", "namespaces", "resourcequotas"],
        ["rolebindings"],
        ["clusterroles", "roles"],
    ]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "namespace": "here", "name": "sync"}]


def test_a_kind_that_is_called_in_its_own_way_is_called_as_one_says(tenants: Path) -> None:
    change(tenants, "ConfigMap]", "ConfigMap, example.com/Chassis]")

    rights = rowcast("rights", tenants, "--format", "values", "--plural", "example.com/Chassis=chassis")

    resources = [rule["resources"] for rule in yaml.safe_load(rights.stdout)["renderersRights"]["rules"]]
    assert ["chassis"] in resources
    assert rowcast("rights", tenants, "--plural", "chassis").exit_code == 2


def test_what_sync_is_not_allowed_is_a_problem_that_check_names(tenants: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[str], Account]] = []

    def lacking(renderers: Sequence[Renderer], account: Account) -> list[Need]:
        asked.append(([one.name for one in renderers], account))
        return [Need("a.io/Widget", "a.io", "widgets", ("create", "patch"), ("tenants",))]

    monkeypatch.setattr(cli, "_lacking", lacking)
    result = rowcast("check", tenants, "--rights", "--service-account", "here/sync")

    assert result.exit_code == 1
    assert result.stdout == "system:serviceaccount:here:sync may not create, patch widgets.a.io (tenants)\n"
    assert asked == [(["tenants"], Account.of_service("here", "sync"))]


def test_without_a_cluster_rights_can_not_be_asked(tenants: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)

    result = rowcast("check", tenants, "--rights")

    assert result.exit_code == 1
    assert "no access to the API server configured" in result.stderr
