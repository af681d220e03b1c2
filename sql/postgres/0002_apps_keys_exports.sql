-- Names of apps, keys of people and their rotation, and the manifests of exports.

CREATE TABLE apps (
    workspace_id text NOT NULL REFERENCES workspaces,
    app_id text NOT NULL CHECK (char_length(app_id) BETWEEN 1 AND 128),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, app_id)
);
COMMENT ON TABLE apps IS 'What people call an app. An app needs no row here: it exists when an event names it.';

ALTER TABLE api_keys
    ADD COLUMN person_id bigint REFERENCES people ON DELETE CASCADE,
    ADD COLUMN replaced_by text REFERENCES api_keys (prefix),
    ADD COLUMN requests_per_minute integer CHECK (requests_per_minute > 0);
CREATE INDEX api_keys_of_a_person ON api_keys (person_id) WHERE person_id IS NOT NULL;
COMMENT ON COLUMN api_keys.person_id IS 'Whose key it is; it may do and see no more than its person. Null: a key of a program.';
COMMENT ON COLUMN api_keys.replaced_by IS 'The key that took its place when it was rotated; both are good until this one expires.';
COMMENT ON COLUMN api_keys.requests_per_minute IS 'Null: what the workspace''s kind has.';

CREATE TABLE exports (
    export_id text PRIMARY KEY CHECK (export_id ~ '^[0-9a-f]{32}$'),
    workspace_id text NOT NULL REFERENCES workspaces,
    key_prefix text NOT NULL,
    app_ids text[],
    state text NOT NULL CHECK (state IN ('running', 'complete', 'broken')),
    manifest jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX exports_of_a_workspace ON exports (workspace_id, created_at);
COMMENT ON TABLE exports IS 'Manifests: what a whole file holds (rows, bytes, SHA-256). Kept for 30 days.';
COMMENT ON COLUMN exports.app_ids IS 'The apps of the key that asked: only a key that may see them all may see the manifest; null: every app.';
