from __future__ import annotations

import pytest
import yaml

from contract.targets.rows import saved
from rowcast.core.errors import PermanentError
from rowcast.core.plan import Held
from rowcast.sync.targets.git.emit import to_yaml
from rowcast.sync.targets.git.files import path_of, read_held

DESIRED = saved(42, 7, "a", lsn=1234)
(MANIFEST,) = DESIRED.manifests
OURS = to_yaml(MANIFEST.body)
HELD = Held("p", "app_configs", 42, 7, 1234)


def test_a_file_says_which_row_it_is_of() -> None:
    assert read_held("p", OURS) == HELD


@pytest.mark.parametrize(
    "content",
    [
        OURS.replace(b'"', b"'"),
        b"# a comment\n" + OURS,
        yaml.safe_dump(MANIFEST.body).encode(),
        yaml.safe_dump(MANIFEST.body, default_flow_style=True).encode(),
    ],
    ids=["other quotes", "a comment", "sorted", "flow style"],
)
def test_a_file_that_was_formatted_anew_is_the_same(content: bytes) -> None:
    assert read_held("p", content) == HELD


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a: [",
        b"\xff\x00",
        b"- app.kubernetes.io/managed-by\n",
        OURS.replace(b"managed-by: rowcast", b"managed-by: helm"),
        OURS.replace(b'row-id: "42"', b"row-id: many"),
        OURS + b"---\n" + OURS,
        b"data: |\n" + b"".join(b"  " + line + b"\n" for line in OURS.splitlines()),
    ],
    ids=["empty", "broken", "binary", "a list", "another manager", "no row", "two documents", "quoted"],
)
def test_anything_else_is_foreign(content: bytes) -> None:
    assert read_held("p", content) is None


def test_a_generation_that_a_hand_has_broken_counts_as_zero() -> None:
    held = read_held("p", OURS.replace(b'generation: "7"', b"generation: seven"))
    assert held == Held("p", "app_configs", 42, 0, 1234)


@pytest.mark.parametrize(("root", "path"), [("x/y", "x/y/dev/appconfigs/a.yaml"), ("", "dev/appconfigs/a.yaml")])
def test_a_rows_path_is_below_the_root(root: str, path: str) -> None:
    assert path_of(root, DESIRED, MANIFEST) == path


@pytest.mark.parametrize("environment", ["", "..", "Dev", "a/b", "a.b", "-a", "a" * 64, "a\n"])
def test_an_environment_that_is_no_label_has_no_path(environment: str) -> None:
    desired = saved(1, 1, "a", environment=environment)
    with pytest.raises(PermanentError) as refused:
        path_of("root", desired, desired.manifests[0])
    assert refused.value.reason == "invalid-name"
