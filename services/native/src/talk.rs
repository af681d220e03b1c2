//! One conversation or call: the set of its events, in columns. The twin of `services/meters/talk.py`; the bytes are the same.

use crate::hours;
use crate::kinds;
use crate::msgpack::{Damaged, Read, Reader, Writer};
use crate::rules::{Rules, FOREVER_MS, HOUR_MS, SLEEP_HOURS_MAX};

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

pub struct Talk {
    pub key: Box<str>,
    pub page: u32,
    pub lasts: Vec<i64>,
    pub base_ms: i64,
    pub due_ms: i64,
    pub shown: bool,
    pub human_open: bool,
    pub ended: bool,
    pub marked: bool,
    pub touched: Touched,
    pub quiet_until: i64,
    pub names: Vec<Box<str>>,
    pub times: Vec<i64>,
    pub kinds: Vec<u8>,
    pub whos: Vec<u32>,
    pub message_ids: Vec<Box<str>>,
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
            lasts: vec![at_ms],
            base_ms: at_ms,
            due_ms: FOREVER_MS,
            shown: false,
            human_open: false,
            ended: false,
            marked: false,
            touched: Touched::Not,
            quiet_until: NEVER,
            names: Vec::new(),
            times: Vec::new(),
            kinds: Vec::new(),
            whos: Vec::new(),
            message_ids: Vec::new(),
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

    pub fn who(&self, row: usize) -> &str {
        match self.whos[row] {
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
        match self.times.last() {
            Some(&last) if time <= last => {}
            _ => return Some(self.times.len()),
        }
        let mut row = self.times.partition_point(|&t| t < time);
        while row < self.times.len() && self.times[row] == time {
            let here = (self.kinds[row], &*self.message_ids[row]);
            if here == (kind, message_id) && self.who(row) == who {
                return None;
            }
            if here > (kind, message_id) {
                break;
            }
            row += 1;
        }
        Some(row)
    }

    pub fn insert(&mut self, row: usize, time: i64, kind: u8, message_id: &str, who: &str) {
        let number = self.number(who);
        self.times.insert(row, time);
        self.kinds.insert(row, kind);
        self.message_ids.insert(row, message_id.into());
        self.whos.insert(row, number);
        if kinds::is_end(kind) {
            self.ended = true;
        } else if kinds::is_mark(kind) {
            self.marked = true;
        }
        self.quiet_until = self.times[self.times.len() - 1];
    }

    /// A further row of whoever spoke last, after all others.
    pub fn repeat(&mut self, time: i64, kind: u8, message_id: &str) {
        self.times.push(time);
        self.kinds.push(kind);
        self.message_ids.push(message_id.into());
        self.whos.push(self.whos[self.whos.len() - 1]);
    }

    /// T4: its state may go when the least log time of the source partitions is past this, and nothing is due.
    pub fn evictable_after_ms(&self, rules: &Rules) -> i64 {
        evictable_after_ms(self.last_ms(), self.human_open || self.is_voice(), rules)
    }

    pub fn encode(&self) -> Box<[u8]> {
        let size = 64 + self.key.len() + self.lasts.len() * 9 + self.message_ids.iter().map(|id| id.len() + 12).sum::<usize>();
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
        texts(&mut out, &self.names);
        numbers(&mut out, self.times.iter().copied());
        out.bytes(&self.kinds);
        numbers(&mut out, self.whos.iter().map(|&who| who as i64));
        texts(&mut out, &self.message_ids);
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
            times: list(&mut from, Reader::number)?,
            kinds: from.bytes()?.to_vec(),
            whos: list(&mut from, |from| from.number().map(|who| who as u32))?,
            message_ids: list(&mut from, |from| from.text().map(Box::from))?,
            compared: false,
            alarm_ms: FOREVER_MS,
        };
        talk.alarm_ms = talk.due_ms;
        let rows = talk.times.len();
        let sound = !talk.lasts.is_empty()
            && [talk.kinds.len(), talk.whos.len(), talk.message_ids.len()] == [rows; 3]
            && talk.whos.iter().all(|&who| who as usize <= talk.names.len());
        if sound {
            Ok(talk)
        } else {
            Err(Damaged)
        }
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
        let last_ms = *list(&mut from, Reader::number)?.last().ok_or(Damaged)?;
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

fn list<'a, T>(from: &mut Reader<'a>, read: impl Fn(&mut Reader<'a>) -> Read<T>) -> Read<Vec<T>> {
    let count = from.array()?;
    // A damaged length must not ask for memory: every item takes a byte at least.
    let mut found = Vec::with_capacity(count.min(from.0.len()));
    for _ in 0..count {
        found.push(read(from)?);
    }
    Ok(found)
}

fn numbers(out: &mut Writer, found: impl ExactSizeIterator<Item = i64>) {
    out.array(found.len());
    found.for_each(|n| out.number(n));
}

fn texts(out: &mut Writer, found: &[Box<str>]) {
    out.array(found.len());
    found.iter().for_each(|text| out.text(text));
}
