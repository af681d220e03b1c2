-- The 100 users with the most sessions: the platform's id where it is known, else the channel's.
SELECT
    if(kore_user_id != '', kore_user_id, channel_user_id) AS user_id,
    count() AS sessions,
    uniqExact(app_id, conversation_id, conversation_start) AS conversations,
    max(start) AS last_session
FROM v_billing_sessions
WHERE workspace_id = {workspace:String} AND type = 'usage' AND user_id != '' AND start >= toDateTime64({from:Date}, 3, {timezone:String}) AND start < toDateTime64({to:Date}, 3, {timezone:String})
GROUP BY user_id
ORDER BY sessions DESC, user_id
LIMIT 100
