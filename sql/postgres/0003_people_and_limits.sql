-- Who used how much, and what a key may use. A column that nothing read is gone.

ALTER TABLE workspaces DROP COLUMN display_zone;
COMMENT ON COLUMN workspaces.kind IS 'Decides the limits of its keys that have none of their own (settings QUARTERHOUR_ACCOUNTS__*).';

ALTER TABLE api_keys
    ADD COLUMN read_s_per_minute integer CHECK (read_s_per_minute > 0),
    ADD COLUMN exports_at_once integer CHECK (exports_at_once > 0),
    ADD COLUMN last_used_at timestamptz,
    ADD CONSTRAINT api_keys_replace_one UNIQUE (replaced_by);
COMMENT ON COLUMN api_keys.read_s_per_minute IS 'Seconds that ClickHouse may read for it in a minute; null: what the workspace''s kind has.';
COMMENT ON COLUMN api_keys.exports_at_once IS 'Exports of it that may run at one time; null: what the workspace''s kind has.';
COMMENT ON COLUMN api_keys.last_used_at IS 'To the minute.';

-- Unlogged: a request must not wait for a disk. After a crash of PostgreSQL it is empty, and the minute begins anew.
CREATE UNLOGGED TABLE key_use (
    prefix text PRIMARY KEY REFERENCES api_keys ON DELETE CASCADE,
    minute timestamptz NOT NULL,
    requests integer NOT NULL,
    read_ms bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE key_use IS 'What each key used in its newest minute, of all processes of the query service together.';

CREATE INDEX exports_that_run ON exports (key_prefix) WHERE state = 'running';
