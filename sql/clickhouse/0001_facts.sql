-- The facts (SPEC §7, schemas/README F2): one table for each aggregate topic, column names = field names, and a view for analysts over each.
--
-- Forward only: never edit this file after a release; the next change is a new number. Names carry no database: `quarterhour migrate`
-- connects to the one of the settings. Statements are repeatable, for ClickHouse has no transactions around DDL.
--
-- Rules of every table:
-- * ReplacingMergeTree(revision): a fact comes again with a higher revision (T3), and the highest counts. Read with FINAL, then drop `void`:
--   the views do both. Dropping voids first would bring the taken-back revision to life again.
-- * Sort key and partition key hold only what the fact's id is made of (F1). They are equal in all revisions of an id; were they not, an
--   old revision would stay for ever. So a session sorts by t0 of its conversation, never by its own start, which a late event may move.
-- * As no id lies in two partitions, FINAL may work on each apart (do_not_merge_across_partitions_select_final).
-- * The UTC day of t0 comes second: it is what `usage_counts` counts by, and most questions know which days they need. Ask for it in these words,
--   `toDate(conversation_start) IN (...)`: a bound on `conversation_start` alone prunes by partition only.
-- * One id, conversation or user is found by bloom filters over 8,192 rows.
-- * Other ranges over `start` are served by a minmax index. A part may hold the old revision inside the range and another the new one outside:
--   use_skip_indexes_if_final_exact_mode makes FINAL look at both.

-- Sort key: workspace and day of t0, which every query of ours names; then the app, t0 (part of the id, moves with the calendar, so that the index on start
-- skips) and the id. Granules of 1,024: a day of an app is a few hundred rows. Two days of 45,000 sessions with FINAL: 25 ms of CPU, 90 ms with the app first
-- and granules of 8,192 (8 million sessions, 20 apps, 2 cores).
CREATE TABLE IF NOT EXISTS billing_sessions
(
    billing_session_id String COMMENT 'Id of the session (F1): type, workspace, app, conversation, t0 and k.',
    revision UInt64 COMMENT 'The highest revision of an id counts (F3, T3).',
    status LowCardinality(String) COMMENT 'closed: it is billed; void: it no longer exists.',
    workspace_id String COMMENT 'The tenant.',
    app_id String COMMENT 'The bot.',
    type LowCardinality(String) COMMENT 'usage, voice or alert.',
    channel LowCardinality(String) COMMENT 'Channel of the conversation (U11).',
    kore_user_id String COMMENT 'User id of the platform; empty when unknown (U11).',
    channel_user_id String COMMENT 'User id of the channel; empty when unknown (U11).',
    conversation_id String COMMENT 'Conversation; of a voice session the call id, of an alert empty.',
    conversation_start DateTime64(3, 'UTC') COMMENT 't0 of the episode (U4, U12). Part of the id.',
    start DateTime64(3, 'UTC') COMMENT 'Start of the session (U7). It decides the billed period (T5).',
    end DateTime64(3, 'UTC') COMMENT 'End of the session (U7).',
    bot_ms UInt64 COMMENT 'Bot clock consumed, in milliseconds (U12).',
    human_ms UInt64 COMMENT 'Time with a human agent inside the session, excluded, in milliseconds (U12).',
    message_id String COMMENT 'First user message of the session; empty when there is none (U10).',
    rule LowCardinality(String) COMMENT 'What fixed the end (U13): U7:full, U7:ended, U7:stopped, V1:full, V1:ended or A1.',
    INDEX start_range start TYPE minmax GRANULARITY 1,
    INDEX by_id billing_session_id TYPE bloom_filter(0.001) GRANULARITY 8,
    INDEX by_conversation conversation_id TYPE bloom_filter GRANULARITY 8,
    INDEX by_kore_user kore_user_id TYPE bloom_filter GRANULARITY 8,
    INDEX by_channel_user channel_user_id TYPE bloom_filter GRANULARITY 8
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(conversation_start)
ORDER BY (workspace_id, toDate(conversation_start), app_id, conversation_start, billing_session_id)
SETTINGS index_granularity = 1024
COMMENT 'Billed 15-minute sessions, every revision (SPEC §4). Analysts: v_billing_sessions.';

-- Sort key: as sessions; `start` is t0, which the id is made of.
CREATE TABLE IF NOT EXISTS conversations
(
    conversation_episode_id String COMMENT 'Id of the episode (F1): workspace, app, conversation and t0.',
    revision UInt64 COMMENT 'The highest revision of an id counts (F3, T3).',
    status LowCardinality(String) COMMENT 'closed: it counts; void: it no longer exists.',
    workspace_id String COMMENT 'The tenant.',
    app_id String COMMENT 'The bot.',
    channel LowCardinality(String) COMMENT 'Channel of the conversation (U11).',
    kore_user_id String COMMENT 'User id of the platform; empty when unknown (U11).',
    channel_user_id String COMMENT 'User id of the channel; empty when unknown (U11).',
    conversation_id String COMMENT 'Conversation of the platform; it may have several episodes (U3).',
    start DateTime64(3, 'UTC') COMMENT 't0 (U4). Part of the id.',
    end Nullable(DateTime64(3, 'UTC')) COMMENT 'te (U5, C1); null while the episode is open.',
    end_reason LowCardinality(String) COMMENT 'user, bot, agent, idle or silence (C1); empty while the episode is open.',
    sessions UInt32 COMMENT 'Billed sessions of the episode so far (U6).',
    human_ms UInt64 COMMENT 'Time with a human agent between start and end, in milliseconds (C1).'
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start)
ORDER BY (workspace_id, toDate(start), app_id, start, conversation_episode_id)
SETTINGS index_granularity = 1024
COMMENT 'Episodes of conversations, every revision (U3, C1). Analysts: v_conversations.';

-- Sort key: workspace and app (empty: the whole workspace), then the quarter: these three are the id.
CREATE TABLE IF NOT EXISTS seat_peaks
(
    seat_peak_id String COMMENT 'Id of the peak (F1): workspace, app and quarter.',
    revision UInt64 COMMENT 'The highest revision of an id counts (F3, T3).',
    status LowCardinality(String) COMMENT 'closed: it counts; void: it no longer exists.',
    workspace_id String COMMENT 'The tenant.',
    app_id String COMMENT 'The bot; empty: the whole workspace (S2, S3).',
    quarter DateTime64(3, 'UTC') COMMENT 'Start of the 15-minute slot, UTC-aligned.',
    peak UInt32 COMMENT 'Most distinct agents logged in at one instant of the quarter (S3).',
    peak_at DateTime64(3, 'UTC') COMMENT 'Earliest instant of the peak (S3).',
    agents UInt32 COMMENT 'Distinct agents present at any instant of the quarter (S3).'
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(quarter)
ORDER BY (workspace_id, app_id, quarter)
COMMENT 'Concurrent seats by quarter and scope, every revision (S3, S4). Never sum or max apps into a workspace (S2). Analysts: v_seat_peaks.';

-- Sort key: workspace (a login serves many apps), then the start, which the id is made of (another start is another login), then the id.
CREATE TABLE IF NOT EXISTS agent_logins
(
    agent_login_id String COMMENT 'Id of the presence (F1): workspace, login id and start.',
    revision UInt64 COMMENT 'The highest revision of an id counts (F3, T3).',
    status LowCardinality(String) COMMENT 'closed: it counts (it may still be open); void: it no longer exists.',
    workspace_id String COMMENT 'The tenant.',
    login_id String COMMENT 'Login id of the platform.',
    agent_id String COMMENT 'The agent.',
    app_ids Array(String) COMMENT 'Apps served, sorted, each once (S9).',
    start DateTime64(3, 'UTC') COMMENT 'The agent is present from here (S1). Part of the id.',
    end Nullable(DateTime64(3, 'UTC')) COMMENT 'The agent is gone from here (S1); null while the login is open (S7).'
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start)
ORDER BY (workspace_id, start, agent_login_id)
COMMENT 'Presences of agents, every revision (S1). Analysts: v_agent_logins.';

-- Sort key: workspace, app, then the start, which the id is made of, then the id. Few rows that last for years: partitions by year.
CREATE TABLE IF NOT EXISTS agent_assignments
(
    agent_assignment_id String COMMENT 'Id of the subscription (F1): workspace, app, agent and start.',
    revision UInt64 COMMENT 'The highest revision of an id counts (F3, T3).',
    status LowCardinality(String) COMMENT 'closed: it counts (it may still last); void: it no longer exists.',
    workspace_id String COMMENT 'The tenant.',
    app_id String COMMENT 'The bot.',
    agent_id String COMMENT 'The agent.',
    start DateTime64(3, 'UTC') COMMENT 'The agent is subscribed to the plan of the app from here (S5). Part of the id.',
    end Nullable(DateTime64(3, 'UTC')) COMMENT 'And no longer from here (S5); null while it lasts.'
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYear(start)
ORDER BY (workspace_id, app_id, start, agent_assignment_id)
COMMENT 'Subscriptions of agents to the plan of an app, every revision (S5, S8). Analysts: v_agent_assignments.';

-- Sort key: the origin, which is the id. The workspace is read from refused bytes, and another version of us may read it differently: no part of any key.
CREATE TABLE IF NOT EXISTS rejected_events
(
    rejected_id String COMMENT 'Id: topic/partition/offset of the refused record.',
    revision UInt64 COMMENT 'The highest revision of an id counts (F3).',
    status LowCardinality(String) COMMENT 'closed: it is refused; void: no longer.',
    workspace_id String COMMENT 'The tenant, when it could be read; else empty.',
    source_topic LowCardinality(String) COMMENT 'Raw topic of the record.',
    source_partition UInt32 COMMENT 'Its partition.',
    source_offset UInt64 COMMENT 'Its offset.',
    log_time DateTime64(3, 'UTC') COMMENT 'Its log time (Kafka timestamp).',
    reason LowCardinality(String) COMMENT 'Why (E4): malformed_json, invalid_event, unknown_type, too_large, future or too_late.',
    field LowCardinality(String) COMMENT 'First wrong field of an invalid_event; else empty.',
    detail String COMMENT 'What is wrong with it, for people.',
    size_bytes UInt64 COMMENT 'Size of the record.',
    payload_base64 String COMMENT 'Its first 4 KiB, base64.' CODEC(ZSTD(3)),
    INDEX log_time_range log_time TYPE minmax GRANULARITY 1,
    INDEX workspace workspace_id TYPE bloom_filter GRANULARITY 1
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(log_time)
ORDER BY (source_topic, source_partition, source_offset)
COMMENT 'Refused records with their origin (SPEC §3). Analysts: v_rejected_events.';

-- Sort key: the id alone: the ranges of a line may grow from revision to revision.
CREATE TABLE IF NOT EXISTS ledger
(
    ledger_id String COMMENT 'Id of the line.',
    revision UInt64 COMMENT 'The highest revision of an id counts (F3).',
    status LowCardinality(String) COMMENT 'closed: it counts; void: no longer.',
    workspace_id String COMMENT 'Empty: a line is of all tenants.',
    stage LowCardinality(String) COMMENT 'ingest or processor.',
    source_topic LowCardinality(String) COMMENT 'Raw topic.',
    source_partition UInt32 COMMENT 'Raw partition.',
    batches_partition Int32 COMMENT 'Partition of the work; -1 in lines of ingest.',
    from_offset UInt64 COMMENT 'First raw offset that the line counts.',
    to_offset UInt64 COMMENT 'First raw offset that it no longer counts.',
    read UInt64 COMMENT 'Records read: accepted + rejected (ingest).',
    accepted UInt64 COMMENT 'Events accepted: applied + covered (processor).',
    control UInt64 COMMENT 'Control records (E8), which are no events.',
    rejected Map(String, UInt64) COMMENT 'Records refused, by reason.',
    applied UInt64 COMMENT 'Events applied to state (processor).',
    covered UInt64 COMMENT 'Events that arrived again in another cut (processor).',
    watermark Nullable(DateTime64(3, 'UTC')) COMMENT 'The watermark then; null: none yet.'
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY ledger_id
COMMENT 'What became of every record (SPEC §7): read = accepted + rejected. Analysts: v_ledger.';
