//! P2: where a conversation or call slept for so long that what follows is another one. The twin of `services/meters/hours.py`.

use crate::rules::{HOUR_MS, SLEEP_HOURS_MAX};
use crate::talk::Lasts;

pub fn hour_of(at_ms: i64) -> i64 {
    at_ms.div_euclid(HOUR_MS)
}

/// Put an event into the list of the latest event of each hour.
pub fn hear(lasts: &mut Lasts, at_ms: i64) {
    let hour = hour_of(at_ms);
    let place = lasts.partition_point(|&last| hour_of(last) < hour);
    if place == lasts.len() || hour_of(lasts[place]) > hour {
        lasts.insert(place, at_ms);
    } else if at_ms > lasts[place] {
        lasts[place] = at_ms;
    }
}

/// Can there be a sleep in it? False is certain.
pub fn may_sleep(lasts: &[i64]) -> bool {
    hour_of(lasts[lasts.len() - 1]) - hour_of(lasts[0]) > SLEEP_HOURS_MAX
}

/// (last event before, first instant after) of every sleep.
pub fn sleeps(lasts: &[i64]) -> Vec<(i64, i64)> {
    if lasts.is_empty() || !may_sleep(lasts) {
        return Vec::new();
    }
    lasts.windows(2).filter(|pair| hour_of(pair[1]) - hour_of(pair[0]) > SLEEP_HOURS_MAX).map(|pair| (pair[0], hour_of(pair[1]) * HOUR_MS)).collect()
}
