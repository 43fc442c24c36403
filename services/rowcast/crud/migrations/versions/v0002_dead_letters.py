"""Dead letters with their resolutions; and an index of the statuses that are failures."""

from alembic import op

revision = "0002"
down_revision = "0001"

_UP = """
CREATE TABLE public.dead_letters (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Of target and event: an event that fails again adds to its open letter, or makes a new one once that is resolved.
    event_key         bytea NOT NULL,
    target            text NOT NULL,
    reason            text NOT NULL,
    error             text NOT NULL,
    row_id            bigint,
    name              text,
    generation        bigint,
    position          jsonb NOT NULL,
    event             jsonb,
    event_text        text,
    occurrences       integer NOT NULL DEFAULT 1,
    dead_lettered_at  timestamptz NOT NULL,
    received_at       timestamptz NOT NULL DEFAULT now(),
    state             text NOT NULL DEFAULT 'open',
    resolved_at       timestamptz,
    resolved_by       text,
    resolution_reason text,
    CONSTRAINT dead_letters_event_once CHECK (num_nonnulls(event, event_text) = 1),
    CONSTRAINT dead_letters_state CHECK (state IN ('open', 'replayed', 'discarded')),
    CONSTRAINT dead_letters_resolution CHECK ((state = 'open') = (resolved_at IS NULL AND resolved_by IS NULL)),
    CONSTRAINT dead_letters_discarded_why CHECK (state <> 'discarded' OR resolution_reason IS NOT NULL)
);
CREATE UNIQUE INDEX dead_letters_open_event ON public.dead_letters (event_key) WHERE state = 'open';
CREATE INDEX dead_letters_state_id ON public.dead_letters (state, id);
CREATE INDEX dead_letters_row ON public.dead_letters (row_id, id);

-- What the broker brought already: the same message again, however late, is no new letter.
CREATE TABLE public.dead_letter_receipts (
    message_key    bytea PRIMARY KEY,
    dead_letter_id bigint NOT NULL REFERENCES public.dead_letters ON DELETE CASCADE
);
CREATE INDEX dead_letter_receipts_letter ON public.dead_letter_receipts (dead_letter_id);

CREATE INDEX sync_statuses_failed ON public.sync_statuses (row_id)
    WHERE outcome = 'dead-lettered' OR error IS NOT NULL;
"""

_DOWN = """
DROP INDEX public.sync_statuses_failed;
DROP TABLE public.dead_letter_receipts, public.dead_letters;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(_DOWN)
