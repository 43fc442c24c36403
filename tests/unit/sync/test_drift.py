"""Which watch events are somebody else's doing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rowcast.core.plan import Held
from rowcast.core.render import AppConfigRenderer
from rowcast.core.row import RowKey, app_config
from rowcast.sync.targets.kubernetes import drift
from rowcast.sync.targets.kubernetes.objects import Live, View

pytestmark = pytest.mark.anyio
HELD = Held("appconfigs/a", app_config(1), 3, 100, "as-rendered")


def live(version: int, held: Held | None = HELD) -> Live:
    return Live(AppConfigRenderer.resource, "a", "uid", str(version), held)


def watching() -> tuple[View, drift.Suspects, list[RowKey]]:
    """What is known, who watches it, and whom he has told of."""
    view = View()
    view.observe(live(10))
    watched, heard = drift.Suspects(view), list[RowKey]()
    watched.listen(heard.append)
    return view, watched, heard


@pytest.mark.parametrize(
    ("event", "deleted", "told"),
    [
        (live(11, replace(HELD, digest="edited")), False, True),
        (live(11, replace(HELD, generation=2)), False, True),
        (live(11, None), False, True),
        (live(11, replace(HELD, row=app_config(9))), False, True),
        (live(11), True, True),
        (live(11), False, False),
        (live(11, replace(HELD, generation=4, digest="newer")), False, False),
        (live(10, replace(HELD, digest="edited")), False, False),
    ],
    ids=["edited", "fence moved back", "labels gone", "another row", "deleted", "status", "another instance", "old"],
)
@pytest.mark.parametrize("ours", [False, True], ids=["by somebody", "by us"])
async def test_what_somebody_else_did_is_told_and_our_own_writes_are_not(
    monkeypatch: pytest.MonkeyPatch, event: Live, deleted: bool, told: bool, ours: bool
) -> None:
    monkeypatch.setattr(drift, "ECHO_SECONDS", 0)
    _, watched, heard = watching()

    watched.see(event, deleted)
    if ours:  # the answer to our own write comes after its event
        watched.explain(event.key, None if deleted else event.version)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert len(heard) == (1 if told and not ours else 0)


async def test_whoever_goes_on_editing_does_not_put_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "ECHO_SECONDS", 0.05)
    view, watched, heard = watching()

    for version in range(11, 200):
        edit = live(version, replace(HELD, digest=f"edit {version}"))
        watched.see(edit, deleted=False)
        view.observe(edit)
        await asyncio.sleep(0.01)  # less than the wait: the next edit comes before it is over
        if heard:
            break

    assert heard == [app_config(1)]
