//! One conversation or call: the set of its events. The twin of `services/meters/talk.py`; the bytes are the same.
//!
//! In its record the set is columns; here it is rows, which an event touches at one place, and short texts lie in them: among a million talks every
//! further place is a wait for memory.

use crate::hours;
use crate::kinds;
use crate::msgpack::{Damaged, Read, Reader, Writer};
use crate::rules::{Rules, FOREVER_MS, HOUR_MS, SLEEP_HOURS_MAX};
use smallvec::{smallvec, SmallVec};
use smol_str::SmolStr;

pub const NEVER: i64 = -(1 << 40);
pub const ALWAYS: i64 = 1 << 31;
const FIELDS: usize = 16;

#[derive(Clone, Copy, PartialEq)]
pub enum Touched {
    Not,
    /// Its alarm went off: what it says of itself was brought up to date, its set was not.
    Woken,
    /// Its set changed, so its page must be written.
    Changed,
}

/// A row of a talk's set.
#[derive(Default)]
pub struct Event {
    /// Since `base_ms`.
    pub time: i64,
    /// Of `names`, from 1; 0: it does not say.
    pub who: u32,
    pub kind: u8,
    pub message_id: SmolStr,
}

/// The latest event of each hour. Most talks have one or two.
pub type Lasts = SmallVec<[i64; 2]>;

pub struct Talk {
    pub key: Box<str>,
    pub page: u32,
    pub lasts: Lasts,
    pub base_ms: i64,
    pub due_ms: i64,
    pub shown: bool,
    pub human_open: bool,
    pub ended: bool,
    pub marked: bool,
    pub touched: Touched,
    pub quiet_until: i64,
    pub names: SmallVec<[Box<str>; 1]>,
    /// By (time, kind, message id).
    pub events: Vec<Event>,
    /// Is it among those that the message under way changes? Not part of the record.
    pub compared: bool,
    /// When its newest alarm goes off; `FOREVER_MS`: it has none, or it went off. Not part of the record: at rest that is `due_ms`.
    pub alarm_ms: i64,
}

impl Talk {
    pub fn new(key: &str, page: u32, at_ms: i64) -> Talk {
        Talk {
            key: key.into(),
            page,
            lasts: smallvec![at_ms],
            base_ms: at_ms,
            due_ms: FOREVER_MS,
            shown: false,
            human_open: false,
            ended: false,
            marked: false,
            touched: Touched::Not,
            quiet_until: NEVER,
            names: SmallVec::new(),
            events: Vec::new(),
            compared: false,
            alarm_ms: FOREVER_MS,
        }
    }

    pub fn is_voice(&self) -> bool {
        self.key.starts_with('v')
    }

    pub fn last_ms(&self) -> i64 {
        self.lasts[self.lasts.len() - 1]
    }

    pub fn who(&self, event: &Event) -> &str {
        match event.who {
            0 => "",
            number => &self.names[number as usize - 1],
        }
    }

    pub fn may_sleep(&self) -> bool {
        hours::may_sleep(&self.lasts)
    }

    pub fn see(&mut self, at_ms: i64) {
        hours::hear(&mut self.lasts, at_ms);
    }

    /// Where a row belongs that sorts by (time, kind, message id); none: it is there already.
    pub fn place(&self, time: i64, kind: u8, message_id: &str, who: &str) -> Option<usize> {
        match self.events.last() {
            Some(last) if time <= last.time => {}
            _ => return Some(self.events.len()),
        }
        let mut place = self.events.partition_point(|event| event.time < time);
        while let Some(event) = self.events.get(place).filter(|event| event.time == time) {
            let here = (event.kind, &*event.message_id);
            if here == (kind, message_id) && self.who(event) == who {
                return None;
            }
            if here > (kind, message_id) {
                break;
            }
            place += 1;
        }
        Some(place)
    }

    pub fn insert(&mut self, place: usize, time: i64, kind: u8, message_id: &str, who: &str) {
        let who = self.number(who);
        self.events.insert(place, Event { time, who, kind, message_id: message_id.into() });
        if kinds::is_end(kind) {
            self.ended = true;
        } else if kinds::is_mark(kind) {
            self.marked = true;
        }
        self.quiet_until = self.events[self.events.len() - 1].time;
    }

    /// A further row of whoever spoke last, after all others.
    pub fn repeat(&mut self, time: i64, kind: u8, message_id: &str) {
        let who = self.events[self.events.len() - 1].who;
        self.events.push(Event { time, who, kind, message_id: message_id.into() });
    }

    /// T4: its state may go when the least log time of the source partitions is past this, and nothing is due.
    pub fn evictable_after_ms(&self, rules: &Rules) -> i64 {
        evictable_after_ms(self.last_ms(), self.human_open || self.is_voice(), rules)
    }

    pub fn encode(&self) -> Box<[u8]> {
        let size = 64 + self.key.len() + self.lasts.len() * 9 + self.events.iter().map(|event| event.message_id.len() + 12).sum::<usize>();
        let mut out = Writer(Vec::with_capacity(size));
        out.array(FIELDS);
        out.text(&self.key);
        out.number(self.page as i64);
        numbers(&mut out, self.lasts.iter().copied());
        out.number(self.base_ms);
        out.number(self.due_ms);
        for flag in [self.shown, self.human_open, self.ended, self.marked] {
            out.flag(flag);
        }
        out.number(0);
        out.number(self.quiet_until);
        texts(&mut out, self.names.iter().map(|name| &**name));
        let events = self.events.iter();
        numbers(&mut out, events.clone().map(|event| event.time));
        out.bytes(events.clone().map(|event| event.kind));
        numbers(&mut out, events.clone().map(|event| event.who as i64));
        texts(&mut out, events.map(|event| &*event.message_id));
        out.0.into_boxed_slice()
    }

    pub fn decode(bytes: &[u8]) -> Read<Talk> {
        let mut from = Reader(bytes);
        if from.array()? < FIELDS {
            return Err(Damaged);
        }
        let mut talk = Talk {
            key: from.text()?.into(),
            page: from.number()? as u32,
            lasts: list(&mut from, Reader::number)?,
            base_ms: from.number()?,
            due_ms: from.number()?,
            shown: from.flag()?,
            human_open: from.flag()?,
            ended: from.flag()?,
            marked: from.flag()?,
            touched: from.number().map(|_| Touched::Not)?,
            quiet_until: from.number()?,
            names: list(&mut from, |from| from.text().map(Box::from))?,
            events: times(&mut from)?,
            compared: false,
            alarm_ms: FOREVER_MS,
        };
        talk.alarm_ms = talk.due_ms;
        let kinds = from.bytes()?;
        if talk.lasts.is_empty() || kinds.len() != talk.events.len() {
            return Err(Damaged);
        }
        talk.events.iter_mut().zip(kinds).for_each(|(event, &kind)| event.kind = kind);
        from.array_of(talk.events.len())?;
        for event in &mut talk.events {
            let known = |&who: &i64| (0..=talk.names.len() as i64).contains(&who);
            event.who = from.number().ok().filter(known).ok_or(Damaged)? as u32;
        }
        from.array_of(talk.events.len())?;
        for event in &mut talk.events {
            event.message_id = from.text()?.into();
        }
        Ok(talk)
    }

    fn number(&mut self, who: &str) -> u32 {
        if who.is_empty() {
            return 0;
        }
        let known = self.names.iter().position(|name| &**name == who);
        1 + known.unwrap_or_else(|| {
            self.names.push(who.into());
            self.names.len() - 1
        }) as u32
    }
}

/// The first fields of a record, for who only looks when to look again.
pub struct Head {
    pub due_ms: i64,
    last_ms: i64,
    reaches_far: bool,
}

impl Head {
    pub fn read(bytes: &[u8]) -> Read<Head> {
        let mut from = Reader(bytes);
        from.array()?;
        let is_voice = from.text()?.starts_with('v');
        from.number()?;
        let lasts: Lasts = list(&mut from, Reader::number)?;
        let last_ms = *lasts.last().ok_or(Damaged)?;
        from.number()?;
        let due_ms = from.number()?;
        from.flag()?;
        Ok(Head { due_ms, last_ms, reaches_far: from.flag()? || is_voice })
    }

    pub fn evictable_after_ms(&self, rules: &Rules) -> i64 {
        evictable_after_ms(self.last_ms, self.reaches_far, rules)
    }
}

/// The key of a record.
pub fn key_of(bytes: &[u8]) -> Read<&str> {
    let mut from = Reader(bytes);
    from.array()?;
    from.text()
}

fn evictable_after_ms(last_ms: i64, reaches_far: bool, rules: &Rules) -> i64 {
    last_ms + rules.lateness_ms + if reaches_far { (SLEEP_HOURS_MAX + 2) * HOUR_MS } else { rules.human_timeout_ms + HOUR_MS }
}

fn list<'a, T, L: Default + Extend<T>>(from: &mut Reader<'a>, read: impl Fn(&mut Reader<'a>) -> Read<T>) -> Read<L> {
    let mut found = L::default();
    for _ in 0..from.array()? {
        found.extend([read(from)?]);
    }
    Ok(found)
}

/// Of events whose other columns follow.
fn times(from: &mut Reader) -> Read<Vec<Event>> {
    let count = from.array()?;
    // A damaged length must not ask for memory: every item takes a byte at least. And who unpacks a talk has more to say.
    let mut found = Vec::with_capacity(count.min(from.0.len()) + 4);
    for _ in 0..count {
        found.push(Event { time: from.number()?, ..Event::default() });
    }
    Ok(found)
}

fn numbers(out: &mut Writer, found: impl ExactSizeIterator<Item = i64>) {
    out.array(found.len());
    found.for_each(|n| out.number(n));
}

fn texts<'a>(out: &mut Writer, found: impl ExactSizeIterator<Item = &'a str>) {
    out.array(found.len());
    found.for_each(|text| out.text(text));
}
