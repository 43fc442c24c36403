"""Rows of any table, from their events to a target: by the revisions that they carry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from rowcast.core.errors import TransientError
from rowcast.core.events import decode, encode, read
from rowcast.core.row import RowKey
from rowcast.core.rules import USER_MAX
from rowcast.core.shapes import Column, RowShape, shape_as_json, shape_of
from rowcast.sync.delivery.delivery import Delivery
from rowcast.sync.environments.starting import Starting
from rowcast.sync.monitoring.metrics import SyncMetrics
from rowcast.sync.rendering import Rendering, Revision
from rowcast.sync.rendering.rendering import KEPT
from rowcast.sync.settings import SyncSettings
from rowcast.sync.status.report import Topics
from unit.sync.test_delivery import Bench, until

pytestmark = pytest.mark.anyio
ROW = RowKey("tenants", "eu,7")
DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: tenants}
spec:
  source: {table: public.tenants, key: [region, id], where: row.active}
  name: ${row.slug}
  environment: ${row.region}
  allow: {kinds: [Namespace, ConfigMap], namespaces: ["team-*"]}
  manifests:
    - id: settings
      after: [namespace]
      when: row.seats > 0
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: settings, namespace: "team-${row.slug}", labels: {plan: "${row.plan}"}}
        data: {seats: "${string(100 / row.seats)}"}
    - id: namespace
      delete: retain
      ready: ${self.status.phase == 'Active'}
      template: {apiVersion: v1, kind: Namespace, metadata: {name: "team-${row.slug}"}}
"""
SHAPE = RowShape(
    {
        name: Column(name, kind)
        for name, kind in (
            ("region", "string"),
            ("id", "int"),
            ("slug", "string"),
            ("plan", "string"),
            ("seats", "int"),
            ("active", "bool"),
        )
    }
)
VALUES = {"region": "eu", "id": 7, "slug": "acme", "plan": "gold", "seats": 4, "active": True}


@dataclass
class FakeRevisions:
    """Each revision is the declaration, but for those that are `away`."""

    text: str = DECLARATION
    away: bool = False
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def revision(self, name: str, number: int) -> Revision:
        self.asked.append((name, number))
        if self.away:
            raise TransientError("crud is away")
        return Revision(self.text, shape_of(json.loads(json.dumps(shape_as_json(SHAPE)))))


def event(
    generation: int = 1, *, deleted: bool = False, revision: int = 1, lsn: int = 0, **values: Any
) -> dict[str, Any]:
    columns = {
        "renderer": ROW.renderer,
        "key": ROW.key,
        "generation": generation,
        "revision": revision,
        "deleted": deleted,
        "row": json.dumps(VALUES | values, ensure_ascii=False),
        "actor": "ann",
        "actor_verified": True,
        "approved_by": "bob",
        "changed_at": "2026-11-29T05:39:09.608943Z",
    }
    return {
        "iodebeziumtable": "rows",
        "iodebeziumop": "u",
        "iodebeziumlsn": str(100 + generation),
        "iodebeziumtxId": "781",
        "time": "2026-11-29T05:39:09.609Z",
        "data": {"before": None, "after": columns},
    }


class Rows(Bench):
    """A platform with a renderer besides the built-in one."""

    def __init__(self) -> None:
        super().__init__()
        self.revisions = FakeRevisions()
        self.starting = Starting(SyncSettings(target="k8s"), self.target)
        metrics = SyncMetrics("k8s", CollectorRegistry())
        topics = Topics("status", "dead")
        self._delivery = Delivery(
            self.starting, self, topics, metrics, self.retries, rendering=Rendering(self.revisions)
        )

    def there(self) -> list[str]:
        return sorted(key for key, stored in self.target.store.objects.items() if stored.held)

    def manifest(self, place: str) -> Mapping[str, Any]:
        return self.target.store.objects[place].manifest.body

    def told(self) -> Sequence[tuple[Any, ...]]:
        return [
            (one["renderer"], one["key"], one["name"], one["generation"], one["outcome"], one["deleted"])
            for topic, message in self.published
            if topic == "status"
            for one in message["statuses"]
        ]


NAMESPACE, SETTINGS = "eu//Namespace//team-acme", "eu//ConfigMap/team-acme/settings"


@pytest.fixture
async def rows() -> Rows:
    rows = Rows()
    await rows.starting.start()
    return rows


async def test_a_row_becomes_all_that_its_declaration_says_in_its_order_and_carries_whose_it_is(rows: Rows) -> None:
    assert await rows.deliver(event(3)) == set()

    assert list(rows.target.store.objects) == [NAMESPACE, SETTINGS]
    metadata = rows.manifest(SETTINGS)["metadata"]
    assert metadata["labels"] == {
        "plan": "gold",
        "app.kubernetes.io/managed-by": "rowcast",
        "rowcast.dev/renderer": "tenants",
        "rowcast.dev/key": metadata["labels"]["rowcast.dev/key"],
    }
    assert metadata["labels"]["rowcast.dev/key"].startswith("h-")
    assert metadata["annotations"]["rowcast.dev/key"] == "eu,7"
    assert metadata["annotations"]["rowcast.dev/generation"] == "3"
    assert rows.manifest(SETTINGS)["data"] == {"seats": "25"}
    assert rows.target.store.objects[NAMESPACE].manifest.ready == "self.status.phase == 'Active'"
    assert rows.told() == [("tenants", "eu,7", "acme", 3, "created", False)]


async def test_what_a_declaration_no_longer_makes_of_a_row_goes_and_the_rest_stays(rows: Rows) -> None:
    await rows.deliver(event(1))
    await rows.deliver(event(2, seats=0))

    assert rows.there() == [NAMESPACE]
    assert rows.told()[-1][4:] == ("configured", False)


async def test_a_manifest_that_a_new_revision_has_not_any_more_goes_and_one_to_be_retained_says_so(rows: Rows) -> None:
    await rows.deliver(event(1))
    assert rows.manifest(NAMESPACE)["metadata"]["annotations"]["rowcast.dev/on-delete"] == "retain"
    assert "rowcast.dev/on-delete" not in rows.manifest(SETTINGS)["metadata"]["annotations"]
    head, settings, namespace = (DECLARATION.partition("    - id: settings")[0], *parts_of(DECLARATION))

    rows.revisions.text = head + namespace
    await rows.deliver(event(2, revision=2))
    assert rows.there() == [NAMESPACE]

    rows.revisions.text = head + settings.replace("      after: [namespace]\n", "")
    await rows.deliver(event(3, revision=3))
    assert rows.there() == [SETTINGS]


def parts_of(declaration: str) -> tuple[str, str]:
    """Its two manifests."""
    start, second = declaration.index("    - id: settings"), declaration.index("    - id: namespace")
    return declaration[start:second], declaration[second:]


async def test_a_row_that_renders_to_nothing_loses_its_objects_and_is_not_told_as_deleted(rows: Rows) -> None:
    await rows.deliver(event(1))
    await rows.deliver(event(2, active=False))
    assert rows.there() == []
    assert rows.told()[-1][4:] == ("configured", False)

    await rows.deliver(event(1))
    assert rows.there() == [], "its fence stays"
    await rows.deliver(event(3))
    assert rows.there() == [SETTINGS, NAMESPACE]


async def test_a_deleted_row_is_an_update_of_its_tombstone(rows: Rows) -> None:
    await rows.deliver(event(1))
    await rows.deliver(event(2, deleted=True))
    await rows.deliver(event(1))

    assert rows.there() == []
    assert [one[4:] for one in rows.told()] == [("created", False), ("deleted", True), ("stale", False)]
    await rows.deliver(event(3))
    assert rows.there() == [SETTINGS, NAMESPACE], "its key is used again, and goes on from its generation"


async def test_a_key_that_is_only_taken_has_no_row_and_is_told_to_nobody(rows: Rows) -> None:
    assert await rows.deliver(event(0, deleted=True)) == set()
    assert rows.published == []

    assert await rows.deliver(event(0, deleted=True), event(1)) == set()
    assert rows.told() == [("tenants", "eu,7", "acme", 1, "created", False)]


async def test_a_row_whose_expression_fails_is_a_dead_letter_with_its_place_and_what_is_live_stays(rows: Rows) -> None:
    rows.revisions.text = DECLARATION.replace("when: row.seats > 0", "when: row.seats >= 0")
    await rows.deliver(event(1))
    assert await rows.deliver(event(2, seats=0)) == set()

    assert rows.there() == [SETTINGS, NAMESPACE]
    (letter,) = rows.letters()
    assert (letter["renderer"], letter["key"], letter["generation"]) == ("tenants", "eu,7", 2)
    assert letter["reason"] == "expression"
    assert "renderer tenants, revision 1: spec.manifests[0].template.data.seats" in letter["error"]
    assert rows.told()[-1][4:] == ("dead-lettered", False)


async def test_while_a_revision_can_not_be_had_its_rows_wait_and_it_is_asked_for_once_a_batch(rows: Rows) -> None:
    rows.revisions.away = True
    other = event(1)
    other["data"]["after"]["key"] = "eu,8"
    assert await rows.deliver(event(1), other) == set()
    assert (rows.there(), rows.revisions.asked, rows.letters()) == ([], [("tenants", 1)], [])

    rows.revisions.away = False
    async with rows.trying_again():
        await until(lambda: NAMESPACE in rows.there())


async def test_a_revision_is_fetched_once_and_the_oldest_are_let_go() -> None:
    revisions = FakeRevisions()
    rendering = Rendering(revisions)
    for number in (1, 1, *range(2, KEPT + 2), 2, 1):
        await rendering.one(decode(event(revision=number)))

    assert revisions.asked == [("tenants", number) for number in (*range(1, KEPT + 2), 1)]


async def test_a_row_that_was_read_is_the_one_of_its_event_and_can_be_written_as_one() -> None:
    change = decode(event(3))
    line = {**event(3)["data"]["after"], "row": VALUES}
    rendering = Rendering(FakeRevisions())

    was_read = await rendering.one(read(line, change.lsn))
    again = await rendering.one(decode(encode(change)))

    wanted = await rendering.one(change)
    assert was_read.manifests == again.manifests == wanted.manifests
    assert not decode(encode(change)).deleted
    assert decode(encode(decode(event(4, deleted=True)))).deleted


@pytest.mark.parametrize("text", ["a" * 70_000, "\N{ROCKET}" * 40_000], ids=["letters", "pairs of surrogates"])
def test_a_row_that_the_connector_has_cut_is_asked_of_the_table(text: str) -> None:
    cut = event(2, slug=text)
    raw = cut["data"]["after"]["row"].encode("utf-16-le")[: 2 * 65_536]
    cut["data"]["after"]["row"] = raw.decode("utf-16-le", errors="replace")

    assert decode(cut, partly=True).missing == ("row",)


async def test_whatever_a_writer_says_to_be_called_its_row_can_be_read() -> None:
    line = {**event(3)["data"]["after"], "row": VALUES, "actor": "x" * 5_000}
    (read_row,) = await Rendering(FakeRevisions()).desired([read(line, 1)])

    assert read_row.refusal is None
    assert (read_row.actor, read_row.approved_by) == ("x" * USER_MAX, "bob")
