-- Users and rights on a ClickHouse server (the embedded engine has none: there the query service sets the same filter for each request by itself).
-- Run it in the database of the facts, as a user who may manage access, and again after an update; it may run any number of times:
--   clickhouse-client --database usage --queries-file sql/analyst/access.sql
-- Then give the users passwords, and the query service its user:
--   ALTER USER quarterhour_query IDENTIFIED WITH sha256_password BY '…' HOST ANY;
--   ALTER USER quarterhour_analyst IDENTIFIED WITH sha256_password BY '…' HOST ANY;
--   QUARTERHOUR_QUERY__CLICKHOUSE_USER=quarterhour_query QUARTERHOUR_QUERY__CLICKHOUSE_PASSWORD=… QUARTERHOUR_QUERY__POLICY_SETTING=SQL_quarterhour_workspace
-- `custom_settings_prefixes` of the server must hold `SQL_`, as it does in the configuration that ClickHouse comes with.

-- The query service: it reads, and of every table with tenants only the workspace that the request names. A request that names none fails.
CREATE USER IF NOT EXISTS quarterhour_query HOST NONE;
GRANT SELECT ON billing_sessions TO quarterhour_query;
GRANT SELECT ON conversations TO quarterhour_query;
GRANT SELECT ON seat_peaks TO quarterhour_query;
GRANT SELECT ON agent_logins TO quarterhour_query;
GRANT SELECT ON agent_assignments TO quarterhour_query;
GRANT SELECT ON rejected_events TO quarterhour_query;
GRANT SELECT ON usage_counts TO quarterhour_query;
GRANT SELECT ON usage_days TO quarterhour_query;
GRANT SELECT ON ledger TO quarterhour_query;

CREATE ROW POLICY OR REPLACE quarterhour_one_workspace ON billing_sessions FOR SELECT USING workspace_id = getSetting('SQL_quarterhour_workspace') TO quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_one_workspace ON conversations FOR SELECT USING workspace_id = getSetting('SQL_quarterhour_workspace') TO quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_one_workspace ON seat_peaks FOR SELECT USING workspace_id = getSetting('SQL_quarterhour_workspace') TO quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_one_workspace ON agent_logins FOR SELECT USING workspace_id = getSetting('SQL_quarterhour_workspace') TO quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_one_workspace ON agent_assignments FOR SELECT USING workspace_id = getSetting('SQL_quarterhour_workspace') TO quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_one_workspace ON rejected_events FOR SELECT USING workspace_id = getSetting('SQL_quarterhour_workspace') TO quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_one_workspace ON usage_counts FOR SELECT USING workspace_id = getSetting('SQL_quarterhour_workspace') TO quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_one_workspace ON usage_days FOR SELECT USING workspace_id = getSetting('SQL_quarterhour_workspace') TO quarterhour_query;

-- A table with a policy may show nothing to users without one, if the server is set so: everybody else goes on as before.
CREATE ROW POLICY OR REPLACE quarterhour_others ON billing_sessions FOR SELECT USING 1 TO ALL EXCEPT quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_others ON conversations FOR SELECT USING 1 TO ALL EXCEPT quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_others ON seat_peaks FOR SELECT USING 1 TO ALL EXCEPT quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_others ON agent_logins FOR SELECT USING 1 TO ALL EXCEPT quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_others ON agent_assignments FOR SELECT USING 1 TO ALL EXCEPT quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_others ON rejected_events FOR SELECT USING 1 TO ALL EXCEPT quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_others ON usage_counts FOR SELECT USING 1 TO ALL EXCEPT quarterhour_query;
CREATE ROW POLICY OR REPLACE quarterhour_others ON usage_days FOR SELECT USING 1 TO ALL EXCEPT quarterhour_query;

-- Analysts: the views, of all workspaces; settings may be changed inside these bounds, data may not. A view reads its table as who asks, so both are granted.
CREATE SETTINGS PROFILE OR REPLACE quarterhour_analyst SETTINGS
    readonly = 2, max_execution_time = 60 MAX 600, max_memory_usage = 4000000000 MAX 8000000000, max_result_rows = 10000000 MAX 100000000;
CREATE USER IF NOT EXISTS quarterhour_analyst HOST NONE SETTINGS PROFILE quarterhour_analyst;
GRANT SELECT ON v_billing_sessions TO quarterhour_analyst;
GRANT SELECT ON v_taken_back_sessions TO quarterhour_analyst;
GRANT SELECT ON v_conversations TO quarterhour_analyst;
GRANT SELECT ON v_seat_peaks TO quarterhour_analyst;
GRANT SELECT ON v_agent_logins TO quarterhour_analyst;
GRANT SELECT ON v_agent_assignments TO quarterhour_analyst;
GRANT SELECT ON v_rejected_events TO quarterhour_analyst;
GRANT SELECT ON v_ledger TO quarterhour_analyst;
GRANT SELECT ON billing_sessions TO quarterhour_analyst;
GRANT SELECT ON conversations TO quarterhour_analyst;
GRANT SELECT ON seat_peaks TO quarterhour_analyst;
GRANT SELECT ON agent_logins TO quarterhour_analyst;
GRANT SELECT ON agent_assignments TO quarterhour_analyst;
GRANT SELECT ON rejected_events TO quarterhour_analyst;
GRANT SELECT ON ledger TO quarterhour_analyst;
