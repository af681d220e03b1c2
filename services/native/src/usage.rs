//! What a conversation bills: from the set of its events to its records (SPEC U1-U13, C1). The twin of `services/meters/usage.py` and `plain.py`.
//!
//! A plain conversation has a closed form; all others are walked. Both set what the next event must know: `due_ms`, `shown`, `human_open`, `quiet_until`.

use crate::episode::{Episode, Part};
use crate::hours;
use crate::kinds::{self, ENDED_IDLE, MESSAGE_BY_USER};
use crate::names::{split_who, NOBODY};
use crate::records::{names_of, Body, Ident, Names, Record, What};
use crate::rules::{quarters, Rules, FOREVER_MS, QUARTER_MS};
use crate::talk::{Event, Talk, NEVER};
use crate::walk::{Entry, Walk};

/// What the next event must know of a talk.
struct Next {
    due_ms: i64,
    human_open: bool,
    quiet_until: i64,
}

/// What is published of a conversation at a watermark (U8, S6).
pub fn usage_records(talk: &mut Talk, watermark_ms: i64, rules: &Rules) -> Vec<Record> {
    let (found, next) = plain(talk, rules).map_or_else(|| walked(talk, watermark_ms, rules), |plain| plain_records(talk, &plain, watermark_ms, rules));
    talk.shown = !found.is_empty();
    (talk.due_ms, talk.human_open, talk.quiet_until) = (next.due_ms, next.human_open, next.quiet_until);
    found
}

/// A conversation without marks, with one episode, one user, and at most one end, which is its last row.
struct Plain {
    signs: usize,
    clock: i64,
    end_kind: Option<u8>,
}

fn plain(talk: &Talk, rules: &Rules) -> Option<Plain> {
    let events = &talk.events;
    if talk.marked || events.is_empty() || talk.names.len() != 1 || talk.may_sleep() {
        return None;
    }
    let mut signs = events.len();
    let mut end_kind = None;
    if talk.ended {
        signs -= 1;
        let kind = events[signs].kind;
        let ends_last = signs > 0 && kinds::is_end(kind) && !events[..signs].iter().any(|event| kinds::is_end(event.kind));
        if !ends_last || events[signs].time - events[signs - 1].time > rules.silence_max_ms {
            return None;
        }
        end_kind = Some(kind);
    }
    let long = |from: &Event, to: &Event| to.time - from.time > rules.silence_max_ms;
    if long(&events[0], &events[signs - 1]) && events[..signs].windows(2).any(|pair| long(&pair[0], &pair[1])) {
        return None;
    }
    let ended = end_kind.is_some_and(|kind| kind != ENDED_IDLE);
    let last = if ended { events.len() - 1 } else { signs - 1 };
    Some(Plain { signs, clock: events[last].time - events[0].time, end_kind })
}

/// Sessions k = 1 … n of a clock that runs from t0, and the conversation.
fn plain_records(talk: &Talk, plain: &Plain, watermark_ms: i64, rules: &Rules) -> (Vec<Record>, Next) {
    let (t0, clock, closed) = (talk.base_ms + talk.events[0].time, plain.clock, plain.end_kind.is_some());
    let ended = plain.end_kind.is_some_and(|kind| kind != ENDED_IDLE);
    let names = names_of(split_who(&talk.names[0]));
    let count = quarters(clock).max(1);
    let ids = message_ids(talk, plain.signs, count);
    let mut found = Vec::new();
    let (mut due_ms, mut end) = (FOREVER_MS, t0);
    for k in 1..=count {
        let full = k * QUARTER_MS;
        let goal = if ended { full.min(clock) } else { full };
        end = t0 + goal;
        if !closed && watermark_ms <= end {
            due_ms = due_ms.min(end + 1);
            continue;
        }
        let start_ms = t0 + full - QUARTER_MS;
        let rule = if goal == full { "U7:full" } else { "U7:ended" };
        let body = Body::Session { start_ms, end_ms: end, bot_ms: end - start_ms, human_ms: 0, message_id: ids[k as usize - 1].into(), rule };
        found.push(Record { ident: Ident { what: What::Usage, t0, k }, names: Names::clone(&names), body });
    }
    let mut over = false;
    if !found.is_empty() {
        let over_after = t0 + clock + rules.silence_max_ms;
        over = closed || watermark_ms > over_after;
        if !over {
            due_ms = due_ms.min(over_after + 1);
        }
        let body = Body::Episode { end_ms: over.then_some(t0 + clock), reason: reason(over, plain.end_kind), sessions: count, human_ms: 0 };
        found.push(Record { ident: Ident { what: What::Conversation, t0, k: 0 }, names, body });
    }
    // The same as `quiet`: the last session has its message, and the last row is one.
    let last = &talk.events[talk.events.len() - 1];
    let is_quiet = !over && !closed && !ids[count as usize - 1].is_empty() && last.kind == MESSAGE_BY_USER;
    let quiet_until = if is_quiet { end - talk.base_ms } else { last.time };
    (found, Next { due_ms, human_open: false, quiet_until })
}

/// U10: the first user message of each part of the clock.
fn message_ids(talk: &Talk, signs: usize, count: i64) -> Vec<&str> {
    let mut ids = vec![""; count as usize];
    let mut missing = count;
    for event in talk.events[..signs].iter().filter(|event| event.kind == MESSAGE_BY_USER) {
        let k = (quarters(event.time - talk.events[0].time) - 1).max(0);
        if k < count && ids[k as usize].is_empty() {
            ids[k as usize] = &event.message_id;
            missing -= 1;
            if missing == 0 {
                break;
            }
        }
    }
    ids
}

fn reason(over: bool, end_kind: Option<u8>) -> &'static str {
    match (over, end_kind) {
        (false, _) => "",
        (true, None) => "silence",
        (true, Some(kind)) => kinds::end_reason(kind),
    }
}

/// `usage_records` of any conversation, rule by rule.
fn walked(talk: &Talk, watermark_ms: i64, rules: &Rules) -> (Vec<Record>, Next) {
    let walk = walk_of(talk, rules);
    let mut found = Vec::new();
    let mut next = Next { due_ms: FOREVER_MS, human_open: walk.human_since.is_some(), quiet_until: talk.events.last().map_or(NEVER, |last| last.time) };
    for number in 0..walk.episodes.len() {
        if walk.episodes[number].billed() {
            episode_records(talk, &walk, number, watermark_ms, rules, &mut found, &mut next);
        }
    }
    (found, next)
}

fn walk_of<'a, 'r>(talk: &'a Talk, rules: &'r Rules) -> Walk<'a, 'r> {
    let mut walk = Walk::new(rules);
    let sleeps = hours::sleeps(&talk.lasts);
    let mut asleep = sleeps.iter().peekable();
    let entries: Vec<Entry> = talk.events.iter().map(|event| entry(talk, event)).collect();
    let mut row = 0;
    while row < entries.len() {
        let time = talk.events[row].time;
        let rows = talk.events[row..].iter().take_while(|event| event.time == time).count();
        let at = talk.base_ms + time;
        while let Some(&(last_ms, _)) = asleep.next_if(|(_, after)| at >= *after) {
            walk.sleep(last_ms);
        }
        walk.step(at, &entries[row..row + rows]);
        row += rows;
    }
    if let Some(&(last_ms, _)) = asleep.next() {
        walk.sleep(last_ms);
    }
    walk
}

fn entry<'a>(talk: &'a Talk, event: &'a Event) -> Entry<'a> {
    let who = talk.who(event);
    (event.kind, &event.message_id, if who.is_empty() { NOBODY } else { split_who(who) })
}

fn episode_records(talk: &Talk, walk: &Walk, number: usize, watermark_ms: i64, rules: &Rules, found: &mut Vec<Record>, next: &mut Next) {
    let episode = &walk.episodes[number];
    let Some(t0) = episode.t0 else { return };
    let is_last = number + 1 == walk.episodes.len();
    let human_since = walk.human_since.filter(|_| walk.is_open && is_last);
    let last_of_human = episode.human_last_ms.unwrap_or(talk.last_ms());
    let parts = episode.parts(t0, human_since);
    let names = names_of(episode.who);
    let before = found.len();
    for part in &parts {
        let open_ended = part.open_human || part.rule == "U7:stopped";
        let publish_after = if open_ended { last_of_human + rules.human_timeout_ms } else { part.end_ms };
        if episode.closed.is_none() && watermark_ms <= publish_after {
            next.due_ms = next.due_ms.min(publish_after + 1);
            continue;
        }
        found.push(session(t0, &names, part));
    }
    if found.len() > before {
        let stopped = human_since.is_some() || episode.human_last_ms.is_some();
        let over_after = if stopped { last_of_human + rules.human_timeout_ms } else { episode.silent_at(t0, rules.silence_max_ms) };
        let over = episode.closed.is_some() || !is_last || watermark_ms > over_after;
        if !over {
            next.due_ms = next.due_ms.min(over_after + 1);
        }
        let body = Body::Episode {
            end_ms: over.then_some(episode.te()),
            reason: reason(over, episode.closed.map(|(_, kind)| kind)),
            sessions: parts.len() as i64,
            human_ms: episode.te() - t0 - episode.bot_clock(),
        };
        found.push(Record { ident: Ident { what: What::Conversation, t0, k: 0 }, names, body });
        if over {
            return;
        }
    }
    if is_last && walk.is_open && walk.human_since.is_none() {
        quiet(talk, episode, parts.last(), next);
    }
}

/// Between the last row and the end of the last session's window a message of the same user changes nothing that is published.
fn quiet(talk: &Talk, episode: &Episode, last: Option<&Part>, next: &mut Next) {
    let event = &talk.events[talk.events.len() - 1];
    if let Some(part) = last.filter(|part| !part.message_id.is_empty() && event.kind == MESSAGE_BY_USER) {
        if split_who(talk.who(event)) == episode.who {
            next.quiet_until = part.end_ms - talk.base_ms;
        }
    }
}

fn session(t0: i64, names: &Names, part: &Part) -> Record {
    let body = Body::Session {
        start_ms: part.start_ms,
        end_ms: part.end_ms,
        bot_ms: part.bot_ms,
        human_ms: part.end_ms - part.start_ms - part.bot_ms,
        message_id: part.message_id.into(),
        rule: part.rule,
    };
    Record { ident: Ident { what: What::Usage, t0, k: part.k }, names: Names::clone(names), body }
}
