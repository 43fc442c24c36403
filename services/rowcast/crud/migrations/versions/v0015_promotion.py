"""Promotion: which configurations are one application's, and who promoted what, or has asked to."""

from alembic import op

from rowcast.crud.migrations.versions.v0007_guards import _FUNCTIONS as _SEVENTH

revision = "0015"
down_revision = "0014"

_UP = """
-- NULL is the name: what was there before, and what SQL inserts without it, needs no value.
ALTER TABLE public.app_configs
    ADD COLUMN application text COLLATE "C"
    CONSTRAINT app_configs_application_dns_1123_label
        CHECK (length(application) <= 63 AND application ~ '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$');

CREATE TABLE rowcast.promotions (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    renderer            text NOT NULL,
    from_key            text NOT NULL,
    from_place          text NOT NULL,
    from_generation     bigint NOT NULL,
    to_key              text NOT NULL,
    to_place            text NOT NULL,
    to_generation       bigint NOT NULL,
    -- By column: what was there and what is copied, as they were seen.
    fields              jsonb NOT NULL,
    state               text NOT NULL CHECK (state IN ('awaiting', 'promoted', 'refused', 'outdated')),
    asked_by            text NOT NULL,
    asked_by_verified   boolean NOT NULL,
    asked_at            timestamptz NOT NULL DEFAULT now(),
    decided_by          text,
    decided_by_verified boolean,
    decided_at          timestamptz,
    why                 text,
    -- Of the row that was made.
    generation          bigint
);
CREATE INDEX promotions_renderer ON rowcast.promotions (renderer, id);
CREATE UNIQUE INDEX promotions_awaiting ON rowcast.promotions (renderer, to_key) WHERE state = 'awaiting';
CREATE INDEX promotions_made ON rowcast.promotions (renderer, to_key, generation) WHERE state = 'promoted';
"""

_DOWN = """
DROP TABLE rowcast.promotions;
ALTER TABLE public.app_configs DROP COLUMN application;
"""
_UNCHANGED = "= (known_as, OLD.repository_url, OLD.branch, OLD.environment) AND NOT deleting THEN"
_WITH_APPLICATION = """= (known_as, OLD.repository_url, OLD.branch, OLD.environment)
            AND NEW.application IS NOT DISTINCT FROM OLD.application AND NOT deleting THEN"""


def _run(statements: str) -> None:
    # Past SQLAlchemy's own parsing, as in the first migration.
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def _before_trigger() -> str:
    start = _SEVENTH.index("CREATE OR REPLACE FUNCTION public.rowcast_app_configs_before")
    return _SEVENTH[start : _SEVENTH.index("END $$;", start) + len("END $$;")]


def upgrade() -> None:
    _run(_UP)
    # Another application is a change like any other: a generation, and an entry in the history.
    _run(_before_trigger().replace(_UNCHANGED, _WITH_APPLICATION))


def downgrade() -> None:
    _run(_before_trigger())
    _run(_DOWN)
