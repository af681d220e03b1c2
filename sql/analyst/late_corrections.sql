-- What late events took back (T3): sessions that were billed once and are no longer, by the day of the zone in which they started.
SELECT
    toDate(start, {timezone:String}) AS day,
    app_id,
    count() AS sessions_taken_back
FROM v_taken_back_sessions
WHERE workspace_id = {workspace:String} AND start >= toDateTime64({from:Date}, 3, {timezone:String}) AND start < toDateTime64({to:Date}, 3, {timezone:String})
GROUP BY day, app_id
ORDER BY day, app_id
