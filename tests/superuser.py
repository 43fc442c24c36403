"""The database as its administrator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import psycopg2.extensions

from rowcast_local.platform import Platform


@contextmanager
def superuser(platform: Platform) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor outside of any transaction."""
    password = platform.blueprint.credentials.postgres_superuser
    port = platform.blueprint.postgres.port
    connected = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="rowcast", password=password)
    with closing(connected) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
