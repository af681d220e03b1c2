-- The invoice: what each app is billed for in each month of the zone (T5: a session counts where it starts).
SELECT
    toStartOfMonth(toDate(start, {timezone:String})) AS month,
    app_id,
    countIf(type = 'usage') AS usage_sessions,
    countIf(type = 'voice') AS voice_sessions,
    countIf(type = 'alert') AS alert_sessions,
    count() AS sessions
FROM v_billing_sessions
WHERE workspace_id = {workspace:String} AND start >= toDateTime64({from:Date}, 3, {timezone:String}) AND start < toDateTime64({to:Date}, 3, {timezone:String})
GROUP BY month, app_id
ORDER BY month, app_id
