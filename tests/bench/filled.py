"""A branch that another instance has filled: the files of a table's rows, as a target would have written them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2

from rowcast.core.events import AppConfig, Change, Op
from rowcast.core.layout import Layout
from rowcast.core.plan import Tombstones
from rowcast.core.render import Desired, render
from rowcast.core.row import app_config
from rowcast.sync.targets.git.commits.changes import decide
from rowcast.sync.targets.git.files.tree_index import Index

AT_ONCE = 1_000
SAID_EVERY = 100_000
COLUMNS = "id, name, repository_url, branch, environment, generation, created_at::text, updated_at::text, updated_by"


def fill(repository: Path, database: str, rows: int, layout: Layout, say: Callable[[str], None]) -> None:
    """Commit the files of the table's first rows, by `git fast-import` onto `main`, in one commit."""
    command = ["git", "-c", "safe.directory=*", "-C", str(repository), "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"commit refs/heads/main\ncommitter Other <other@example.org> 1700000000 +0000\ndata 4\n")
        process.stdin.write(b"fill\nfrom refs/heads/main^0\n")
        done = 0
        for batch in _batches(database, rows):
            for path, content in decide(batch, Index(), Tombstones(), layout).files.items():
                if content is not None:
                    process.stdin.write(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))
            done += len(batch)
            if done % SAID_EVERY == 0:
                say(f"files made: {done:,} of {rows:,}")
    if process.returncode:
        raise OSError(f"git fast-import: {process.returncode}")


def _batches(database: str, rows: int) -> Iterator[list[Desired]]:
    with psycopg2.connect(database) as connection, connection.cursor("rows") as cursor:
        cursor.itersize = AT_ONCE
        cursor.execute(f"SELECT {COLUMNS} FROM app_configs ORDER BY id LIMIT %s", (rows,))
        while found := cursor.fetchmany(AT_ONCE):
            yield [_desired(*values) for values in found]


def _desired(*values: Any) -> Desired:
    config = AppConfig(*values)
    return render(Change(app_config(config.id), Op.READ, config, 1, config.updated_at))
