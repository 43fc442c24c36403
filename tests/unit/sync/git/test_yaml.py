from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from contract.targets.rows import saved
from examples import examples
from rowcast.sync.targets.git.files.yaml import to_yaml

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
words = st.sampled_from(
    ["yes", "No", "on", "null", "~", "1e3", "0x1f", "1:30", "2026-01-02", "a: b", "a #b", "- a", "", " a", "a:", "<<"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | words
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | words, inner, max_size=3)
)


@given(st.dictionaries(texts | words, values, min_size=1, max_size=4))
@example({"a": "\x7f\x85\u2028\ufeff\U0001f600"})
@examples(500)
def test_what_is_written_reads_back_the_same(document: dict[str, Any]) -> None:
    assert yaml.safe_load(to_yaml(document)) == document


def test_a_manifest_is_written_the_way_people_write_it() -> None:
    (manifest,) = saved(42, 7, "a", lsn=1234).manifests
    assert to_yaml(manifest.body).decode() == (
        "apiVersion: rowcast.dev/v1alpha1\n"
        "kind: AppConfig\n"
        "metadata:\n"
        "  name: a\n"
        "  labels:\n"
        "    app.kubernetes.io/managed-by: rowcast\n"
        "    rowcast.dev/table: app_configs\n"
        '    rowcast.dev/row-id: "42"\n'
        "  annotations:\n"
        '    rowcast.dev/generation: "7"\n'
        '    rowcast.dev/lsn: "1234"\n'
        "    rowcast.dev/updated-by: ann\n"
        "spec:\n"
        "  id: 42\n"
        "  name: a\n"
        "  repository_url: https://git.example.org/team/app.git\n"
        "  branch: release-7\n"
        "  environment: dev\n"
    )


def test_what_json_cannot_express_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        to_yaml({"a": object()})
