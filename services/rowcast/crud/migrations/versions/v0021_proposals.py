"""Proposals: changes that another person has to approve, and what a transaction has changed, for who reviews it."""

from alembic import op

revision = "0021"
down_revision = "0020"

_UP = """
CREATE TABLE rowcast.proposals (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    renderer            text NOT NULL,
    -- Which of the API's it was.
    operation           text NOT NULL,
    state               text NOT NULL DEFAULT 'open'
                        CHECK (state IN ('open', 'approved', 'rejected', 'withdrawn', 'stale')),
    -- As a batch has them, each with the generation that was seen.
    operations          jsonb NOT NULL,
    -- What they did when they were tried: by row, its fields before and after.
    changes             jsonb NOT NULL,
    environments        text[] NOT NULL,
    -- `renderer/key` of each row that is changed.
    keys                text[] NOT NULL,
    comment             text,
    asked_by            text NOT NULL,
    asked_by_verified   boolean NOT NULL,
    -- All that those go by who have written it, in lower case.
    authors             text[] NOT NULL,
    asked_at            timestamptz NOT NULL DEFAULT now(),
    replaces            bigint,
    decided_by          text,
    decided_by_verified boolean,
    decided_at          timestamptz,
    why                 text,
    -- `renderer/key@generation` of each row that it made.
    made                text[] NOT NULL DEFAULT '{}'
);
CREATE INDEX proposals_open ON rowcast.proposals (id) WHERE state = 'open';
CREATE INDEX proposals_keys ON rowcast.proposals USING gin (keys) WHERE state = 'open';
CREATE INDEX proposals_made ON rowcast.proposals USING gin (made);
CREATE INDEX proposals_age ON rowcast.proposals ((coalesce(decided_at, asked_at)));

-- SECURITY DEFINER: the role that crud serves as deletes none but by this.
CREATE FUNCTION rowcast.prune_proposals(older_than interval, batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE pruned bigint;
BEGIN
    IF older_than < interval '1 day' THEN RAISE EXCEPTION 'proposals are kept for a day at least'; END IF;
    DELETE FROM rowcast.proposals WHERE id IN (
        SELECT id FROM rowcast.proposals WHERE coalesce(decided_at, asked_at) < now() - older_than
        ORDER BY coalesce(decided_at, asked_at) LIMIT batch FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END $$;
REVOKE ALL ON FUNCTION rowcast.prune_proposals FROM PUBLIC;

-- What a transaction that is reviewed has changed, whatever has written it, gathers in a setting of that transaction;
-- a savepoint that is undone takes its part back. No other transaction gets here.
CREATE FUNCTION rowcast.note_changed_rows() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('rowcast.changed_rows', concat_ws(',', nullif(current_setting('rowcast.changed_rows', true), ''),
        string_agg(jsonb_build_array(renderer, key, generation)::text, ',')), true) FROM new_rows;
    RETURN NULL;
END $$;
CREATE TRIGGER row_history_noted AFTER INSERT ON rowcast.row_history REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT WHEN (current_setting('rowcast.review', true) = 'on')
    EXECUTE FUNCTION rowcast.note_changed_rows();

CREATE FUNCTION rowcast.note_changed_configurations() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('rowcast.changed_configurations',
        concat_ws(',', nullif(current_setting('rowcast.changed_configurations', true), ''), string_agg(id::text, ',')),
        true) FROM new_rows;
    RETURN NULL;
END $$;
CREATE TRIGGER app_config_history_noted AFTER INSERT ON public.app_config_history REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT WHEN (current_setting('rowcast.review', true) = 'on')
    EXECUTE FUNCTION rowcast.note_changed_configurations();

ALTER TABLE rowcast.audit DROP CONSTRAINT audit_outcome_check,
    ADD CONSTRAINT audit_outcome_check CHECK (outcome IN ('done', 'refused', 'proposed')) NOT VALID;
ALTER TABLE rowcast.rollouts ADD COLUMN approved_by text;
"""

_DOWN = """
ALTER TABLE rowcast.rollouts DROP COLUMN approved_by;
-- Entries of what was proposed stay: nobody changes the audit.
ALTER TABLE rowcast.audit DROP CONSTRAINT audit_outcome_check,
    ADD CONSTRAINT audit_outcome_check CHECK (outcome IN ('done', 'refused')) NOT VALID;
DROP TRIGGER app_config_history_noted ON public.app_config_history;
DROP TRIGGER row_history_noted ON rowcast.row_history;
DROP FUNCTION rowcast.note_changed_configurations, rowcast.note_changed_rows, rowcast.prune_proposals;
DROP TABLE rowcast.proposals;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(_DOWN)
