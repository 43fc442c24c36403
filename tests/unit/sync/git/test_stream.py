from __future__ import annotations

from rowcast.sync.targets.git.repository.stream import Commit, commit_stream


def commit(**more: object) -> Commit:
    fields: dict[str, object] = {
        "parent": "f00",
        "author": "A <a@x>",
        "authored_at": 1,
        "committer": "C <c@x>",
        "committed_at": 2,
        "message": "Say ü\n",
        "files": {"b": b"two\n", "a": None},
        **more,
    }
    return Commit(**fields)  # type: ignore[arg-type]


def test_a_commit_is_one_stream_with_removals_first() -> None:
    assert (
        commit_stream("refs/x", commit())
        == (
            "commit refs/x\nmark :1\nauthor A <a@x> 1 +0000\ncommitter C <c@x> 2 +0000\ndata 7\nSay ü\n\n"
            "from f00\nD a\nM 100644 inline b\ndata 4\ntwo\n\nget-mark :1\ndone\n"
        ).encode()
    )


def test_without_a_parent_the_history_begins() -> None:
    stream = commit_stream("refs/x", commit(parent=None))
    assert stream.startswith(b"reset refs/x\ncommit refs/x\n")
    assert b"\nfrom " not in stream


def test_a_path_that_would_break_the_stream_is_quoted() -> None:
    odd = b'a"\n\\\xff'.decode(errors="surrogateescape")
    assert b'D "\\141\\042\\012\\134\\377"\n' in commit_stream("refs/x", commit(files={odd: None}))
