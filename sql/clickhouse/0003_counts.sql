-- Counts of sessions and conversations by quarter, made from the facts by the query service (services/query/counter.py), so that a trend over millions of
-- sessions reads thousands of rows. Analysts need none of it: count the views v_*.
--
-- Rule: the unit is a *day*: one workspace, one UTC day of t0. All revisions of a session have one t0 (part of its id), so what a day's facts come to
-- is a function of that day's rows alone, and a day is counted anew as a whole. A view notes every insert into a day (`touched_at`), the counter when
-- a count began (`counted_at`). A reader takes the counts of a day only where they began well after its last insert, else it counts the facts themselves:
-- counts are never behind the facts, only slower.
-- Limit: an insert that lasts longer than the reader's margin (2 minutes) may be missed until the day is counted again (an hour after its last insert).

CREATE TABLE IF NOT EXISTS usage_days
(
    workspace_id String COMMENT 'The tenant.',
    day Date COMMENT 'UTC day of t0.',
    touched_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'Last insert of a fact of the day.',
    counted_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'When the count of the day began that usage_counts holds; 1970: never.'
)
ENGINE = AggregatingMergeTree
ORDER BY (workspace_id, day)
COMMENT 'Which days have facts, and which of them are counted in usage_counts. Group by workspace and day, and take the greatest.';

-- Sort key: `cut` after the workspace, for a question reads one cut; then the day of the start, which every question bounds.
-- A small granularity: a row is an array of 96 numbers.
CREATE TABLE IF NOT EXISTS usage_counts
(
    workspace_id String COMMENT 'The tenant.',
    cut LowCardinality(String) COMMENT 'What the row is apart by: all, app, channel or app+channel. Rows of different cuts count the same sessions.',
    start_day Date COMMENT 'UTC day in which the sessions start (T5).',
    app_id String COMMENT 'The bot; empty: all of them.',
    kind LowCardinality(String) COMMENT 'usage, voice, alert, or conversations.',
    channel LowCardinality(String) COMMENT 'The channel; empty: all of them.',
    t0_day Date COMMENT 'UTC day of t0: the unit that is counted anew.',
    counted_at DateTime64(6, 'UTC') COMMENT 'When this count began; the newest counts.',
    counts Array(UInt32) COMMENT 'How many start in each of the 96 quarters of start_day; empty: none any more.'
)
ENGINE = ReplacingMergeTree(counted_at)
PARTITION BY toYYYYMM(start_day)
ORDER BY (workspace_id, cut, start_day, app_id, kind, channel, t0_day)
SETTINGS index_granularity = 512
COMMENT 'Sessions and conversations by quarter. Only with usage_days, which tells what is valid.';

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_days_of_sessions TO usage_days
(
    workspace_id String COMMENT 'The tenant.',
    day Date COMMENT 'UTC day of t0.',
    touched_at DateTime64(6, 'UTC') COMMENT 'Now.',
    counted_at DateTime64(6, 'UTC') COMMENT '1970: an insert is no count.'
)
AS SELECT workspace_id, toDate(conversation_start) AS day, max(now64(6, 'UTC')) AS touched_at, toDateTime64(0, 6, 'UTC') AS counted_at
FROM billing_sessions
GROUP BY workspace_id, day
COMMENT 'Notes every insert of sessions in usage_days.';

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_days_of_conversations TO usage_days
(
    workspace_id String COMMENT 'The tenant.',
    day Date COMMENT 'UTC day of t0.',
    touched_at DateTime64(6, 'UTC') COMMENT 'Now.',
    counted_at DateTime64(6, 'UTC') COMMENT '1970: an insert is no count.'
)
AS SELECT workspace_id, toDate(start) AS day, max(now64(6, 'UTC')) AS touched_at, toDateTime64(0, 6, 'UTC') AS counted_at
FROM conversations
GROUP BY workspace_id, day
COMMENT 'Notes every insert of conversations in usage_days.';

-- What was there before this file.
INSERT INTO usage_days (workspace_id, day, touched_at, counted_at)
SELECT workspace_id, day, now64(6, 'UTC'), toDateTime64(0, 6, 'UTC')
FROM
(
    SELECT workspace_id, toDate(conversation_start) AS day FROM billing_sessions
    UNION DISTINCT
    SELECT workspace_id, toDate(start) AS day FROM conversations
)
GROUP BY workspace_id, day;
