-- Ended conversations by how many sessions they were billed (U6), with the median and longest time from their start to their end.
SELECT
    sessions,
    count() AS conversations,
    quantileExactLow(0.5)(dateDiff('millisecond', start, assumeNotNull(end))) / 1000 AS median_s,
    max(dateDiff('millisecond', start, assumeNotNull(end))) / 1000 AS longest_s
FROM v_conversations
WHERE workspace_id = {workspace:String} AND end IS NOT NULL AND start >= toDateTime64({from:Date}, 3, {timezone:String}) AND start < toDateTime64({to:Date}, 3, {timezone:String})
GROUP BY sessions
ORDER BY sessions
