"""A branch that another instance has filled: the files of rows, as a target would have written them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg2

from bench.rows import Batch
from bench.watching import git_output
from rowcast.core.events import AppConfig, Change, Op
from rowcast.core.layout import Layout
from rowcast.core.plan import Tombstones
from rowcast.core.render import Desired, render
from rowcast.core.row import app_config
from rowcast.sync.targets.git.commits.changes import decide
from rowcast.sync.targets.git.files.tree_index import Index

AT_ONCE = 1_000
SAID_EVERY = 50_000
COLUMNS = "id, name, repository_url, branch, environment, generation, created_at::text, updated_at::text, updated_by"


def importing(repository: Path) -> list[str]:
    """The command that takes a stream of commits."""
    return ["git", "-c", "safe.directory=*", "-C", str(repository), "fast-import", "--quiet"]


def fill(repository: Path, batches: Iterable[Batch], layout: Layout, say: Callable[[str], None]) -> None:
    """Commit the files of rows, by `git fast-import` onto `main`, in one commit. No path may come twice."""
    born = git_output(repository, "for-each-ref", "refs/heads/main")
    with subprocess.Popen(importing(repository), stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"commit refs/heads/main\ncommitter Other <other@example.org> 1700000000 +0000\n")
        process.stdin.write(b"data 4\nfill\n" + (b"from refs/heads/main^0\n" if born else b""))
        done = 0
        for batch in batches:
            for path, content in decide(batch, Index(), Tombstones(), layout).files.items():
                if content is not None:
                    head = f"M 100644 inline {path}\ndata {len(content)}\n"
                    process.stdin.write(head.encode() + content + b"\n")
            done += len(batch)
            if done % SAID_EVERY == 0:
                say(f"files made: {done:,}")
    if process.returncode:
        raise OSError(f"git fast-import: {process.returncode}")


def of_table(database: str, rows: int) -> Iterator[Batch]:
    """The first rows of `app_configs`."""
    with psycopg2.connect(database) as connection, connection.cursor("rows") as cursor:
        cursor.itersize = AT_ONCE
        cursor.execute(f"SELECT {COLUMNS} FROM app_configs ORDER BY id LIMIT %s", (rows,))
        while found := cursor.fetchmany(AT_ONCE):
            yield [_desired(*values) for values in found]


def _desired(*values: Any) -> Desired:
    config = AppConfig(*values)
    return render(Change(app_config(config.id), Op.READ, config, 1, config.updated_at))
