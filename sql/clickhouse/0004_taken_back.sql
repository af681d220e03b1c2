-- What late events took back (T3), for analysts: the one view that shows voids, and nothing else.

CREATE VIEW IF NOT EXISTS v_taken_back_sessions
(
    billing_session_id String COMMENT 'Id of the session (F1) that is billed no longer.',
    revision UInt64 COMMENT 'Revision of the fact that took it back (F3).',
    workspace_id String COMMENT 'The tenant.',
    app_id String COMMENT 'The bot.',
    type LowCardinality(String) COMMENT 'usage, voice or alert.',
    channel LowCardinality(String) COMMENT 'Channel of the conversation (U11).',
    conversation_id String COMMENT 'Conversation; of a voice session the call id.',
    conversation_start DateTime64(3, 'UTC') COMMENT 't0 of the episode (U4, U12). Part of the id.',
    start DateTime64(3, 'UTC') COMMENT 'Where it started (U7), and so the period in which it was billed (T5).',
    end DateTime64(3, 'UTC') COMMENT 'Where it ended (U7).'
)
AS SELECT
    billing_session_id, revision, workspace_id, app_id, type, channel, conversation_id, conversation_start, start, end
FROM billing_sessions FINAL
WHERE status = 'void'
SETTINGS do_not_merge_across_partitions_select_final = 1, use_skip_indexes_if_final = 1, use_skip_indexes_if_final_exact_mode = 1
COMMENT 'Sessions that were billed once and are no longer: a late event changed their conversation (T3).';
