"""What the commands do, as a script sees it: the same on the fake in memory (unit) and on a real crud (integration)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

Run = Callable[..., "Ran"]
URL = "https://git.example/shop.git"
CSV = f"name,repository_url,environment,branch\nshop,{URL},dev,1.10\nsite,{URL},staging,main\n"


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()


class ConfigurationsContract:
    """Of configurations; a class that derives from it has a fixture `run`, which begins without any."""

    def applied(self, run: Run) -> None:
        ran = run("apply", "-f", "-", input=CSV)
        assert (ran.code, ran.lines) == (0, ["appconfigs/shop created", "appconfigs/site created"]), ran

    def test_files_are_applied_once_and_change_nothing_the_second_time(self, run: Run, tmp_path: Path) -> None:
        folder = tmp_path / "files"
        (folder / "more").mkdir(parents=True)
        (folder / "a.csv").write_text(CSV)
        (folder / "more" / "b.yaml").write_text(f"name: docs\nrepository_url: {URL}\nenvironment: dev\nbranch: 1.10\n")
        first = run("apply", "-f", str(folder))
        second = run("apply", "-f", str(folder))

        assert first.lines == [f"appconfigs/{name} created" for name in ("shop", "site", "docs")], first
        assert second.lines == [f"appconfigs/{name} unchanged" for name in ("shop", "site", "docs")], second
        branches = run("get", "-o", "json")
        assert {row["name"]: row["branch"] for row in json.loads(branches.stdout)["items"]} == {
            "shop": "1.10",
            "site": "main",
            "docs": "1.10",
        }

    def test_lists_are_chosen_from_and_printed_as_kubectl_does(self, run: Run) -> None:
        self.applied(run)
        many = "".join(f"many-{n},{URL},dev,main\n" for n in range(5))
        assert run("apply", "-f", "-", input=f"name,repository_url,environment,branch\n{many}").code == 0

        table = run("get")
        assert table.lines[0].split() == ["NAME", "ENVIRONMENT", "BRANCH", "STATE", "GENERATION", "CHANGED"]
        assert table.lines[-1].split()[:5] == ["site", "staging", "main", "pending", "1"]
        assert run("get", "-l", "environment=staging", "-o", "name").lines == ["appconfigs/site"]
        assert run("get", "-l", "branch=1.10", "-o", "name").lines == ["appconfigs/shop"]
        assert run("get", "--search", "many", "-o", "name", "--limit", "3").lines == [
            f"appconfigs/many-{n}" for n in range(3)
        ]
        assert run("get", "appconfigs", "shop", "-o", "jsonpath={.name} at {.branch}").stdout == "shop at 1.10\n"
        assert run("get", "-o", "jsonpath={.items[*].environment}", "-l", "name=site").stdout == "staging\n"
        nothing = run("get", "-l", "environment=none")
        assert (nothing.code, nothing.stdout, nothing.stderr) == (0, "", "no rows of appconfigs found\n")

    def test_what_is_printed_can_be_applied_again(self, run: Run) -> None:
        self.applied(run)
        for kind in ("yaml", "json"):
            for names in ((), ("appconfigs", "shop")):
                printed = run("get", *names, "-o", kind)
                again = run("apply", "-f", "-", input=printed.stdout)
                assert {line.split()[1] for line in again.lines} == {"unchanged"}, again

    def test_a_difference_is_code_1_none_is_0_and_an_error_is_more(self, run: Run) -> None:
        self.applied(run)
        same = run("diff", "-f", "-", input=CSV)
        other = run("diff", "-f", "-", input=CSV.replace("1.10", "next").replace("site,", "docs,"))
        broken = run("diff", "-f", "-", input="{")
        refused = run("diff", "-f", "-", input=CSV.replace("shop,", "Sh_op,"))

        assert (same.code, same.stdout) == (0, "")
        assert other.code == 1
        assert other.lines[:3] == ["appconfigs/shop: change", "-  branch: 1.10", "+  branch: next"]
        assert "appconfigs/docs: create" in other.lines
        assert (broken.code, refused.code) == (2, 3)
        assert "line 2: appconfigs/Sh_op: name: " in refused.stderr
        assert run("get", "-o", "name").lines == ["appconfigs/shop", "appconfigs/site"]

    def test_one_refused_row_keeps_all_from_being_applied(self, run: Run) -> None:
        self.applied(run)
        wrong = CSV.replace("1.10", "next").replace("site,", "Si_te,")
        ran = run("apply", "-f", "-", input=wrong)

        assert ran.code == 1
        assert "1 row is refused; nothing was changed" in ran.stderr
        assert "standard input, line 3: appconfigs/Si_te: name: " in ran.stderr
        assert run("diff", "-f", "-", input=CSV).code == 0

    def test_a_dry_run_changes_nothing(self, run: Run) -> None:
        ran = run("apply", "--dry-run", "-f", "-", input=CSV)

        assert ran.lines == ["appconfigs/shop created (dry run)", "appconfigs/site created (dry run)"]
        assert run("get", "-o", "name").lines == []

    def test_pruning_deletes_what_no_file_has_within_the_selector_and_the_limit(self, run: Run) -> None:
        self.applied(run)
        more = f"name,repository_url,environment\nold,{URL},dev\nolder,{URL},dev\n"
        assert run("apply", "-f", "-", input=more).code == 0
        wanted = f"name,repository_url,environment,branch\nshop,{URL},dev,next\nnew,{URL},dev,main\n"
        prune = ("apply", "--prune", "-l", "environment=dev", "-f", "-")

        asked = run(*prune, input=wanted)
        assert (asked.code, "say --yes" in asked.stderr) == (2, True)
        limited = run(*prune, "--yes", "--prune-limit", "1", input=wanted)
        assert (limited.code, "would delete 2 rows, more than 1" in limited.stderr) == (1, True)
        outside = run(*prune, "--yes", input=wanted.replace("new,", "site,").replace("dev,main", "staging,main"))
        assert (outside.code, "outside of --selector environment=dev" in outside.stderr) == (2, True)
        shown = run("diff", *prune[1:], input=wanted)
        assert (shown.code, "appconfigs/old: delete" in shown.lines) == (1, True)
        assert len(run("get", "-o", "name").lines) == 4

        done = run(*prune, "--yes", input=wanted)
        assert done.code == 0, done
        assert sorted(line.split()[1] for line in done.lines) == ["configured", "created", "pruned", "pruned"]
        assert run("get", "-o", "name").lines == ["appconfigs/new", "appconfigs/shop", "appconfigs/site"]
        assert run(*prune, "--yes", input=wanted).lines == ["appconfigs/shop unchanged", "appconfigs/new unchanged"]

    def test_a_deletion_asks_names_what_is_not_there_and_does_all_or_nothing(self, run: Run) -> None:
        self.applied(run)
        assert run("delete", "appconfigs", "shop").code == 2
        missing = run("delete", "appconfigs", "shop", "none", "--yes")
        assert (missing.code, "there is no configuration none" in missing.stderr) == (2, True)
        assert len(run("get", "-o", "name").lines) == 2

        done = run("delete", "appconfigs", "shop", "none", "--yes", "--ignore-not-found")
        assert (done.code, done.lines) == (0, ["appconfigs/shop deleted"])
        assert run("get", "-o", "name").lines == ["appconfigs/site"]

    def test_a_row_goes_back_to_a_generation_of_its_history_also_when_it_is_deleted(self, run: Run) -> None:
        self.applied(run)
        for branch in ("next", "later"):
            assert run("apply", "-f", "-", input=CSV.replace("1.10", branch)).code == 0
        versions = run("history", "appconfigs", "shop")
        assert [line.split()[:2] for line in versions.lines[1:]] == [
            ["3", "updated"],
            ["2", "updated"],
            ["1", "created"],
        ]
        assert "branch: next -> later" in versions.lines[1]

        looked = run("rollback", "appconfigs", "shop", "--dry-run")
        assert looked.lines[1:3] == ["-  branch: later", "+  branch: next"]
        back = run("rollback", "appconfigs", "shop", "--to-generation", "1")
        assert (back.code, back.lines[-1]) == (0, "appconfigs/shop rolled back to generation 1")
        shop = json.loads(run("get", "appconfigs", "shop", "-o", "json").stdout)
        assert (shop["branch"], shop["generation"]) == ("1.10", 4)
        unknown = run("rollback", "appconfigs", "shop", "--to-generation", "9")
        assert (unknown.code, "its history has 4, 3, 2, 1" in unknown.stderr) == (2, True)

        assert run("delete", "appconfigs", "shop", "--yes").code == 0
        again = run("rollback", "appconfigs", str(shop["id"]))
        assert again.code == 0, again
        assert json.loads(run("get", "appconfigs", "shop", "-o", "json").stdout)["branch"] == "1.10"

    def test_a_description_has_values_targets_and_last_changes(self, run: Run) -> None:
        self.applied(run)
        ran = run("describe", "appconfigs", "shop")

        assert ran.code == 0
        assert "  branch:          1.10" in ran.lines
        assert "  k8s: pending" in ran.lines
        assert ran.lines[-1].split()[:2] == ["1", "created"]

    def test_who_asks_without_a_token_is_taken_for_the_account_they_use(self, run: Run) -> None:
        ran = run("whoami")

        assert (ran.code, "token: none" in ran.lines) == (0, True), ran
        assert re.fullmatch(r"crud takes you for \S+, unverified\n", ran.stderr)


class RowsContract:
    """Of the rows of a renderer `tenants` (id, slug, plan, tags text[]), which a fixture `run` begins without."""

    FILE = '{"renderer": "tenants", "rows": [{"id": 1, "slug": "acme", "tags": ["a"]}, {"id": 2, "slug": "tiny"}]}'

    def test_rows_of_any_table_are_applied_pruned_and_rolled_back(self, run: Run) -> None:
        first = run("apply", "-f", "-", input=self.FILE)
        assert first.lines == ["tenants/1 created", "tenants/2 created"], first
        assert run("apply", "-f", "-", input=self.FILE).lines == ["tenants/1 unchanged", "tenants/2 unchanged"]
        assert run("apply", "tenants", "-f", "-", input='id,tags\n1,"[""a"", ""b""]"\n').lines == [
            "tenants/1 configured"
        ]
        row = json.loads(run("get", "tenants", "1", "-o", "json").stdout)
        assert (row["row"]["tags"], row["row"]["slug"], row["generation"]) == (["a", "b"], "acme", 2)
        assert run("get", "tenants", "-l", "slug=tiny", "-o", "name").lines == ["tenants/2"]
        # Where they go, by their declaration.
        assert run("get", "tenants", "-l", "slug=tiny", "-l", "environment=dev", "-o", "name").lines == ["tenants/2"]
        assert run("get", "tenants", "-l", "environment=prod", "-o", "name").lines == []
        assert run("get", "tenants").lines[1].split()[:2] == ["1", "1"]

        mixed = "- {id: 1, slug: zeta}\n- {id: 3, slug: new, tags: [x]}\n"
        pruned = run("apply", "tenants", "--prune", "--yes", "-f", "-", input=mixed)
        assert pruned.lines == ["tenants/1 configured", "tenants/3 created", "tenants/2 pruned"], pruned
        assert run("get", "tenants", "-o", "name").lines == ["tenants/1", "tenants/3"]

        back = run("rollback", "tenants", "1", "--to-generation", "1")
        assert back.code == 0, back
        assert run("get", "tenants", "1", "-o", "jsonpath={.row.slug} {.row.tags}").stdout == 'acme ["a"]\n'
        assert run("rollback", "tenants", "2").code == 0
        printed = run("get", "tenants", "-o", "yaml").stdout
        assert [row["key"] for row in yaml.safe_load(printed)["items"]] == ["1", "2", "3"]
        assert run("diff", "-f", "-", input=printed).code == 0
        assert run("delete", "tenants", "2", "3", "--yes").lines == ["tenants/2 deleted", "tenants/3 deleted"]
        gone = run("get", "tenants", "2")
        assert (gone.code, "is deleted" in gone.stderr) == (2, True)

    def test_a_refused_row_of_a_table_is_named_by_its_place(self, run: Run) -> None:
        ran = run("apply", "tenants", "-f", "-", input="id,slug,plam\n1,acme,gold\n")

        assert ran.code == 1
        assert "standard input, line 2: tenants/1: plam: is no column of the table (unknown-field)" in ran.stderr
