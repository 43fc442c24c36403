"""A push whose answer was lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.targets.places import Git
from contract.targets.rows import saved
from rowcast.core.errors import TransientError
from rowcast.sync.targets.git import GitTarget
from rowcast.sync.targets.git.repository.mirror import Mirror
from rowcast.sync.targets.git.repository.process import GitError

pytestmark = pytest.mark.anyio


async def test_what_was_pushed_without_an_answer_is_told_as_what_was_done(
    target: GitTarget, place: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`new` is what the table is asked for once more (`stale_check.py`)."""
    push = Mirror.push

    async def lost(self: Mirror, *given: object, **named: object) -> None:
        await push(self, *given, **named)  # type: ignore[arg-type]
        raise GitError("the remote hung up")

    async def away(self: Mirror, ref: str | None = None) -> str | None:
        raise GitError("the remote is away")

    await target.deliver([saved(1, 1, "a")])
    wanted = saved(2, 1, "b")
    with monkeypatch.context() as patch:
        patch.setattr(Mirror, "push", lost)
        patch.setattr(Mirror, "remote_tip", away)
        with pytest.raises(TransientError):
            await target.deliver([wanted])

    (result,) = (await target.deliver([replace(wanted, again=True)])).values()
    assert (str(result.outcome), result.new) == ("created", True)  # type: ignore[union-attr]
