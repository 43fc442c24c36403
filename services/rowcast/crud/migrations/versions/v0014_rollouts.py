"""Roll-outs: which step each is at, and which of its rows were given the revision, with the one that they had.

Only the two functions write what is captured: they know no other revisions than those that are kept, and of a roll-out
that is not under way they change nothing. Who may call them may do no more than move a renderer's rows between those.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

_UP = """
CREATE TABLE rowcast.rollouts (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    renderer       text NOT NULL,
    revision       bigint NOT NULL,
    -- By which rows were rendered that were made before its last step, and are after it was rolled back.
    former         bigint NOT NULL,
    from_revisions bigint[] NOT NULL,
    state          text NOT NULL,
    why            text,
    started_by     text NOT NULL,
    started_at     timestamptz NOT NULL DEFAULT now(),
    changed_at     timestamptz NOT NULL DEFAULT now(),
    -- Who has last said what becomes of it: the generations of rows are made in their name.
    actor          text NOT NULL,
    actor_verified boolean NOT NULL,
    hold_seconds   integer NOT NULL,
    ready_seconds  integer,
    failure_limit  integer NOT NULL,
    steps          jsonb NOT NULL,
    impact_token   text,
    changed_since  bigint,
    -- The transaction that has last said by which revision new rows are rendered.
    switched       xid8
);
CREATE UNIQUE INDEX rollouts_under_way ON rowcast.rollouts (renderer)
    WHERE state IN ('running', 'holding', 'paused', 'stopped', 'rolling-back');
CREATE INDEX rollouts_of_renderer ON rowcast.rollouts (renderer, id);

CREATE TABLE rowcast.rollout_rows (
    rollout     bigint NOT NULL REFERENCES rowcast.rollouts ON DELETE CASCADE,
    key         text NOT NULL,
    -- Below 0: it had the revision before.
    step        integer NOT NULL,
    -- That it had before.
    revision    bigint NOT NULL,
    -- At which it was given its revision.
    generation  bigint NOT NULL,
    assigned_at timestamptz NOT NULL,
    PRIMARY KEY (rollout, key)
);

CREATE FUNCTION rowcast.assign_revision(id bigint, step integer, keys text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE its rowcast.rollouts; back boolean; written bigint;
BEGIN
    SELECT * INTO its FROM rowcast.rollouts AS r
    WHERE r.id = assign_revision.id AND state IN ('running', 'holding', 'rolling-back');
    IF NOT FOUND THEN RETURN 0; END IF;
    back := its.state = 'rolling-back';
    WITH wanted AS (
        SELECT row.key, row.revision AS had,
            CASE WHEN back THEN coalesce(given.revision, its.former) ELSE its.revision END AS becomes
        FROM rowcast.rows AS row
        LEFT JOIN rowcast.rollout_rows AS given ON given.rollout = its.id AND given.key = row.key
        WHERE row.renderer = its.renderer AND row.key = ANY (keys) AND NOT row.deleted
            AND (row.revision = its.revision) = back AND NOT (back AND coalesce(given.step, 0) < 0)
        -- Rows that somebody is changing have their turn later: whoever writes many waits for none of ours.
        ORDER BY row.key FOR UPDATE OF row SKIP LOCKED
    ), changed AS (
        UPDATE rowcast.rows AS row SET revision = wanted.becomes, generation = row.generation + 1, actor = its.actor,
            actor_verified = its.actor_verified, traceparent = NULL, changed_at = now()
        FROM wanted
        WHERE row.renderer = its.renderer AND row.key = wanted.key
            AND EXISTS (SELECT FROM rowcast.renderers AS known
                WHERE known.name = its.renderer AND known.revision = wanted.becomes)
        RETURNING row.key, row.generation, wanted.had
    )
    INSERT INTO rowcast.rollout_rows AS given (rollout, key, step, revision, generation, assigned_at)
    SELECT its.id, changed.key, assign_revision.step, CASE WHEN back THEN its.former ELSE had END, generation, now()
    FROM changed
    ON CONFLICT (rollout, key) DO UPDATE SET generation = excluded.generation, assigned_at = excluded.assigned_at,
        step = CASE WHEN back THEN given.step ELSE excluded.step END,
        revision = CASE WHEN back THEN given.revision ELSE excluded.revision END;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END $$;

CREATE FUNCTION rowcast.switch_revision(id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH its AS (
        SELECT renderer, CASE WHEN state = 'rolling-back' THEN former ELSE revision END AS becomes
        FROM rowcast.rollouts AS r
        WHERE r.id = switch_revision.id AND state IN ('running', 'holding', 'rolling-back')
    ), switched AS (
        UPDATE rowcast.sources AS source SET revision = its.becomes FROM its
        WHERE source.renderer = its.renderer AND source.revision <> its.becomes
            AND EXISTS (SELECT FROM rowcast.renderers AS known
                WHERE known.name = its.renderer AND known.revision = its.becomes)
        RETURNING source.renderer
    )
    UPDATE rowcast.rollouts AS r SET switched = pg_current_xact_id()
    FROM switched WHERE r.id = switch_revision.id
$$;
REVOKE EXECUTE ON FUNCTION rowcast.assign_revision(bigint, integer, text[]), rowcast.switch_revision(bigint)
    FROM PUBLIC;
"""

_DOWN = """
DROP FUNCTION rowcast.assign_revision, rowcast.switch_revision;
DROP TABLE rowcast.rollout_rows, rowcast.rollouts;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(_DOWN)
