//! Walk the marks, signs and ends of one conversation by time, and cut it into episodes (SPEC U1-U5). The twin of `services/meters/walk.py`.

use crate::episode::Episode;
use crate::kinds::{self, ENDED_BY_AGENT, ENDED_BY_USER, ENDED_IDLE, MESSAGE_BY_USER, RETURNED, TRANSFERRED};
use crate::names::Who;
use crate::rules::{Rules, FOREVER_MS};

/// What of an event can change the bill: (kind, message id, who).
pub type Entry<'a> = (u8, &'a str, Who<'a>);

pub struct Walk<'a, 'r> {
    rules: &'r Rules,
    human_total: i64,
    grace_until: i64,
    pub episodes: Vec<Episode<'a>>,
    /// Is there an episode that a sign may still prolong and an `ended` close? It is the last one.
    pub is_open: bool,
    pub human_since: Option<i64>,
}

impl<'a, 'r> Walk<'a, 'r> {
    pub fn new(rules: &'r Rules) -> Walk<'a, 'r> {
        Walk { rules, human_total: 0, grace_until: -FOREVER_MS, episodes: Vec::new(), is_open: false, human_since: None }
    }

    /// P2: the conversation slept so long that what follows is a conversation of its own, begun with the bot.
    pub fn sleep(&mut self, last_ms: i64) {
        if let (Some(since), Some(open)) = (self.human_since, self.open()) {
            open.gap(since, None);
            open.human_last_ms = Some(last_ms);
        }
        self.is_open = false;
        self.human_since = None;
        self.human_total = 0;
    }

    /// All entries of one instant, which must be later than those before.
    pub fn step(&mut self, at_ms: i64, entries: &[Entry<'a>]) {
        let has = |kind: u8| entries.iter().any(|entry| entry.0 == kind);
        let ended = entries.iter().map(|entry| entry.0).filter(|kind| (ENDED_BY_USER..=ENDED_BY_AGENT).contains(kind)).min();
        self.mark(at_ms, has(TRANSFERRED), has(RETURNED), ended.is_some());
        if at_ms > self.grace_until && entries.iter().any(|entry| kinds::is_sign(entry.0)) {
            self.sign(at_ms, entries, ended.is_some());
        }
        if let Some(kind) = ended {
            self.end(at_ms, kind);
        }
        if has(ENDED_IDLE) {
            self.end(at_ms, ENDED_IDLE);
        }
    }

    /// U2: the bot clock at an instant not before the last step.
    fn clock(&self, at_ms: i64) -> i64 {
        self.human_since.unwrap_or(at_ms) - self.human_total
    }

    fn open(&mut self) -> Option<&mut Episode<'a>> {
        if self.is_open {
            self.episodes.last_mut()
        } else {
            None
        }
    }

    /// U1. Human time that an `ended` closes at the very instant at which it began is empty: it never was.
    fn mark(&mut self, at_ms: i64, transferred: bool, returned: bool, ends_here: bool) {
        if transferred == returned {
            return;
        }
        if transferred && self.human_since.is_none() && !ends_here {
            self.human_since = Some(at_ms);
        } else if returned && self.human_since.is_some() {
            let clock = self.clock(at_ms);
            if let Some(open) = self.open() {
                if open.t0.is_none() && open.u.is_some() {
                    (open.t0, open.t0_clock) = (Some(at_ms), clock);
                }
            }
            self.close_human(at_ms, Some(at_ms));
        }
    }

    /// Give the conversation back to the bot; for the open episode human time lasts until `for_episode_ms` (none: for good).
    fn close_human(&mut self, at_ms: i64, for_episode_ms: Option<i64>) {
        let Some(begin) = self.human_since.take() else { return };
        if let Some(open) = self.open() {
            open.gap(begin, for_episode_ms);
        }
        self.human_total += at_ms - begin;
    }

    /// U3: the episode that a sign at this instant belongs to, a new one where it begins one.
    fn episode_for(&mut self, at_ms: i64) {
        let (clock, silence_max_ms) = (self.clock(at_ms), self.rules.silence_max_ms);
        if self.open().is_none_or(|open| clock - open.clock_last > silence_max_ms) {
            self.episodes.push(Episode::new(at_ms));
            self.is_open = true;
        }
    }

    /// U4, U10, U11: what the user did at this instant.
    fn sign(&mut self, at_ms: i64, entries: &[Entry<'a>], ends_here: bool) {
        self.episode_for(at_ms);
        let (clock, with_bot) = (self.clock(at_ms), self.human_since.is_none());
        let Some(episode) = self.open() else { return };
        (episode.last_ms, episode.clock_last) = (at_ms, clock);
        let signs = || entries.iter().filter(|entry| kinds::is_sign(entry.0));
        for entry in signs() {
            episode.saw(at_ms, entry.2);
        }
        if episode.u.is_none() && signs().any(|entry| entry.0 != TRANSFERRED) {
            episode.u = Some(at_ms);
            if with_bot {
                (episode.t0, episode.t0_clock) = (Some(at_ms), clock);
            }
        }
        if with_bot || ends_here {
            if let Some(message_id) = signs().filter(|entry| entry.0 == MESSAGE_BY_USER).map(|entry| entry.1).min() {
                episode.messages.push((clock, message_id));
            }
        }
    }

    /// U1, U3, U5: the conversation goes back to the bot, and an episode that is not silent for too long is closed.
    fn end(&mut self, at_ms: i64, kind: u8) {
        let idle = kind == ENDED_IDLE;
        self.close_human(at_ms, if idle { None } else { Some(at_ms) });
        let (clock, silence_max_ms) = (self.clock(at_ms), self.rules.silence_max_ms);
        let Some(open) = self.open() else { return };
        if clock - open.clock_last > silence_max_ms {
            return;
        }
        open.closed = Some((at_ms, kind));
        if !idle {
            open.clock_last = clock;
        }
        self.is_open = false;
        self.grace_until = at_ms + self.rules.end_grace_ms;
    }
}
