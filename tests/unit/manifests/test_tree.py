import json
from collections import Counter
from typing import Any

from rowcast_manifests.objects import Manifest
from rowcast_manifests.tree import files


def test_helm_is_asked_once_for_the_same_values() -> None:
    asked: Counter[str] = Counter()

    def render(values: dict[str, Any]) -> list[Manifest]:
        asked[json.dumps(values, sort_keys=True)] += 1
        return []

    files(render)

    assert set(asked.values()) == {1}
