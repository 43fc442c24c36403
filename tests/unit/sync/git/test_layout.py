from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contract.targets.rows import saved
from rowcast.core.errors import PermanentError
from rowcast.core.layout import Layout
from rowcast.core.row import RowKey

DESIRED = saved(42, 7, "a", lsn=1234)
(MANIFEST,) = DESIRED.manifests
LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,5}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(("root", "path"), [("x/y", "x/y/dev/appconfigs/a.yaml"), ("", "dev/appconfigs/a.yaml")])
def test_a_rows_path_is_below_the_root(root: str, path: str) -> None:
    assert Layout(root).place(DESIRED, MANIFEST) == path


@pytest.mark.parametrize("environment", ["", "..", "Dev", "a/b", "a.b", "-a", "a" * 64, "a\n"])
def test_an_environment_that_is_no_label_has_no_path(environment: str) -> None:
    desired = saved(1, 1, "a", environment=environment)
    with pytest.raises(PermanentError) as refused:
        Layout("root").place(desired, desired.manifests[0])
    assert refused.value.reason == "invalid-name"


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{plural}/{name}.yaml", "appconfigs/a.yaml"),
        ("clusters/{environment}/{kind}-{table}/{id}.yml", "clusters/dev/AppConfig-app_configs/42.yml"),
        ("{environment}/{name}/app.yaml", "dev/a/app.yaml"),
        ("{id}.yaml", "42.yaml"),
        ("{environment}/{shard}/{name}.yaml", "dev/73/a.yaml"),
    ],
)
def test_a_template_says_where_files_go(template: str, path: str) -> None:
    assert Layout(path=template).place(DESIRED, MANIFEST) == path


@pytest.mark.parametrize(
    "template",
    [
        "",
        "{environment}.yaml",
        "{environment}-{name}.yaml",
        "{name}{id}.yaml",
        "{shard}.yaml",
        "{shard}-{name}.yaml",
        "{name}",
        "{name}.json",
        "../{name}.yaml",
        "a/../{name}.yaml",
        ".git/{name}.yaml",
        ".{name}.yaml",
        "/{name}.yaml",
        "a//{name}.yaml",
        "{name!r}.yaml",
        "{name:>9}.yaml",
        "{name.x}.yaml",
        "{nobody}/{name}.yaml",
        "{{name}}.yaml",
        "a b/{name}.yaml",
        "-x/{name}.yaml",
        "{name}.yaml\n",
    ],
)
def test_a_template_that_is_not_safe_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="path"):
        Layout(path=template)


@pytest.mark.parametrize("template", ["{environment}/{name}.yaml", "{shard}/{name}.yaml"])
def test_a_key_that_is_no_unicode_has_a_path(template: str) -> None:
    desired = replace(DESIRED, row=RowKey("tenants", "\ud800"))
    assert Layout(path=template).place(desired, MANIFEST).endswith("/a.yaml")


def test_a_row_never_takes_the_place_of_a_kustomization() -> None:
    desired = saved(1, 1, "kustomization")
    with pytest.raises(PermanentError) as refused:
        Layout().place(desired, desired.manifests[0])
    assert refused.value.reason == "invalid-name"


@given(
    st.sampled_from(
        [
            "{environment}/{name}.yaml",
            "{name}.yaml",
            "{environment}-{plural}/{id}.yaml",
            "{name}/{id}-x.yml",
            "{shard}/{name}.yaml",
        ]
    ),
    st.tuples(st.integers(1, 99), LABELS, LABELS),
    st.tuples(st.integers(1, 99), LABELS, LABELS),
)
def test_different_rows_have_different_paths(
    template: str, one: tuple[int, str, str], other: tuple[int, str, str]
) -> None:
    assume(one[0] != other[0] and one[1] != other[1])
    first, second = (saved(row, 1, name, environment=environment) for row, name, environment in (one, other))
    layout = Layout("root", template)
    assert layout.place(first, first.manifests[0]) != layout.place(second, second.manifests[0])
