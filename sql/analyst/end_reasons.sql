-- How conversations end, by app (C1): user, bot, agent, idle or silence; open: it has not ended.
SELECT
    app_id,
    if(end IS NULL, 'open', toString(end_reason)) AS reason,
    count() AS conversations,
    round(conversations / sum(conversations) OVER (PARTITION BY app_id), 4) AS share
FROM v_conversations
WHERE workspace_id = {workspace:String} AND start >= toDateTime64({from:Date}, 3, {timezone:String}) AND start < toDateTime64({to:Date}, 3, {timezone:String})
GROUP BY app_id, reason
ORDER BY app_id, reason
