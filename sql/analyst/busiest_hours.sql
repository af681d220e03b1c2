-- When sessions start: by weekday (1 is Monday) and hour of the zone.
SELECT
    toDayOfWeek(start, 0, {timezone:String}) AS weekday,
    toHour(start, {timezone:String}) AS hour,
    count() AS sessions
FROM v_billing_sessions
WHERE workspace_id = {workspace:String} AND start >= toDateTime64({from:Date}, 3, {timezone:String}) AND start < toDateTime64({to:Date}, 3, {timezone:String})
GROUP BY weekday, hour
ORDER BY weekday, hour
