-- Views for analysts: the highest revision of every fact, without the voids (SPEC §7, T3). `status` is left out: it is `closed` in every row.
--
-- FINAL comes first, then the status: a void must hide the revisions below it. The settings are those that make FINAL right and quick on
-- ranges over `start` (head of 0001_facts.sql). They are written out, for servers whose defaults differ.

CREATE VIEW IF NOT EXISTS v_billing_sessions
(
    billing_session_id String COMMENT 'Id of the session (F1): type, workspace, app, conversation, t0 and k.',
    revision UInt64 COMMENT 'Revision of the fact (F3).',
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
    rule LowCardinality(String) COMMENT 'What fixed the end (U13): U7:full, U7:ended, U7:stopped, V1:full, V1:ended or A1.'
)
AS SELECT
    billing_session_id, revision, workspace_id, app_id, type, channel, kore_user_id, channel_user_id, conversation_id, conversation_start, start, end, bot_ms, human_ms, message_id, rule
FROM billing_sessions FINAL
WHERE status = 'closed'
SETTINGS do_not_merge_across_partitions_select_final = 1, use_skip_indexes_if_final = 1, use_skip_indexes_if_final_exact_mode = 1
COMMENT 'Billed sessions as they are now: count(*) by the period of `start` is what is billed (T5).';

CREATE VIEW IF NOT EXISTS v_conversations
(
    conversation_episode_id String COMMENT 'Id of the episode (F1): workspace, app, conversation and t0.',
    revision UInt64 COMMENT 'Revision of the fact (F3).',
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
AS SELECT
    conversation_episode_id, revision, workspace_id, app_id, channel, kore_user_id, channel_user_id, conversation_id, start, end, end_reason, sessions, human_ms
FROM conversations FINAL
WHERE status = 'closed'
SETTINGS do_not_merge_across_partitions_select_final = 1, use_skip_indexes_if_final = 1, use_skip_indexes_if_final_exact_mode = 1
COMMENT 'Episodes of conversations as they are now.';

CREATE VIEW IF NOT EXISTS v_seat_peaks
(
    seat_peak_id String COMMENT 'Id of the peak (F1): workspace, app and quarter.',
    revision UInt64 COMMENT 'Revision of the fact (F3).',
    workspace_id String COMMENT 'The tenant.',
    app_id String COMMENT 'The bot; empty: the whole workspace (S2, S3).',
    quarter DateTime64(3, 'UTC') COMMENT 'Start of the 15-minute slot, UTC-aligned.',
    peak UInt32 COMMENT 'Most distinct agents logged in at one instant of the quarter (S3).',
    peak_at DateTime64(3, 'UTC') COMMENT 'Earliest instant of the peak (S3).',
    agents UInt32 COMMENT 'Distinct agents present at any instant of the quarter (S3).'
)
AS SELECT
    seat_peak_id, revision, workspace_id, app_id, quarter, peak, peak_at, agents
FROM seat_peaks FINAL
WHERE status = 'closed'
SETTINGS do_not_merge_across_partitions_select_final = 1, use_skip_indexes_if_final = 1, use_skip_indexes_if_final_exact_mode = 1
COMMENT 'Concurrent seats by quarter and scope as they are now: the seats of a range are max(peak) in it (S4).';

CREATE VIEW IF NOT EXISTS v_agent_logins
(
    agent_login_id String COMMENT 'Id of the presence (F1): workspace, login id and start.',
    revision UInt64 COMMENT 'Revision of the fact (F3).',
    workspace_id String COMMENT 'The tenant.',
    login_id String COMMENT 'Login id of the platform.',
    agent_id String COMMENT 'The agent.',
    app_ids Array(String) COMMENT 'Apps served, sorted, each once (S9).',
    start DateTime64(3, 'UTC') COMMENT 'The agent is present from here (S1). Part of the id.',
    end Nullable(DateTime64(3, 'UTC')) COMMENT 'The agent is gone from here (S1); null while the login is open (S7).'
)
AS SELECT
    agent_login_id, revision, workspace_id, login_id, agent_id, app_ids, start, end
FROM agent_logins FINAL
WHERE status = 'closed'
SETTINGS do_not_merge_across_partitions_select_final = 1, use_skip_indexes_if_final = 1, use_skip_indexes_if_final_exact_mode = 1
COMMENT 'Presences of agents as they are now.';

CREATE VIEW IF NOT EXISTS v_agent_assignments
(
    agent_assignment_id String COMMENT 'Id of the subscription (F1): workspace, app, agent and start.',
    revision UInt64 COMMENT 'Revision of the fact (F3).',
    workspace_id String COMMENT 'The tenant.',
    app_id String COMMENT 'The bot.',
    agent_id String COMMENT 'The agent.',
    start DateTime64(3, 'UTC') COMMENT 'The agent is subscribed to the plan of the app from here (S5). Part of the id.',
    end Nullable(DateTime64(3, 'UTC')) COMMENT 'And no longer from here (S5); null while it lasts.'
)
AS SELECT
    agent_assignment_id, revision, workspace_id, app_id, agent_id, start, end
FROM agent_assignments FINAL
WHERE status = 'closed'
SETTINGS do_not_merge_across_partitions_select_final = 1, use_skip_indexes_if_final = 1, use_skip_indexes_if_final_exact_mode = 1
COMMENT 'Subscriptions of agents to the plan of an app as they are now.';

CREATE VIEW IF NOT EXISTS v_rejected_events
(
    rejected_id String COMMENT 'Id: topic/partition/offset of the refused record.',
    revision UInt64 COMMENT 'Revision of the fact (F3).',
    workspace_id String COMMENT 'The tenant, when it could be read; else empty.',
    source_topic LowCardinality(String) COMMENT 'Raw topic of the record.',
    source_partition UInt32 COMMENT 'Its partition.',
    source_offset UInt64 COMMENT 'Its offset.',
    log_time DateTime64(3, 'UTC') COMMENT 'Its log time (Kafka timestamp).',
    reason LowCardinality(String) COMMENT 'Why (E4): malformed_json, invalid_event, unknown_type, too_large, future or too_late.',
    field LowCardinality(String) COMMENT 'First wrong field of an invalid_event; else empty.',
    detail String COMMENT 'What is wrong with it, for people.',
    size_bytes UInt64 COMMENT 'Size of the record.',
    payload_base64 String COMMENT 'Its first 4 KiB, base64.'
)
AS SELECT
    rejected_id, revision, workspace_id, source_topic, source_partition, source_offset, log_time, reason, field, detail, size_bytes, payload_base64
FROM rejected_events FINAL
WHERE status = 'closed'
SETTINGS do_not_merge_across_partitions_select_final = 1, use_skip_indexes_if_final = 1, use_skip_indexes_if_final_exact_mode = 1
COMMENT 'Refused records as they are now.';

CREATE VIEW IF NOT EXISTS v_ledger
(
    ledger_id String COMMENT 'Id of the line.',
    revision UInt64 COMMENT 'Revision of the fact (F3).',
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
AS SELECT
    ledger_id, revision, workspace_id, stage, source_topic, source_partition, batches_partition, from_offset, to_offset, read, accepted, control, rejected, applied, covered, watermark
FROM ledger FINAL
WHERE status = 'closed'
SETTINGS do_not_merge_across_partitions_select_final = 1, use_skip_indexes_if_final = 1, use_skip_indexes_if_final_exact_mode = 1
COMMENT 'Lines of the ledger as they are now.';
