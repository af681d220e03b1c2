//! When to look at what again: of every name at most one alarm, the one set last. The twin of `services/meters/alarms.py`.

use crate::rules::FOREVER_MS;
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::hash::Hash;

pub struct Alarms<Name> {
    due: HashMap<Name, i64>,
    queue: BTreeSet<(i64, Name)>,
}

impl<Name: Clone + Hash + Ord> Alarms<Name> {
    pub fn new() -> Alarms<Name> {
        Alarms { due: HashMap::new(), queue: BTreeSet::new() }
    }

    /// Ring for a name then, and at no other time; `FOREVER_MS`: never.
    pub fn set(&mut self, name: Name, at_ms: i64) {
        let is_set = at_ms < FOREVER_MS;
        let old = if is_set { self.due.insert(name.clone(), at_ms) } else { self.due.remove(&name) };
        if old == Some(at_ms) {
            return;
        }
        if let Some(old_ms) = old {
            self.queue.remove(&(old_ms, name.clone()));
        }
        if is_set {
            self.queue.insert((at_ms, name));
        }
    }

    /// A name whose instant is before this one; its alarm is gone.
    pub fn ring(&mut self, before_ms: i64) -> Option<Name> {
        if self.next_ms() >= before_ms.min(FOREVER_MS) {
            return None;
        }
        let (_, name) = self.queue.pop_first()?;
        self.due.remove(&name);
        Some(name)
    }

    /// The earliest instant; `FOREVER_MS`: there is none.
    pub fn next_ms(&self) -> i64 {
        self.queue.first().map_or(FOREVER_MS, |(at_ms, _)| *at_ms)
    }
}
