//! The conversations and calls of one batches partition: fold rows in, wake what falls due, let go what can no longer change (T3, T4).
//! The twin of `services/meters/talks.py`: same facts, same bytes.

use crate::hours::hour_of;
use crate::kinds;
use crate::msgpack::Read;
use crate::publish::{publish, Facts};
use crate::records::{changes, Record};
use crate::rules::{Rules, FOREVER_MS, HOUR_MS, QUARTER_MS};
use crate::talk::{key_of, Head, Talk, Touched, ALWAYS};
use crate::usage::usage_records;
use crate::voice::voice_records;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::BuildHasher;

/// A page's record holds those that were let go too, until they are half as many as there are.
const GONE_PART: usize = 2;

/// An event as a row of `batches.Rows`.
pub struct Row<'a> {
    pub page: u32,
    pub kind: u8,
    pub at_ms: i64,
    pub key: &'a str,
    pub who: &'a str,
    pub message_id: &'a str,
}

/// A talk: unpacked, at rest as its record's bytes, or both. A free slot has neither.
#[derive(Default)]
struct Slot {
    hot: Option<Box<Talk>>,
    /// Complete but for what was touched since `flush`.
    cold: Option<Box<[u8]>>,
    page: u32,
    /// Unchanged since `settle`.
    settled: bool,
}

/// The talks of a page that have bytes, in the order in which they came; and those that changed since `settle`, in the order in which they did.
#[derive(Default)]
struct Page {
    slots: Vec<u32>,
    unsettled: Vec<u32>,
    /// How many were let go since all of it was asked for.
    gone: usize,
}

/// The talks that one message changes, and what was published of each before.
type Before = Vec<(u32, Vec<Record>)>;

pub struct Talks {
    rules: Rules,
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_key: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Those whose slot is unpacked since the epoch before, and those that this epoch touched.
    hot: Vec<u32>,
    touched: Vec<u32>,
    pages: HashMap<u32, Page>,
    alarms: BinaryHeap<Reverse<(i64, u32)>>,
    /// Hour → what may be let go then, not sooner.
    last_hours: HashMap<i64, Vec<u32>>,
    changed_pages: HashSet<u32>,
    pub count: usize,
}

impl Talks {
    pub fn new(rules: Rules) -> Talks {
        Talks {
            rules,
            slots: Vec::new(),
            free: Vec::new(),
            by_key: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            hot: Vec::new(),
            touched: Vec::new(),
            pages: HashMap::new(),
            alarms: BinaryHeap::new(),
            last_hours: HashMap::new(),
            changed_pages: HashSet::new(),
            count: 0,
        }
    }

    /// Put rows into their talks while the watermark moves, and wake what falls due, but on pages that are ahead (E2). `found`: what is to be published.
    pub fn apply<'a>(&mut self, rows: impl Iterator<Item = Row<'a>>, from_ms: i64, to_ms: i64, ahead: &HashSet<u32>, found: &mut Facts) -> Read<()> {
        let mut before = Before::new();
        for row in rows.filter(|row| row.kind < kinds::FIRST_ALERT) {
            self.fold(&row, from_ms, to_ms, &mut before)?;
        }
        self.compare(&mut before, to_ms, found);
        self.wake(from_ms, to_ms, ahead, &mut before)?;
        self.compare(&mut before, to_ms, found);
        Ok(())
    }

    /// T4: drop what no event can reach any more and from which nothing is due; the pages of which so many were let go that all is to be asked for.
    pub fn sweep(&mut self, least_log_ms: i64) -> Read<Vec<u32>> {
        // Hours that are over: of one that is not, most are still to be kept, and would be looked at again and again.
        let hours: Vec<i64> = self.last_hours.keys().copied().filter(|hour| (hour + 1) * HOUR_MS <= least_log_ms).collect();
        let mut thinned = HashSet::new();
        for hour in hours {
            for slot in self.last_hours.remove(&hour).unwrap_or_default() {
                self.let_go(slot, least_log_ms, &mut thinned)?;
            }
        }
        let mut thin = Vec::new();
        for number in thinned {
            let page = self.pages.entry(number).or_default();
            for slots in [&mut page.slots, &mut page.unsettled] {
                slots.retain(|&slot| self.slots[slot as usize].cold.is_some());
                slots.shrink_to_fit();
            }
            if page.gone * GONE_PART >= page.slots.len() {
                thin.push(number);
            }
        }
        self.changed_pages.extend(&thin);
        Ok(thin)
    }

    /// Bring the bytes up to date. What was not touched since the last call is kept as bytes alone: how many talks are packed by that.
    pub fn flush(&mut self) -> usize {
        let mut packed = 0;
        for slot in self.hot.drain(..) {
            packed += usize::from(self.slots[slot as usize].hot.take_if(|talk| talk.touched == Touched::Not).is_some());
        }
        for number in std::mem::take(&mut self.touched) {
            let slot = &mut self.slots[number as usize];
            let Some(talk) = slot.hot.as_mut().filter(|talk| talk.touched != Touched::Not) else { continue };
            let is_changed = talk.touched == Touched::Changed;
            talk.touched = Touched::Not;
            let is_new = slot.cold.replace(talk.encode()).is_none();
            self.hot.push(number);
            if is_new {
                self.pages.entry(slot.page).or_default().slots.push(number);
            }
            if is_new || is_changed && slot.settled {
                slot.settled = false;
                self.pages.entry(slot.page).or_default().unsettled.push(number);
            }
        }
        packed
    }

    /// The talks of a page as of the last `flush`, or those of them that changed since the last call: whoever asks keeps them.
    /// One that only fell due did not change: `load` makes up for it.
    pub fn settle(&mut self, page: u32, whole: bool) -> Vec<&[u8]> {
        let Some(page) = self.pages.get_mut(&page) else { return Vec::new() };
        let changed = std::mem::take(&mut page.unsettled);
        if whole {
            page.gone = 0;
        }
        for &slot in &changed {
            self.slots[slot as usize].settled = true;
        }
        let slots = if whole { &page.slots } else { &changed };
        slots.iter().filter_map(|&slot| self.slots[slot as usize].cold.as_deref()).collect()
    }

    /// Pages whose records must be written, but those that are ahead: their records stay.
    pub fn take_changed(&mut self, ahead: &HashSet<u32>) -> Vec<u32> {
        let taken = self.changed_pages.iter().copied().filter(|page| !ahead.contains(page)).collect();
        self.changed_pages.retain(|page| ahead.contains(page));
        taken
    }

    /// Take a page's talk from its record, unsettled ones first: a settled one is older.
    /// What fell due until `published_ms` was published, though the page was not written again.
    pub fn load(&mut self, page: u32, bytes: &[u8], settled: bool, published_ms: i64) -> Read<()> {
        let (key, head) = (key_of(bytes)?, Head::read(bytes)?);
        if settled && self.find(key).is_some() {
            return Ok(());
        }
        let number = self.slot_for(key, Slot { hot: None, cold: Some(bytes.into()), page, settled });
        let held = self.pages.entry(page).or_default();
        held.slots.push(number);
        if !settled {
            held.unsettled.push(number);
        }
        self.remember(number, head.evictable_after_ms(&self.rules));
        if head.due_ms <= published_ms {
            self.warm(number)?;
            self.woken(number);
            let rules = self.rules;
            let talk = self.talk(number);
            records(talk, published_ms, &rules);
            self.set_alarm(number);
        } else if head.due_ms < FOREVER_MS {
            self.alarms.push(Reverse((head.due_ms, number)));
        }
        Ok(())
    }

    fn fold(&mut self, row: &Row, from_ms: i64, to_ms: i64, before: &mut Before) -> Read<()> {
        let number = match self.find(row.key) {
            Some(number) => self.warm(number).map(|()| number)?,
            None => self.begin(row),
        };
        if self.talk(number).touched != Touched::Changed {
            self.touch(number);
        }
        let talk = self.talk(number);
        let last_ms = talk.last_ms();
        if hour_of(row.at_ms) == hour_of(last_ms) && is_quiet(talk, row) {
            if !kinds::is_unkept(row.kind) {
                talk.repeat(row.at_ms - talk.base_ms, row.kind, row.message_id);
            }
            if let Some(last) = talk.lasts.last_mut() {
                *last = last_ms.max(row.at_ms);
            }
        } else if kinds::is_unkept(row.kind) {
            self.see(number, row.at_ms, from_ms, before);
        } else {
            self.add(number, row, from_ms, to_ms, before);
        }
        Ok(())
    }

    /// What is not kept moves only the human timeout (U8), and, where the talk slept, the place where it is cut (P2).
    fn see(&mut self, number: u32, at_ms: i64, from_ms: i64, before: &mut Before) {
        let rules = self.rules;
        let talk = self.talk(number);
        if talk.human_open || talk.may_sleep() {
            remember_shown(number, talk, from_ms, &rules, before);
        }
        talk.see(at_ms);
    }

    fn add(&mut self, number: u32, row: &Row, from_ms: i64, to_ms: i64, before: &mut Before) {
        let rules = self.rules;
        let talk = self.talk(number);
        let time = row.at_ms - talk.base_ms;
        let Some(place) = talk.place(time, row.kind, row.message_id, row.who) else { return };
        if talk.shown || talk.ended || kinds::is_end(row.kind) {
            remember_shown(number, talk, from_ms, &rules, before);
            talk.insert(place, time, row.kind, row.message_id, row.who);
            talk.see(row.at_ms);
            return;
        }
        talk.insert(place, time, row.kind, row.message_id, row.who);
        talk.see(row.at_ms);
        // Nothing is published and nothing ends it: no session ends before the first row + 15 min (U7), so nothing is due until then.
        let due_ms = talk.base_ms + talk.events[0].time + QUARTER_MS + 1;
        if !row.who.is_empty() && place + 1 == talk.events.len() {
            talk.quiet_until = ALWAYS;
        }
        if due_ms <= to_ms {
            remember_shown(number, talk, from_ms, &rules, before);
        } else if due_ms < talk.due_ms {
            talk.due_ms = due_ms;
            self.set_alarm(number);
        }
    }

    /// What falls due as the watermark moves. No set changes, so no page must be written.
    fn wake(&mut self, from_ms: i64, to_ms: i64, ahead: &HashSet<u32>, before: &mut Before) -> Read<()> {
        let rules = self.rules;
        while let Some(&Reverse((due_ms, number))) = self.alarms.peek() {
            if due_ms > to_ms {
                break;
            }
            self.alarms.pop();
            let slot = &mut self.slots[number as usize];
            if let Some(talk) = slot.hot.as_mut().filter(|talk| talk.alarm_ms == due_ms) {
                talk.alarm_ms = FOREVER_MS;
            }
            if ahead.contains(&slot.page) || !is_due(slot, to_ms)? {
                continue;
            }
            self.warm(number)?;
            self.woken(number);
            remember_shown(number, self.talk(number), from_ms, &rules, before);
        }
        Ok(())
    }

    fn compare(&mut self, before: &mut Before, to_ms: i64, found: &mut Facts) {
        let rules = self.rules;
        for (number, shown) in before.drain(..) {
            let talk = self.talk(number);
            talk.compared = false;
            let now = records(talk, to_ms, &rules);
            changes(&shown, &now).for_each(|(record, is_void)| publish(found, talk, record, is_void));
            self.set_alarm(number);
        }
    }

    fn find(&self, key: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.by_key.find(hash, |&number| key_in(&self.slots[number as usize]) == key).copied()
    }

    fn begin(&mut self, row: &Row) -> u32 {
        let talk = Talk::new(row.key, row.page, row.at_ms);
        let evictable_ms = talk.evictable_after_ms(&self.rules);
        let number = self.slot_for(row.key, Slot { hot: Some(Box::new(talk)), cold: None, page: row.page, settled: false });
        self.remember(number, evictable_ms);
        number
    }

    fn slot_for(&mut self, key: &str, slot: Slot) -> u32 {
        let number = self.free.pop().unwrap_or(self.slots.len() as u32);
        if number as usize == self.slots.len() {
            self.slots.push(slot);
        } else {
            self.slots[number as usize] = slot;
        }
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_key.insert_unique(hasher.hash_one(key), number, |&other| hasher.hash_one(key_in(&slots[other as usize])));
        self.count += 1;
        number
    }

    /// Unpack a talk that is at rest.
    fn warm(&mut self, number: u32) -> Read<()> {
        let slot = &mut self.slots[number as usize];
        if let (None, Some(bytes)) = (&slot.hot, &slot.cold) {
            slot.hot = Some(Box::new(Talk::decode(bytes)?));
        }
        Ok(())
    }

    /// One that is unpacked.
    fn talk(&mut self, number: u32) -> &mut Talk {
        self.slots[number as usize].hot.as_deref_mut().expect("a talk is unpacked before it is touched")
    }

    fn touch(&mut self, number: u32) {
        self.woken(number);
        let talk = self.talk(number);
        talk.touched = Touched::Changed;
        let page = talk.page;
        self.changed_pages.insert(page);
    }

    fn woken(&mut self, number: u32) {
        let talk = self.talk(number);
        if talk.touched == Touched::Not {
            talk.touched = Touched::Woken;
            self.touched.push(number);
        }
    }

    /// One alarm for a time is enough: a talk is looked at often, and what it waits for stays the same.
    fn set_alarm(&mut self, number: u32) {
        let talk = self.talk(number);
        let due_ms = talk.due_ms;
        if due_ms < FOREVER_MS && due_ms != talk.alarm_ms {
            talk.alarm_ms = due_ms;
            self.alarms.push(Reverse((due_ms, number)));
        }
    }

    fn remember(&mut self, number: u32, evictable_ms: i64) {
        self.last_hours.entry(hour_of(evictable_ms)).or_default().push(number);
    }

    fn let_go(&mut self, number: u32, least_log_ms: i64, thinned: &mut HashSet<u32>) -> Read<()> {
        let slot = &self.slots[number as usize];
        let (due_ms, last_ms) = match (&slot.hot, &slot.cold) {
            (Some(talk), _) => (talk.due_ms, talk.evictable_after_ms(&self.rules)),
            (None, Some(bytes)) => Head::read(bytes).map(|head| (head.due_ms, head.evictable_after_ms(&self.rules)))?,
            (None, None) => return Ok(()),
        };
        if due_ms < FOREVER_MS || last_ms >= least_log_ms {
            self.remember(number, last_ms.max(least_log_ms));
            return Ok(());
        }
        let hash = self.hasher.hash_one(key_in(slot));
        if let Ok(entry) = self.by_key.find_entry(hash, |&other| other == number) {
            entry.remove();
        }
        thinned.insert(slot.page);
        self.pages.entry(slot.page).or_default().gone += 1;
        self.slots[number as usize] = Slot::default();
        self.free.push(number);
        self.count -= 1;
        Ok(())
    }
}

/// The quiet path: an event that touches a few numbers, because nothing that is published can change by it.
fn is_quiet(talk: &Talk, row: &Row) -> bool {
    if kinds::is_unkept(row.kind) {
        return !talk.human_open && (talk.lasts.len() == 1 || !talk.may_sleep());
    }
    let time = row.at_ms - talk.base_ms;
    kinds::is_repeated(row.kind) && time <= talk.quiet_until && talk.events.last().is_some_and(|last| last.time < time && talk.who(last) == row.who)
}

/// Once for each message: what was published of a talk before it.
fn remember_shown(number: u32, talk: &mut Talk, from_ms: i64, rules: &Rules, before: &mut Before) {
    if !talk.compared {
        talk.compared = true;
        let shown = if talk.shown { records(talk, from_ms, rules) } else { Vec::new() };
        before.push((number, shown));
    }
}

fn records(talk: &mut Talk, watermark_ms: i64, rules: &Rules) -> Vec<Record> {
    if talk.is_voice() {
        voice_records(talk, watermark_ms, rules)
    } else {
        usage_records(talk, watermark_ms, rules)
    }
}

fn is_due(slot: &Slot, to_ms: i64) -> Read<bool> {
    match (&slot.hot, &slot.cold) {
        (Some(talk), _) => Ok(!talk.compared && talk.due_ms <= to_ms),
        (None, Some(bytes)) => Ok(Head::read(bytes)?.due_ms <= to_ms),
        (None, None) => Ok(false),
    }
}

fn key_in(slot: &Slot) -> &str {
    match (&slot.hot, &slot.cold) {
        (Some(talk), _) => &talk.key,
        (None, Some(bytes)) => key_of(bytes).unwrap_or_default(),
        (None, None) => "",
    }
}
