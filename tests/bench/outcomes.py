"""What has become of the events of one instance of a sync since its start, as its own metrics tell."""

from __future__ import annotations

from collections import Counter

import httpx
from prometheus_client.parser import text_string_to_metric_families


def outcomes(url: str) -> Counter[str]:
    """Events by outcome, of the instance whose application answers at `url`. Raises httpx.HTTPError."""
    text = httpx.get(f"{url}/metrics", timeout=10, trust_env=False).raise_for_status().text
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "rowcast_sync_changes_total":
                found[sample.labels["outcome"]] += int(sample.value)
    return found
