"""A database with very many rows, as one has it after years: written by set-based SQL, past the triggers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg2

TABLE = "CREATE TABLE public.services (id int PRIMARY KEY, name text NOT NULL, plan text NOT NULL, image text NOT NULL)"
DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: services}
spec:
  source: {table: public.services, key: [id], edit: true}
  name: service-${string(row.id)}
  allow: {kinds: [ConfigMap], namespaces: [shop]}
  promotion: {match: [name], along: plan, order: [dev, staging, prod], fields: [image]}
  manifests:
    - id: settings
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "service-${string(row.id)}", namespace: shop}
        data: {plan: "${row.plan}", image: "${row.image}"}
"""
FAILED, LATE, GONE = 10_000, 20_000, 1_000
"""Of how many rows one is refused, one is late, and one was deleted and is not gone from every target."""

_CONFIGURATIONS = """
ALTER TABLE public.app_configs DISABLE TRIGGER USER;
INSERT INTO public.app_configs
    (id, name, repository_url, branch, environment, generation, created_at, updated_at, updated_by)
    OVERRIDING SYSTEM VALUE
SELECT n, 'service-' || n, 'https://git.example.com/shop/service-' || n % 5000 || '.git', 'release-' || n % 40,
    'env-' || n % 20, 1 + n % 3, '2026-01-01'::timestamptz + n * interval '1 second',
    '2026-02-01'::timestamptz + n * interval '1 second', 'person-' || n % 500
FROM generate_series(1, {rows}) AS n;
SELECT setval(pg_get_serial_sequence('public.app_configs', 'id'), {rows});
"""
_HISTORY = """
INSERT INTO public.app_config_history (row_id, change, generation, changed_at, changed_by, before, after)
SELECT id, CASE generation WHEN 1 THEN 'created' ELSE 'updated' END, generation, updated_at, updated_by,
    CASE WHEN generation > 1 THEN its END, its
FROM (
    SELECT *, jsonb_build_object('id', id, 'name', name, 'branch', branch, 'environment', environment,
        'repository_url', repository_url, 'generation', generation) AS its
    FROM public.app_configs
) AS row ORDER BY id;
"""
_TOLD = """
INSERT INTO {table} ({whose}, target, observed_generation, deleted, outcome, reference, error, saved_at, captured_at,
    delivered_at, recorded_at)
SELECT {row}, target, generation - CASE WHEN n % {late} = 7 THEN 1 ELSE 0 END, false,
    CASE WHEN n % {failed} = 3 AND target = 'k8s' THEN 'dead-lettered' ELSE 'configured' END,
    'f3b1c2d4e5f60718293a4b5c6d7e8f9001122334', CASE WHEN n % {failed} = 3 AND target = 'k8s' THEN 'refused' END,
    moment, moment + interval '20 ms', moment + interval '80 ms', moment + interval '120 ms'
FROM ({its}) AS row, (VALUES ('k8s'), ('git')) AS targets (target);
"""
_CAPTURED = """
ALTER TABLE rowcast.rows DISABLE TRIGGER USER;
INSERT INTO rowcast.rows (renderer, key, generation, revision, deleted, row, actor, changed_at)
SELECT 'appconfigs', id::text, generation, 0, false, jsonb_build_object('id', id, 'name', name,
    'repository_url', repository_url, 'branch', branch, 'environment', environment, 'created_at', created_at),
    updated_by, updated_at
FROM public.app_configs;
INSERT INTO rowcast.rows (renderer, key, generation, revision, deleted, row, actor, changed_at)
SELECT 'services', id::text, 1 + id % 3, 1, id % {gone} = 11, to_jsonb(service), 'person-' || id % 500,
    '2026-02-01'::timestamptz + id * interval '1 second'
FROM public.services AS service;
DELETE FROM public.services WHERE id % {gone} = 11;
INSERT INTO rowcast.row_history (renderer, key, generation, revision, deleted, row, actor, actor_verified, changed_at)
SELECT renderer, key, generation, revision, deleted, row, actor, actor_verified, changed_at
FROM rowcast.rows WHERE renderer = 'services';
"""
_SERVICES = """
ALTER TABLE public.services DISABLE TRIGGER USER;
INSERT INTO public.services
SELECT n, 'service-' || n / 3, (ARRAY['dev', 'staging', 'prod'])[1 + n % 3], 'shop/service:' || n % 40
FROM generate_series(1, {rows}) AS n;
"""
_TRIGGERS = """
DO $$ DECLARE its record; BEGIN
    FOR its IN SELECT tgrelid::regclass AS home, tgname FROM pg_trigger WHERE tgenabled = 'D' AND NOT tgisinternal LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', its.home, its.tgname);
    END LOOP;
END $$;
"""


def fill(url: str, rows: int, say: Callable[[str], None] = lambda _: None) -> None:
    """So many configurations, and so many rows of another table: with history, at two targets, and all but a few there.

    The database at `url` is the owner's, migrated, and has nothing in it.
    """
    numbers = {"rows": rows, "failed": FAILED, "late": LATE, "gone": GONE}
    of_configurations = "SELECT id AS n, id, generation, updated_at AS moment FROM public.app_configs"
    of_others = (
        "SELECT key::int AS n, key, generation, changed_at AS moment FROM rowcast.rows"
        " WHERE renderer = 'services' AND NOT deleted"
    )
    told = {
        "what targets have told of configurations": {
            "table": "public.sync_statuses", "whose": "row_id", "row": "id", "its": of_configurations,
        },
        "what they have told of the others": {
            "table": "rowcast.statuses", "whose": "renderer, key", "row": "'services', key", "its": of_others,
        },
    }  # fmt: skip
    connection = psycopg2.connect(url.replace("+psycopg2", ""))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        _apply(url)
        for what, statements in (
            ("configurations", _CONFIGURATIONS),
            ("their history", _HISTORY),
            ("services", _SERVICES),
            ("what is captured", _CAPTURED),
        ):
            say(what)
            cursor.execute(statements.format(**numbers))
        for what, names in told.items():
            say(what)
            cursor.execute(_TOLD.format(**numbers, **names))
        cursor.execute(_TRIGGERS)
        say("which are outstanding")
        cursor.execute("SELECT rowcast.find_outstanding('{k8s,git}')")
        cursor.execute("VACUUM (ANALYZE)")
    connection.close()


def _apply(url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "services.yaml"
        file.write_text(DECLARATION)
        command = [str(Path(sys.executable).with_name("rowcast")), "renderer", "apply", str(file)]
        environment = {**os.environ, "ROWCAST_DATABASE_URL": url}
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
