-- Accounts: workspaces, people, and the keys of programs. Usage is not here; it is in ClickHouse.
--
-- Forward only: never edit this file after a release; the next change is a new number.

CREATE TABLE workspaces (
    workspace_id text PRIMARY KEY CHECK (char_length(workspace_id) BETWEEN 1 AND 128),
    kind text NOT NULL DEFAULT 'standard' CHECK (kind IN ('standard', 'enterprise')),
    display_zone text NOT NULL DEFAULT 'UTC' CHECK (display_zone <> ''),
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE workspaces IS 'The tenants (SPEC §2). The id is the one that the platform''s events carry.';
COMMENT ON COLUMN workspaces.display_zone IS 'IANA time zone in which people of the workspace see periods, unless they ask for another.';

CREATE TABLE people (
    person_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL CHECK (email = lower(email) AND email LIKE '%_@_%'),
    name text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    CONSTRAINT people_email_once UNIQUE (email)
);
COMMENT ON TABLE people IS 'Who may look at usage. One person may belong to many workspaces.';

CREATE TABLE memberships (
    workspace_id text NOT NULL REFERENCES workspaces,
    person_id bigint NOT NULL REFERENCES people ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('workspace_owner', 'app_owner', 'collaborator')),
    app_ids text[] CHECK (cardinality(app_ids) BETWEEN 1 AND 256),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, person_id),
    CONSTRAINT an_owner_of_the_workspace_sees_all_apps CHECK ((role = 'workspace_owner') = (app_ids IS NULL))
);
CREATE INDEX memberships_of_a_person ON memberships (person_id);
COMMENT ON COLUMN memberships.app_ids IS 'The apps of an app owner or a collaborator; null: every app of the workspace.';

CREATE TABLE api_keys (
    prefix text PRIMARY KEY CHECK (prefix ~ '^[0-9a-f]{12}$'),
    workspace_id text NOT NULL REFERENCES workspaces,
    name text NOT NULL DEFAULT '' CHECK (char_length(name) <= 200),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    last_four text NOT NULL CHECK (char_length(last_four) = 4),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'export', 'admin']),
    app_ids text[] CHECK (cardinality(app_ids) BETWEEN 1 AND 256),
    created_at timestamptz NOT NULL,
    expires_at timestamptz CHECK (expires_at > created_at),
    revoked_at timestamptz
);
CREATE INDEX api_keys_of_a_workspace ON api_keys (workspace_id, created_at);
COMMENT ON TABLE api_keys IS 'Keys of programs. The key itself is nowhere: it was shown once.';
COMMENT ON COLUMN api_keys.prefix IS 'The part of the key that is no secret: look-up, lists, logs.';
COMMENT ON COLUMN api_keys.hash IS 'SHA-256 of the whole key. Its secret is 32 random bytes, so a slow hash would add nothing.';
COMMENT ON COLUMN api_keys.app_ids IS 'The apps that the key may see; null: every app of the workspace.';
