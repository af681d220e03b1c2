//! What a call bills: from the set of its events to its records (SPEC V1). The twin of `services/meters/voice.py`.

use crate::hours;
use crate::kinds::{VOICE_ENDED, VOICE_STARTED};
use crate::names::split_who;
use crate::records::{names_of, Body, Ident, Names, Record, What};
use crate::rules::{quarters, Rules, FOREVER_MS, QUARTER_MS};
use crate::talk::{Event, Talk};

/// The sessions of a call that are published at a watermark.
pub fn voice_records(talk: &mut Talk, watermark_ms: i64, rules: &Rules) -> Vec<Record> {
    let mut found = Vec::new();
    let mut due_ms = FOREVER_MS;
    let mut quiet_until = talk.events[talk.events.len() - 1].time;
    let mut first = 0;
    for end in cuts(talk) {
        call(talk, first, end, watermark_ms, rules, &mut found, &mut due_ms, &mut quiet_until);
        first = end;
    }
    talk.shown = !found.is_empty();
    (talk.due_ms, talk.quiet_until) = (due_ms, quiet_until);
    found
}

/// P2: where each call of the rows ends.
fn cuts(talk: &Talk) -> Vec<usize> {
    let sleeps = hours::sleeps(&talk.lasts);
    let ends = sleeps.iter().map(|(_, after)| talk.events.partition_point(|event| talk.base_ms + event.time < *after));
    ends.chain([talk.events.len()]).collect()
}

#[allow(clippy::too_many_arguments)]
fn call(talk: &Talk, first: usize, stop: usize, watermark_ms: i64, rules: &Rules, found: &mut Vec<Record>, due_ms: &mut i64, quiet_until: &mut i64) {
    let events = &talk.events[first..stop];
    let at = |event: &Event| talk.base_ms + event.time;
    let started = events.iter().find(|event| event.kind == VOICE_STARTED);
    let t0 = at(started.unwrap_or(&events[0]));
    let ended = events.iter().find(|event| event.kind == VOICE_ENDED && at(event) >= t0).map(at);
    let te = ended.unwrap_or(at(&events[events.len() - 1])).min(t0 + rules.call_max_ms);
    let names = names_of([0, 1, 2].map(|field| {
        let by_start = earliest(talk, events.iter().filter(|event| event.kind == VOICE_STARTED), field);
        if by_start.is_empty() {
            earliest(talk, events.iter().filter(|event| at(event) >= t0), field)
        } else {
            by_start
        }
    }));
    let mut end = t0;
    for k in 1..=quarters(te - t0).max(1) {
        let (start_ms, full) = (t0 + (k - 1) * QUARTER_MS, t0 + k * QUARTER_MS);
        end = if ended.is_none() { full } else { full.min(te) };
        if ended.is_none() && watermark_ms <= end {
            *due_ms = (*due_ms).min(end + 1);
            continue;
        }
        let rule = if end == full { "V1:full" } else { "V1:ended" };
        let body = Body::Session { start_ms, end_ms: end, bot_ms: end - start_ms, human_ms: 0, message_id: "".into(), rule };
        found.push(Record { ident: Ident { what: What::Voice, t0, k }, names: Names::clone(&names), body });
    }
    if started.is_some() && ended.is_none() && talk.names.len() == 1 && !talk.may_sleep() {
        // Inside the last window a further progress of the same caller moves neither the count nor an end, and names nobody new.
        *quiet_until = end - talk.base_ms;
    }
}

/// U11 for calls: the value of the earliest event that has one; at one instant the smallest text.
fn earliest<'a>(talk: &'a Talk, events: impl Iterator<Item = &'a Event>, field: usize) -> &'a str {
    let (mut value, mut at) = ("", i64::MAX);
    for event in events {
        if event.time > at {
            break;
        }
        let text = split_who(talk.who(event))[field];
        if !text.is_empty() && (value.is_empty() || text < value) {
            (value, at) = (text, event.time);
        }
    }
    value
}
