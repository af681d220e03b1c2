-- What became of every record of each raw topic, of all tenants together: read = accepted + rejected; covered came again and counted once (L1).
SELECT
    source_topic,
    sumIf(read, stage = 'ingest') AS records_read,
    sumIf(accepted, stage = 'ingest') AS events_accepted,
    sumIf(arraySum(mapValues(rejected)), stage = 'ingest') AS events_rejected,
    sumIf(control, stage = 'ingest') AS control_records,
    sumIf(covered, stage = 'processor') AS events_covered
FROM v_ledger
GROUP BY source_topic
ORDER BY source_topic
