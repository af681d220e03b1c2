//! The seats of one quarter, from the presences that touch it (SPEC S2, S3). The twin of `services/meters/seats.py`.

use crate::rules::QUARTER_MS;
use hashbrown::HashMap;

/// When an agent was there, and for which apps.
pub struct Presence<'a> {
    pub start_ms: i64,
    pub end_ms: i64,
    pub agent_id: &'a str,
    pub app_ids: Vec<&'a str>,
}

/// (scope, peak, its earliest instant, distinct agents), by scope; the empty scope is the whole workspace.
pub fn peaks<'a>(presences: &[Presence<'a>], quarter_ms: i64) -> Vec<(&'a str, usize, i64, usize)> {
    let end_ms = quarter_ms + QUARTER_MS;
    let mut scopes: HashMap<&str, Vec<(i64, bool, &str)>> = HashMap::new();
    for presence in presences {
        let (start, end) = (presence.start_ms.max(quarter_ms), presence.end_ms.min(end_ms));
        if start >= end {
            continue;
        }
        let apps = presence.app_ids.iter().enumerate().filter(|(at, app)| !app.is_empty() && !presence.app_ids[..*at].contains(app)).map(|(_, app)| *app);
        for scope in std::iter::once("").chain(apps) {
            scopes.entry(scope).or_default().extend([(start, true, presence.agent_id), (end, false, presence.agent_id)]);
        }
    }
    let mut found: Vec<_> = scopes.into_iter().map(|(scope, edges)| peak(scope, edges)).collect();
    found.sort_unstable();
    found
}

/// Ends sort before beginnings at one instant: of two presences that meet, the first is gone (S1).
fn peak<'a>(scope: &'a str, mut edges: Vec<(i64, bool, &str)>) -> (&'a str, usize, i64, usize) {
    edges.sort_unstable();
    let mut held: HashMap<&str, usize> = HashMap::new();
    let (mut present, mut peak, mut peak_at) = (0, 0, 0);
    for (at, begins, agent) in edges {
        let count = held.entry(agent).or_default();
        if begins {
            *count += 1;
            present += usize::from(*count == 1);
            if present > peak {
                (peak, peak_at) = (present, at);
            }
        } else {
            *count -= 1;
            present -= usize::from(*count == 0);
        }
    }
    (scope, peak, peak_at, held.len())
}
