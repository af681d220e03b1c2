//! One episode of a conversation and what it bills (SPEC U4-U7, U10). The twin of `services/meters/episode.py`.
//!
//! Bot clocks here are absolute readings of the conversation's clock; only differences mean anything.

use crate::kinds;
use crate::names::Who;
use crate::rules::{quarters, QUARTER_MS};

/// Session k: U7's instants and U13's reason. `open_human`: the end is where the clock stands now (U8).
pub struct Part<'a> {
    pub k: i64,
    pub start_ms: i64,
    pub end_ms: i64,
    pub bot_ms: i64,
    pub message_id: &'a str,
    pub rule: &'static str,
    pub open_human: bool,
}

pub struct Episode<'a> {
    /// The last sign so far.
    pub last_ms: i64,
    /// The bot clock there; once an `ended` that is not idle closed the episode, the clock at te.
    pub clock_last: i64,
    /// U4: the earliest `started` by the user or user message.
    pub u: Option<i64>,
    pub t0: Option<i64>,
    pub t0_clock: i64,
    /// Human time from t0 on as [a, b); b is none when it never closes for this episode (U1).
    pub gaps: Vec<(i64, Option<i64>)>,
    /// (bot clock, id) of the user messages outside human time, by time.
    pub messages: Vec<(i64, &'a str)>,
    /// The instant of the `ended` that closed it, and its kind (U3, U5).
    pub closed: Option<(i64, u8)>,
    /// P2: set when the conversation slept with human time open: no event of it after this instant.
    pub human_last_ms: Option<i64>,
    pub who: Who<'a>,
    who_ms: [i64; 3],
}

impl<'a> Episode<'a> {
    pub fn new(first_ms: i64) -> Episode<'a> {
        Episode {
            last_ms: first_ms,
            clock_last: 0,
            u: None,
            t0: None,
            t0_clock: 0,
            gaps: Vec::new(),
            messages: Vec::new(),
            closed: None,
            human_last_ms: None,
            who: [""; 3],
            who_ms: [0; 3],
        }
    }

    /// Human time [begin, end) of this episode; no end: it never closes. What is before t0 does not matter.
    pub fn gap(&mut self, begin_ms: i64, end_ms: Option<i64>) {
        if self.t0.is_some_and(|t0| begin_ms >= t0) {
            self.gaps.push((begin_ms, end_ms));
        }
    }

    /// U11: keep each field of the earliest sign that has it; at one instant the smallest text.
    pub fn saw(&mut self, at_ms: i64, who: Who<'a>) {
        for (i, value) in who.into_iter().enumerate() {
            let known = self.who[i];
            if !value.is_empty() && (known.is_empty() || (self.who_ms[i] == at_ms && value < known)) {
                self.who[i] = value;
                self.who_ms[i] = at_ms;
            }
        }
    }

    /// U4: is there a t0? One that is the end of human time counts only when te is later.
    pub fn billed(&self) -> bool {
        self.t0.is_some_and(|t0| self.u == Some(t0) || self.te() > t0)
    }

    /// The `ended` as te (U5): only one that is not idle.
    pub fn ended_at(&self) -> Option<i64> {
        self.closed.filter(|&(_, kind)| kind != kinds::ENDED_IDLE).map(|(at, _)| at)
    }

    /// U5.
    pub fn te(&self) -> i64 {
        self.ended_at().unwrap_or(self.last_ms)
    }

    /// U6: B, the bot clock from t0 to te.
    pub fn bot_clock(&self) -> i64 {
        self.clock_last - self.t0_clock
    }

    /// The sessions, U6-U7 and U10. `human_since`: where human time is open now for this episode.
    pub fn parts(&self, t0: i64, human_since: Option<i64>) -> Vec<Part<'a>> {
        let (total, ended) = (self.bot_clock(), self.ended_at().is_some());
        let count = quarters(total).max(1);
        let mut runs = Runs::new(t0, &self.gaps, human_since);
        let ids = self.message_ids(count);
        let mut parts = Vec::with_capacity(count as usize);
        let mut start = t0;
        for k in 1..=count {
            let full = k * QUARTER_MS;
            let goal = if ended { full.min(total) } else { full };
            let (end, reached) = runs.first_instant(goal);
            parts.push(Part {
                k,
                start_ms: start,
                end_ms: end,
                bot_ms: reached - full + QUARTER_MS,
                message_id: ids[k as usize - 1],
                rule: if reached == full {
                    "U7:full"
                } else if reached == goal {
                    "U7:ended"
                } else {
                    "U7:stopped"
                },
                open_human: reached < goal && human_since.is_some(),
            });
            if k < count {
                start = runs.moves_past(full);
            }
        }
        parts
    }

    /// C1: the instant at which the bot clock is `silence_max` past te. Human time is not open.
    pub fn silent_at(&self, t0: i64, silence_max_ms: i64) -> i64 {
        Runs::new(t0, &self.gaps, None).first_instant(self.bot_clock() + silence_max_ms).0
    }

    /// U10: the first message of each part of the clock.
    fn message_ids(&self, count: i64) -> Vec<&'a str> {
        let mut ids = vec![""; count as usize];
        for &(clock, message_id) in &self.messages {
            let k = (quarters(clock - self.t0_clock) - 1).max(0);
            if k < count && ids[k as usize].is_empty() {
                ids[k as usize] = message_id;
            }
        }
        ids
    }
}

/// The stretches in which the clock runs, read forwards once: clock (from t0) to instant.
struct Runs {
    gaps: Vec<(i64, Option<i64>)>,
    next: usize,
    from: i64,
    clock: i64,
}

impl Runs {
    fn new(t0: i64, gaps: &[(i64, Option<i64>)], human_since: Option<i64>) -> Runs {
        let mut gaps = gaps.to_vec();
        gaps.extend(human_since.map(|since| (since, None)));
        Runs { gaps, next: 0, from: t0, clock: 0 }
    }

    /// The first instant the clock reads `goal` and `goal`; or where the clock stopped for good, and what it reads there.
    fn first_instant(&mut self, goal: i64) -> (i64, i64) {
        self.seek(goal, false)
    }

    /// The first instant from which the clock moves past `clock`: never inside human time.
    fn moves_past(&mut self, clock: i64) -> i64 {
        self.seek(clock, true).0
    }

    fn seek(&mut self, goal: i64, past: bool) -> (i64, i64) {
        while let Some(&(begin, end)) = self.gaps.get(self.next) {
            let read = self.clock + begin - self.from;
            if goal < read || (goal == read && !past) {
                break;
            }
            let Some(end) = end else { return (begin, read) };
            (self.from, self.clock) = (end, read);
            self.next += 1;
        }
        (self.from + goal - self.clock, goal)
    }
}
