-- Concurrent seats of each month of the zone: of each app, and of the whole workspace (empty app). Never add apps up: an agent may serve several (S2).
SELECT
    toStartOfMonth(toDate(quarter, {timezone:String})) AS month,
    app_id,
    max(peak) AS concurrent_seats,
    argMin(peak_at, (-toInt64(peak), peak_at)) AS first_peak_at
FROM v_seat_peaks
WHERE workspace_id = {workspace:String}
    AND quarter >= toDateTime64({from:Date}, 3, {timezone:String}) AND quarter < toDateTime64({to:Date}, 3, {timezone:String})
GROUP BY month, app_id
ORDER BY month, app_id
