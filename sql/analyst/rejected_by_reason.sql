-- Refused events (E4) by the day of the zone on which they were logged, topic, reason and wrong field, with one of them to look at.
SELECT
    toDate(log_time, {timezone:String}) AS day,
    source_topic,
    reason,
    field,
    count() AS events,
    min(rejected_id) AS for_example
FROM v_rejected_events
WHERE workspace_id = {workspace:String}
    AND log_time >= toDateTime64({from:Date}, 3, {timezone:String}) AND log_time < toDateTime64({to:Date}, 3, {timezone:String})
GROUP BY day, source_topic, reason, field
ORDER BY day, source_topic, reason, field
