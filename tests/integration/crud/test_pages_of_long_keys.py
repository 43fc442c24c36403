"""Pages after long keys."""

from __future__ import annotations

import httpx
import sqlalchemy as sa

from integration.crud.test_renderers import save, tenants  # noqa: F401


def test_the_page_after_a_long_key_can_be_read(crud: httpx.Client, sql: sa.Connection) -> None:
    """880 characters fit: 2,640 bytes are more than a key may have, 400 of three bytes are not half of it."""
    keys = ["\u4e2d" * 400 + text for text in "abc"]
    for key in keys:
        save(sql, key, 1)
    seen: list[str] = []
    cursor = None
    while True:
        parameters = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        answer = crud.get("/renderers/tenants/rows", params=parameters)
        assert answer.status_code == 200, answer.text
        seen += [one["key"] for one in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(["1", "a/b,\u00fc", *keys])
