"""Files as somebody else has left them on the branch: the way of other rows goes on, and each row says how it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from contract.targets.places import Git, commit_and_push, git
from contract.targets.rows import saved
from rowcast.core.errors import PermanentError
from rowcast.core.ports import Failed
from rowcast.core.reconcile import Comparison, Kind
from rowcast.core.render import Desired
from rowcast.core.row import RowKey, app_config
from rowcast.sync.targets.git import GitTarget
from unit.sync.git.test_parsing import BOMB

pytestmark = pytest.mark.anyio

A = "environments/dev/appconfigs/a.yaml"
ROW = app_config(1)


def append(place: Git, lines: str | bytes) -> None:
    clone = place.clone()
    content = lines if isinstance(lines, bytes) else "".join(f"  {line}\n" for line in lines.splitlines()).encode()
    (clone / A).write_bytes((clone / A).read_bytes() + content)
    commit_and_push(clone, "By hand")


def plant(folder: Path, copies: Mapping[bytes, bytes]) -> None:
    for name, content in copies.items():
        (folder / os.fsdecode(name)).write_bytes(content)


async def restarted(target: GitTarget, place: Git) -> GitTarget:
    await target.close()
    again = GitTarget(place.settings())
    await again.start()
    return again


async def differences(target: GitTarget, *rows: Desired) -> list[tuple[Kind, RowKey, str]]:
    comparison = Comparison(await target.inventory(), 10**6)
    for row in rows:
        comparison.row(row, target.expect(row))
    return [(one.kind, one.row, one.why) for one in comparison.finish().differences]


@pytest.mark.parametrize("restart", [False, True], ids=["running", "after a restart"])
@pytest.mark.parametrize("lines", ["on: push", "1: one", "when: 2024-01-01", "~: {}", "call: !!python/name:os.fork ''"])
async def test_a_file_with_odd_yaml_is_drift_of_its_row_alone(place: Git, lines: str, restart: bool) -> None:
    target = GitTarget(place.settings())
    drifted: list[RowKey] = []
    target.listen(drifted.append)
    rows = [saved(1, 1, "a"), saved(2, 1, "b")]
    await target.deliver(rows)
    append(place, lines)
    if restart:
        target = await restarted(target, place)

    assert await differences(target, *rows) == [(Kind.DIFFERENT, ROW, "was edited there")]
    assert set(drifted) == (set() if restart else {ROW})
    await target.deliver([saved(2, 2, "b"), saved(1, 2, "a")])
    await target.close()
    assert {name: one.generation for name, one in place.observe().items()} == {"a": 2, "b": 2}


@pytest.mark.parametrize("restart", [False, True], ids=["running", "after a restart"])
@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("".join(f"  {line}\n" for line in BOMB.splitlines()).encode(), "aliases"),
        (b"  loop: &a [*a]\n", "aliases"),
        (b"  deep: " + b"[" * 3000 + b"]" * 3000 + b"\n", "nested more than 40 deep"),
        (b"  broken: [\n", "not YAML"),
        (b"  latin: caf\xe9\n", "not YAML"),
    ],
    ids=["a bomb", "recursive", "nested", "broken", "latin-1"],
)
async def test_a_file_that_cannot_be_read_is_left_alone_and_its_row_says_so(
    place: Git, content: bytes, why: str, restart: bool
) -> None:
    target = GitTarget(place.settings())
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    append(place, content)
    if restart:
        target = await restarted(target, place)

    results = await target.deliver([saved(2, 2, "b"), saved(1, 2, "a")])
    await target.close()

    refused = results[ROW]
    assert isinstance(refused, Failed)
    assert isinstance(refused.error, PermanentError)
    assert refused.error.reason == "not-owned"
    assert A in str(refused.error)
    assert why in str(refused.error)
    assert git("-C", str(place.repository), "log", "-1", "--format=%s", "main", "--", A).strip() == "By hand"
    assert git("-C", str(place.repository), "log", "-1", "--format=%s", "main").strip() == "Update b"


async def test_names_in_any_bytes_are_listed_as_they_are_or_not_ours(place: Git) -> None:
    target = GitTarget(place.settings(kustomization=True))
    await target.deliver([saved(1, 1, "a")])
    clone = place.clone()
    folder = clone / "environments/dev/appconfigs"
    copies: dict[bytes, bytes] = {}
    content = (folder / "a.yaml").read_bytes().replace(b'row-id: "1"', b'row-id: "%d"')
    names = [b"caf\xe9.yaml", "café.yaml".encode(), b"b #c.yaml", b"d: e.yaml", b"'q'.yaml", b'"r".yaml', b"- s.yaml"]
    names += ["🚀.yaml".encode(), b"t\nu.yaml", b"*v.yaml", b"back\\slash.yaml", b"no.yaml"]
    for row_id, name in enumerate(names, 10):
        copies[name] = content % row_id
    plant(folder, copies)
    commit_and_push(clone, "Copies")

    await target.inventory()
    await target.deliver([saved(2, 1, "z")])
    await target.deliver([saved(2, 2, "z")])
    await target.close()

    listed = place.clone() / "environments/dev/appconfigs/kustomization.yaml"
    resources = yaml.safe_load(listed.read_bytes())["resources"]
    assert set(resources) == {"a.yaml", "z.yaml", *(name.decode() for name in names[1:])}


async def test_a_file_that_makes_us_stumble_is_named(place: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise TypeError("'<' not supported")

    target = GitTarget(place.settings())
    await target.deliver([saved(1, 1, "a")])
    await target.close()
    monkeypatch.setattr("rowcast.sync.targets.git.tree.read_entry", stumble)
    again = GitTarget(replace(place.settings(), cache=place.settings().cache / "another"))
    with pytest.raises(RuntimeError, match=f"{A}: .*TypeError"):
        await again.start()
    await again.close()
