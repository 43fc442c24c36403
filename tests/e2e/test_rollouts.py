"""Roll-outs on the real way: parts that are killed, rows that change meanwhile, what stops one, and the way back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rowcast_local.platform import Platform
from world import World, done, wait_until

pytestmark = pytest.mark.timeout(900)

ROWS, FEW = 1_000, 200
PARTS = ("crud", "sync-k8s", "postgres", "sync-git", "crud")
DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: stalls}
spec:
  source: {table: public.stalls, key: [id]}
  name: stall-${string(row.id)}
  allow: {kinds: [ConfigMap], namespaces: [rowcast]}
  manifests:
    - id: settings
      ready: "!has(self.data.broken)"
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "stall-${string(row.id)}", namespace: rowcast}
        data: {size: "${string(row.size)}", template: first}
"""
SECOND = DECLARATION.replace("template: first", "template: second")
BROKEN = DECLARATION.replace("template: first", "template: third, broken: very")
TABLE = """
DROP TABLE IF EXISTS stalls;
CREATE TABLE stalls (id int PRIMARY KEY, size int NOT NULL);
INSERT INTO stalls SELECT n, n FROM generate_series(1, {}) AS n;
"""
BEHIND = """
SELECT count(*) FROM rowcast.rows AS row CROSS JOIN (VALUES ('k8s'), ('git')) AS t (target)
LEFT JOIN rowcast.statuses AS status USING (renderer, key, target)
WHERE renderer = 'stalls' AND (status.observed_generation IS DISTINCT FROM row.generation
    OR status.deleted <> row.deleted OR status.error IS NOT NULL)
"""
ASSIGNED = """
SELECT count(*) FROM (
    SELECT revision, lag(revision) OVER (PARTITION BY key ORDER BY generation) AS before
    FROM rowcast.row_history WHERE renderer = 'stalls' AND key = ANY (%s)
) AS generations WHERE revision <> before
"""


class Stalls:
    """A table of many rows with a ConfigMap each, on a running platform."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self._folder = folder

    def run(self, *statements: str) -> None:
        with self.world.sql() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.world.sql() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())

    def start(self, declaration: str, *options: str) -> None:
        file = self._folder / "stalls.yaml"
        file.write_text(declaration)
        self.world.rowcast("renderer", "rollout", "start", str(file), *options)

    def newest(self) -> Mapping[str, Any]:
        with self.world.api() as api:
            # While crud is away, its sidecar says so.
            answer = api.get("/renderers/stalls/rollouts").raise_for_status()
        found: Mapping[str, Any] = answer.json()["items"][0]
        return found

    def until(self, *states: str) -> Mapping[str, Any]:
        wait_until(lambda: self.newest()["state"] in states, lambda: json.dumps(self.newest(), indent=1))
        return self.newest()

    def delivered(self) -> None:
        wait_until(lambda: self.ask(BEHIND) == [(0,)], lambda: str(self.ask(BEHIND)))

    def cluster(self) -> dict[str, Mapping[str, str]]:
        """What each row's object says, by the row's key."""
        found = json.loads(self.world.kubectl("get", "configmaps", "-l", "rowcast.dev/renderer=stalls", "-o", "json"))
        return {one["metadata"]["labels"]["rowcast.dev/key"]: one["data"] for one in found["items"]}

    def files(self) -> dict[str, Mapping[str, str]]:
        """The same of the files in a clone."""
        with self.world.clone() as folder:
            paths = folder.glob("environments/default/stalls/*.yaml")
            found = [yaml.load(path.read_text(), yaml.CSafeLoader) for path in paths]
        return {one["metadata"]["labels"]["rowcast.dev/key"]: one["data"] for one in found}

    def head(self) -> str:
        with self.world.clone() as folder:
            return _git(folder, "rev-parse", "HEAD").strip()

    def changed_since(self, commit: str) -> set[str]:
        """The rows whose files were changed by the commits since."""
        with self.world.clone() as folder:
            names = _git(folder, "log", "--format=", "--name-only", f"{commit}..HEAD").split()
        return {Path(name).stem.removeprefix("stall-") for name in names if "/stalls/" in name}

    def with_template(self, name: str) -> set[str]:
        return {key for key, data in self.cluster().items() if data["template"] == name}


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def stalls(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Iterator[Stalls]:
    found = Stalls(world, tmp_path)
    found.run(TABLE.format(getattr(request, "param", ROWS)))
    world.declare(DECLARATION)
    found.delivered()
    yield found
    found.run("DELETE FROM stalls")
    wait_until(lambda: found.cluster() == {} and found.files() == {})
    found.run(
        "DROP TABLE stalls",
        "DELETE FROM rowcast.sources WHERE renderer = 'stalls'",
        "DELETE FROM rowcast.rollouts WHERE renderer = 'stalls'",
    )


def test_every_row_goes_on_once_though_parts_are_killed_and_rows_change_meanwhile(
    stalls: Stalls, platform: Platform
) -> None:
    untouched = [str(number) for number in range(100, ROWS, 3)]
    stalls.start(SECOND, "--step", "row.size <= 20", "--step", "100", "--step", "50%")
    for number, part in enumerate(PARTS):
        platform.kill_part(part)  # the supervisor starts it again
        wait_until(lambda: stalls.ask("SELECT 1") == [(1,)])
        stalls.run(
            f"INSERT INTO stalls VALUES ({ROWS + 1 + number}, {number})",
            f"UPDATE stalls SET size = size + 1 WHERE id % 3 = 0 AND id < {50 + number}",
            f"DELETE FROM stalls WHERE id = {10 + number}",
        )
        wait_until(lambda: bool(stalls.newest()))
    found = stalls.until("done", "stopped")

    assert found["state"] == "done", found["why"]
    assert [step["state"] for step in found["steps"]] == ["done"] * 4
    stalls.run(f"INSERT INTO stalls VALUES ({2 * ROWS}, 1)")
    stalls.delivered()
    wanted = {str(key): {"size": str(size), "template": "second"} for key, size in stalls.ask("SELECT * FROM stalls")}
    assert len(wanted) == ROWS + 1
    assert stalls.cluster() == wanted
    assert stalls.files() == wanted
    assert stalls.ask(ASSIGNED, untouched) == [(len(untouched),)]


@pytest.mark.parametrize("stalls", [FEW], indirect=True, ids=[pytest.HIDDEN_PARAM])
def test_what_does_not_get_ready_stops_after_the_first_step_and_is_taken_back(stalls: Stalls) -> None:
    before, commit = stalls.files(), stalls.head()
    stalls.start(BROKEN, "--step", "10", "--ready", "3", "--hold", "1")

    found = stalls.until("stopped", "done")

    assert found["state"] == "stopped"
    assert "ConfigMap/stall-" in found["why"]
    assert "ready: !has(self.data.broken): is false" in found["why"]
    path = f"/renderers/stalls/rollouts/{found['id']}/rows"

    def failed() -> set[tuple[str, str]]:
        with stalls.world.api() as api:
            rows = done(api.get(path, params={"state": "failed"}))["items"]
        return {(row["key"], row["target"]) for row in rows}

    # The first of them stops it, when others of the step may be on their way yet.
    wait_until(lambda: len(failed()) == 10, lambda: str(failed()))
    canaries = {key for key, _ in failed()}
    assert failed() == {(key, "k8s") for key in canaries}
    wait_until(lambda: stalls.changed_since(commit) == canaries, lambda: str(stalls.changed_since(commit)))
    assert stalls.with_template("third") == canaries

    stalls.world.rowcast("renderer", "rollout", "rollback", "stalls", "--watch")

    stalls.delivered()
    assert stalls.cluster() == stalls.files() == before
    assert stalls.changed_since(commit) == canaries
