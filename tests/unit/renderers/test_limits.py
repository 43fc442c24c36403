"""What Kubernetes refuses is refused here first."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from rowcast.core.renderer import RenderedManifest, RenderedRow
from rowcast.renderers.golden import as_yaml
from rowcast.renderers.limits import refused


def reason(kind: str = "ConfigMap", content: Any = None, **metadata: Any) -> str | None:
    return refused(kind, {"metadata": {"name": "a", **metadata}, **(content or {})})


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [
        ("ConfigMap", {"name": "a.b-c"}),
        ("ConfigMap", {"name": "a" * 253}),
        ("Namespace", {"name": "a" * 63}),
        ("rbac.authorization.k8s.io/Role", {"name": "system:Some.One"}),
        ("ConfigMap", {"labels": {"a": "", "example.com/B": "x" * 63}}),
        ("ConfigMap", {"annotations": {"a": "x" * (256 * 1024 - 1)}}),
    ],
)
def test_what_kubernetes_takes_is_taken(kind: str, metadata: dict[str, Any]) -> None:
    assert reason(kind, **metadata) is None


@pytest.mark.parametrize(
    ("kind", "metadata", "said"),
    [
        ("ConfigMap", {"name": "A"}, "metadata.name"),
        ("ConfigMap", {"name": "a\n"}, "metadata.name"),
        ("ConfigMap", {"name": "a..b"}, "metadata.name"),
        ("ConfigMap", {"name": "a" * 254}, "metadata.name"),
        ("Namespace", {"name": "a.b"}, "at most 63"),
        ("Namespace", {"name": "a" * 64}, "at most 63"),
        ("rbac.authorization.k8s.io/Role", {"name": "a/b"}, "part of a path"),
        ("ConfigMap", {"namespace": "a.b"}, "metadata.namespace"),
        ("ConfigMap", {"labels": {"a": "x" * 64}}, "metadata.labels: label a: "),
        ("ConfigMap", {"labels": {"a": "x y"}}, "label a: "),
        ("ConfigMap", {"labels": {"a": 1}}, "label a must be a text"),
        ("ConfigMap", {"labels": {"a b": "x"}}, "label 'a b'"),
        ("ConfigMap", {"labels": {"/a": "x"}}, "label '/a'"),
        ("ConfigMap", {"labels": "x"}, "metadata.labels must be a mapping"),
        ("ConfigMap", {"annotations": {"a": True}}, "annotation a must be a text"),
        ("ConfigMap", {"annotations": {"a": "x" * 256 * 1024}}, "metadata.annotations have 262145 bytes"),
    ],
)
def test_what_kubernetes_refuses_is_named(kind: str, metadata: dict[str, Any], said: str) -> None:
    assert said in str(reason(kind, **metadata))


def test_data_of_a_config_map_is_text() -> None:
    assert reason(content={"data": {"a": "1"}}) is None
    assert "data.a must be a text" in str(reason(content={"data": {"a": 1}}))
    assert reason("example.com/Thing", content={"data": {"a": 1}}) is None


@pytest.mark.parametrize(
    "text", ["1e3", "0x1F", "y", "on", "null", "~", "1_000", "12:30", ".inf", "2024-01-01", "", "a: b"]
)
def test_a_text_stays_a_text_for_every_reader_of_yaml(text: str) -> None:
    written = as_yaml(RenderedRow("a", None, [RenderedManifest("a", {"v": text})]))

    assert yaml.safe_load(written) == {"v": text}
    assert f"v: '{text}'" in written


def test_a_list_that_is_there_twice_is_written_twice() -> None:
    twice = ["x"]

    assert "&" not in as_yaml(RenderedRow("a", None, [RenderedManifest("a", {"v": twice, "w": twice})]))
