-- Months into which nothing was inserted for two hours are merged into one part each. A question about them then opens a few files instead of five times as
-- many, and FINAL has nothing left to compare: with 10 million sessions in 33 parts the first page of sessions took 175 ms of ClickHouse's processor time,
-- in 7 parts 110 ms; trends of six months by app 230 ms, then 190 ms (2 cores). The current month is left alone for as long as facts flow into it; a late
-- correction costs its month one merge more (six months of 1.7 million sessions each were merged in 40 s).

ALTER TABLE billing_sessions MODIFY SETTING min_age_to_force_merge_seconds = 7200, min_age_to_force_merge_on_partition_only = 1;

ALTER TABLE conversations MODIFY SETTING min_age_to_force_merge_seconds = 7200, min_age_to_force_merge_on_partition_only = 1;

ALTER TABLE seat_peaks MODIFY SETTING min_age_to_force_merge_seconds = 7200, min_age_to_force_merge_on_partition_only = 1;

ALTER TABLE agent_logins MODIFY SETTING min_age_to_force_merge_seconds = 7200, min_age_to_force_merge_on_partition_only = 1;

ALTER TABLE usage_counts MODIFY SETTING min_age_to_force_merge_seconds = 7200, min_age_to_force_merge_on_partition_only = 1;
