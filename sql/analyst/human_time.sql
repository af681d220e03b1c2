-- Sessions in which a human agent had the conversation, by app: how many, their share, and the human hours that were not billed (U12).
SELECT
    app_id,
    countIf(human_ms > 0) AS sessions_with_human_time,
    count() AS usage_sessions,
    round(sessions_with_human_time / usage_sessions, 4) AS share,
    round(sum(human_ms) / 3600000, 3) AS human_hours
FROM v_billing_sessions
WHERE workspace_id = {workspace:String} AND type = 'usage' AND start >= toDateTime64({from:Date}, 3, {timezone:String}) AND start < toDateTime64({to:Date}, 3, {timezone:String})
GROUP BY app_id
ORDER BY app_id
