from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contract.targets.rows import saved
from rowcast.core.digest import digest_of_manifest
from rowcast.core.plan import Held
from rowcast.core.render import of_target
from rowcast.core.row import app_config
from rowcast.sync.targets.git.files.plain import read_plain
from rowcast.sync.targets.git.files.reading import read_entry, read_held
from rowcast.sync.targets.git.files.tree_index import OfAnother
from rowcast.sync.targets.git.files.yaml import to_yaml

DESIRED = saved(42, 7, "a", lsn=1234)
(MANIFEST,) = DESIRED.manifests
OURS = to_yaml(MANIFEST.body)
HELD = Held("p", app_config(42), 7, 1234, digest_of_manifest(MANIFEST))


def test_a_file_says_which_row_it_is_of() -> None:
    assert read_held("p", OURS) == HELD


def test_a_file_of_another_target_is_not_ours() -> None:
    (manifest,) = of_target(DESIRED, "git-eu").manifests
    theirs = to_yaml(manifest.body)

    assert read_entry("p", theirs, "git-eu") == replace(HELD, digest=digest_of_manifest(manifest))
    assert read_entry("p", theirs, "git") == OfAnother("the target git-eu")
    assert read_entry("p", OURS, "git") == HELD
    assert read_entry("p", OURS, "git-eu") == OfAnother("a target without a name")


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
    assert held is not None
    assert (held.generation, held.lsn) == (0, 1234)
    assert held.digest != HELD.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"branch: release-7", b"branch: other"), (b"updated-by: ann", b"updated-by: bob"), (b"id: 42", b"id: 43")],
)
def test_what_a_hand_has_edited_has_another_digest(old: bytes, new: bytes) -> None:
    assert old in OURS
    held = read_held("p", OURS.replace(old, new))
    assert held is not None
    assert held.digest != HELD.digest


def test_the_same_state_from_a_later_place_in_the_log_has_the_same_digest() -> None:
    held = read_held("p", OURS.replace(b'lsn: "1234"', b'lsn: "9999"'))
    assert held is not None
    assert (held.lsn, held.digest) == (9999, HELD.digest)


texts = st.text(max_size=30) | st.sampled_from(["yes", "null", "1", "0x1f", "1e3", "~", "a: b", "a #b", "2001-01-01"])


@given(st.dictionaries(texts, texts | st.integers(-(2**40), 2**40) | st.dictionaries(texts, texts)))
def test_reading_plainly_is_reading_yaml_or_nothing(document: dict[str, Any]) -> None:
    content = to_yaml(document)
    plain = read_plain(content)
    assert plain is None or plain == yaml.load(content, Loader=yaml.CSafeLoader)


@given(st.text(alphabet="ab:# \n\"'-0x|>&*!%{}[],?~yesno.", max_size=60))
def test_reading_plainly_never_reads_what_yaml_reads_otherwise(content: str) -> None:
    plain = read_plain(content.encode())
    if plain:
        assert plain == yaml.load(content, Loader=yaml.CSafeLoader)
