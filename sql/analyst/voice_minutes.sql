-- Voice by day of the zone and app: calls, billed sessions, and minutes of their sessions. A call is counted on the day on which it starts.
SELECT
    toDate(conversation_start, {timezone:String}) AS day,
    app_id,
    uniqExact(conversation_id, conversation_start) AS calls,
    count() AS voice_sessions,
    round(sum(dateDiff('millisecond', start, end)) / 60000, 3) AS minutes
FROM v_billing_sessions
WHERE workspace_id = {workspace:String} AND type = 'voice'
    AND conversation_start >= toDateTime64({from:Date}, 3, {timezone:String}) AND conversation_start < toDateTime64({to:Date}, 3, {timezone:String})
GROUP BY day, app_id
ORDER BY day, app_id
