// The API's answers as this page's own words. Pure; the one file that knows the JSON of trends.
// {workspace, from, to, zone, interval, asOf, since, totals: {now, before}, before: {from, to}, buckets}
// a bucket: {start, end, state, values, peakAt, before: {start, end, values}, groups: [{key, values}]}; `values` is null where nothing is known.

const KNOWN = new Set(["closed", "open"]);

export function usageOf(trends) {
  const { from, to, timezone, interval } = trends.range;
  const previous = trends.previous;
  return {
    workspace: trends.workspace_id,
    from,
    to,
    zone: timezone,
    interval,
    asOf: trends.as_of,
    since: trends.data_since,
    totals: { now: trends.totals, before: previous && isKnown(previous) ? previous.totals : null },
    before: previous && { from: previous.range.from, to: previous.range.to },
    buckets: trends.buckets.map((bucket, index) => ({
      start: bucket.start,
      end: bucket.end,
      state: bucket.state,
      values: KNOWN.has(bucket.state) ? bucket : null,
      peakAt: bucket.peak_at,
      before: beforeOf(previous?.buckets[index]),
      groups: trends.groups.map((group) => ({ key: group.key, values: group.buckets[index] })),
    })),
  };
}

const isKnown = (part) => part.buckets.some((bucket) => KNOWN.has(bucket.state));
const beforeOf = (bucket) => (bucket && KNOWN.has(bucket.state) ? { start: bucket.start, end: bucket.end, values: bucket } : null);
