"""All that a row renders to in one file: written, read back, and told from what somebody has made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contract.targets.rows import saved
from rowcast.core.errors import PermanentError
from rowcast.core.layout import Layout
from rowcast.core.plan import Held
from rowcast.core.render import KEY, Desired, Manifest, ResourceType, labels_of
from rowcast.core.row import RowKey
from rowcast.sync.targets.git.files.bundles import as_file, content_of, digest_of_file
from rowcast.sync.targets.git.files.parsing import MOST_NODES
from rowcast.sync.targets.git.files.reading import read_held

ROW = RowKey("tenants", "eu,7")
PATH = "environments/eu/tenants/acme.yaml"


def desired(*bodies: dict[str, Any], name: str = "acme", generation: int = 3, lsn: int = 99, **how: Any) -> Desired:
    annotations = {"rowcast.dev/generation": str(generation), "rowcast.dev/lsn": str(lsn), KEY: ROW.key}
    manifests = []
    for number, body in enumerate(bodies or ({"data": {"a": "b"}},)):
        metadata = {"name": f"n{number}", "labels": labels_of(ROW), "annotations": annotations}
        content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **body}
        manifests.append(Manifest(ResourceType("", "v1", "", "ConfigMap"), f"n{number}", content, **how))
    return replace(saved(1, generation, name, lsn=lsn), row=ROW, manifests=tuple(manifests), environment="eu")


def held(state: Desired, content: bytes | None = None) -> Held | None:
    (file,) = as_file(state).manifests
    return read_held(PATH, content_of(file) if content is None else content)


numbers = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(st.fixed_dictionaries({"data": values, "x": values}), min_size=1, max_size=3))
def test_what_is_written_is_read_back_as_the_row_that_it_is_of(bodies: list[dict[str, Any]]) -> None:
    state = desired(*bodies)
    (file,) = as_file(state).manifests
    assert held(state) == Held(PATH, ROW, 3, 99, digest_of_file(file))


def test_a_negative_number_is_read_back_as_it_was_written() -> None:
    state = desired({"data": {"a": "b"}, "offset": -1})
    (file,) = as_file(state).manifests
    assert held(state) == Held(PATH, ROW, 3, 99, digest_of_file(file))


@given(values, values)
def test_other_values_have_another_digest(one: Any, other: Any) -> None:
    (first,), (second,) = as_file(desired({"data": one})).manifests, as_file(desired({"data": other})).manifests
    assert (digest_of_file(first) == digest_of_file(second)) == (content_of(first) == content_of(second))


def test_the_place_in_the_log_makes_no_other_state() -> None:
    one, other = desired(lsn=1), desired(lsn=2)
    (first,), (second,) = as_file(one).manifests, as_file(other).manifests
    assert digest_of_file(first) == digest_of_file(second)


@pytest.mark.parametrize(
    ("before", "after"), [(b"1.5", b"2.5"), (b"-3", b"-4"), (b"null", b'""'), (b"  a: b", b"  a: c"), (b"v1", b"v2")]
)
def test_an_edit_by_hand_shows(before: bytes, after: bytes) -> None:
    state = desired({"data": {"a": "b", "n": 1.5, "m": -3, "o": None}}, {})
    (file,) = as_file(state).manifests
    content = content_of(file)
    assert content.replace(before, after) != content
    edited = held(state, content.replace(before, after))
    assert edited is not None
    assert edited.digest != digest_of_file(file)


def test_what_somebody_has_formatted_anew_is_the_same() -> None:
    state = desired({"data": {"a": "b"}}, {})
    (file,) = as_file(state).manifests
    content = b"# mine\n---\n" + content_of(file).replace(b"a: b", b'"a":   "b"') + b"---\n"
    found = held(state, content)
    assert found is not None
    assert found.digest == digest_of_file(file)


def test_a_file_with_documents_of_two_rows_is_nobodys() -> None:
    (file,) = as_file(desired()).manifests
    (other,) = as_file(replace(desired(), row=RowKey("tenants", "us,8"))).manifests
    mixed = content_of(file) + b"---\n" + content_of(other).replace(b"eu,7", b"us,8")
    assert read_held(PATH, mixed) is None
    assert read_held(PATH, content_of(file) + b"---\nkind: Secret\n") is None


def test_a_row_has_a_file_of_its_name_or_else_of_its_key() -> None:
    paths = [
        Layout("environments").place(state, state.manifests[0])
        for state in (as_file(desired()), as_file(desired(name="Acme Inc.")))
    ]
    assert paths[0] == PATH
    assert paths[1].startswith("environments/eu/tenants/h-")


def test_what_is_retained_is_so_for_argo_cd_and_for_flux() -> None:
    (file,) = as_file(desired(delete="retain")).manifests
    assert b"Prune=false" in content_of(file)
    assert b"kustomize.toolkit.fluxcd.io/prune: disabled" in content_of(file)


def test_a_manifest_that_the_row_has_no_more_is_no_more_in_its_file() -> None:
    both, one = desired({"data": {"a": "b"}}, {"data": {"c": "d"}}), desired({"data": {"a": "b"}}, generation=4)
    (before,), (after,) = as_file(both).manifests, as_file(one).manifests

    assert [each["metadata"]["name"] for each in yaml.safe_load_all(content_of(before))] == ["n0", "n1"]
    assert [each["metadata"]["name"] for each in yaml.safe_load_all(content_of(after))] == ["n0"]
    assert Layout("environments").place(one, after) == Layout("environments").place(both, before)


@pytest.mark.parametrize("data", [["x"] * MOST_NODES, "x" * 1024 * 1024], ids=["values", "bytes"])
def test_what_could_not_be_read_back_is_not_written(data: Any) -> None:
    with pytest.raises(PermanentError, match="at most"):
        as_file(desired({"data": data}))
