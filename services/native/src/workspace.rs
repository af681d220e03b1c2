//! The seats of one workspace: logins, assignments, and the peak of every quarter (SPEC S1-S6). The twin of `services/meters/workspace.py`.

use crate::alarms::Alarms;
use crate::assignments::Assignment;
use crate::kinds;
use crate::logins::{Login, Presence, Text};
use crate::msgpack::{Read, Reader, Writer};
use crate::rules::{FOREVER_MS, HOUR_MS, QUARTER_MS};
use crate::timeline::{quarter_of, Peak, Timeline};
use hashbrown::HashMap;
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What of an agent's event its kind uses (`services.events.event.Event`).
pub struct AgentEvent<'a> {
    pub kind: u8,
    pub at_ms: i64,
    pub app_id: &'a str,
    pub subject: &'a str,
    pub agent_id: &'a str,
    pub app_ids: Vec<&'a str>,
}

#[derive(Clone, Copy)]
pub struct SeatRules {
    pub login_timeout_ms: i64,
    pub lateness_ms: i64,
}

/// Whose records are to be looked at: the login or the assignment in a slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Subject {
    Login(usize),
    Assignment(usize),
}

/// What is published of a workspace: `records.PeakRecord`, `LoginRecord`, `AssignmentRecord`.
#[derive(PartialEq)]
pub enum Seat {
    Peak { quarter_ms: i64, peak: Peak },
    Login { login_id: Text, agent_id: Text, app_ids: Arc<[Text]>, start_ms: i64, end_ms: Option<i64> },
    Assignment { app_id: Text, agent_id: Text, start_ms: i64, end_ms: Option<i64> },
}

#[derive(PartialEq, Eq, Hash)]
enum Ident {
    Peak(Text, i64),
    Login(Text, i64),
    Assignment(Text, Text, i64),
}

impl Seat {
    fn ident(&self) -> Ident {
        match self {
            Seat::Peak { quarter_ms, peak } => Ident::Peak(peak.scope.clone(), *quarter_ms),
            Seat::Login { login_id, start_ms, .. } => Ident::Login(login_id.clone(), *start_ms),
            Seat::Assignment { app_id, agent_id, start_ms, .. } => Ident::Assignment(app_id.clone(), agent_id.clone(), *start_ms),
        }
    }
}

/// Every login and assignment of one workspace that can still change.
pub struct Workspace {
    rules: SeatRules,
    /// Looked up by name once for each event: a large team's are in no cache.
    logins: Slab<Login>,
    by_login_id: HashMap<Text, usize>,
    /// Slots of the logins: by login id as of the last `write`, then those that came since. To sort that again costs little.
    written: Vec<usize>,
    assignments: Slab<Assignment>,
    by_app_and_agent: HashMap<(Text, Text), usize>,
    timeline: Timeline,
    /// The next start or end that the watermark passes, of every login and assignment.
    alarms: Alarms<Subject>,
    /// The least watermark at which there is something to publish.
    pub due_ms: i64,
}

impl Workspace {
    pub fn new(rules: SeatRules) -> Workspace {
        let timeline = Timeline::new(rules.login_timeout_ms, -FOREVER_MS);
        Workspace {
            rules,
            logins: Slab::new(),
            by_login_id: HashMap::new(),
            written: Vec::new(),
            assignments: Slab::new(),
            by_app_and_agent: HashMap::new(),
            timeline,
            alarms: Alarms::new(),
            due_ms: FOREVER_MS,
        }
    }

    /// Put events into the set and move the watermark: what is to be published, and whether it is void.
    pub fn advance(&mut self, events: &[AgentEvent], from_ms: i64, to_ms: i64) -> Vec<(Seat, bool)> {
        let spoken: Vec<Subject> = events.iter().map(|event| self.subject_of(event)).collect();
        let mut touched: BTreeSet<Subject> = spoken.iter().copied().collect();
        let mut shown: BTreeMap<usize, Vec<Arc<Presence>>> = BTreeMap::new();
        for &subject in &touched {
            if let Subject::Login(slot) = subject {
                shown.insert(slot, self.logins[slot].presences(self.rules.login_timeout_ms).to_vec());
            }
        }
        while let Some(subject) = self.alarms.ring(to_ms) {
            touched.insert(subject);
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        touched.iter().for_each(|&subject| self.look(subject, from_ms, &mut before));
        events.iter().zip(spoken).for_each(|(event, subject)| self.add(subject, event));
        self.change(shown, &mut before, &mut after);
        touched.iter().for_each(|&subject| self.look(subject, to_ms, &mut after));
        self.timeline.pass_to(to_ms, |quarter_ms, peaks| after.extend(peaks.into_iter().map(|peak| Seat::Peak { quarter_ms, peak })));
        touched.iter().for_each(|&subject| self.set_alarm(subject, to_ms));
        self.set_due();
        changes(before, after)
    }

    /// T4: drop what no event can change any more; false when nothing is left.
    pub fn forget(&mut self, least_log_ms: i64, watermark_ms: i64) -> bool {
        let horizon_ms = watermark_ms.min(least_log_ms - self.rules.lateness_ms - HOUR_MS);
        let login_max_ms = self.rules.login_timeout_ms;
        let past_ms = horizon_ms - login_max_ms;
        self.logins.retain(|slot, login| {
            let is_past = login.last_ms < past_ms;
            let gone = if is_past { login.presences(login_max_ms).to_vec() } else { login.forget(past_ms, login_max_ms) };
            gone.iter().for_each(|presence| self.timeline.remove(slot, presence));
            if is_past {
                self.by_login_id.remove(&login.login_id);
                self.alarms.set(Subject::Login(slot), FOREVER_MS);
            }
            !is_past
        });
        self.written.retain(|&slot| self.logins.contains(slot));
        self.assignments.retain(|slot, assignment| {
            assignment.forget(horizon_ms);
            if assignment.is_empty() {
                self.by_app_and_agent.remove(&assignment.app_and_agent);
                self.alarms.set(Subject::Assignment(slot), FOREVER_MS);
            }
            !assignment.is_empty()
        });
        !self.logins.is_empty() || !self.assignments.is_empty()
    }

    /// A `state.WorkspaceState`.
    pub fn write(&mut self, workspace_id: &str) -> Vec<u8> {
        let mut out = Writer::default();
        out.array(3);
        out.text(workspace_id);
        self.written.sort_by(|&one, &other| self.logins[one].login_id.cmp(&self.logins[other].login_id));
        out.array(self.written.len());
        self.written.iter().for_each(|&slot| self.logins[slot].write(&mut out));
        let mut assignments: Vec<_> = self.assignments.iter().map(|(_, assignment)| assignment).collect();
        assignments.sort_unstable_by_key(|assignment| &assignment.app_and_agent);
        out.array(assignments.len());
        assignments.into_iter().for_each(|assignment| assignment.write(&mut out));
        out.0
    }

    /// What `write` wrote: the workspace id and its seats, published up to the watermark.
    pub fn read(bytes: &[u8], watermark_ms: i64, rules: SeatRules) -> Read<(&str, Workspace)> {
        let mut from = Reader(bytes);
        from.array_of(3)?;
        let workspace_id = from.text()?;
        let mut found = Workspace { timeline: Timeline::new(rules.login_timeout_ms, watermark_ms), ..Workspace::new(rules) };
        for _ in 0..from.array()? {
            let slot = found.insert(Login::read(&mut from)?);
            found.logins[slot].presences(rules.login_timeout_ms).iter().for_each(|presence| found.timeline.add(slot, presence));
            found.set_alarm(Subject::Login(slot), watermark_ms);
        }
        for _ in 0..from.array()? {
            let assignment = Assignment::read(&mut from)?;
            let names = assignment.app_and_agent.clone();
            let slot = found.assignments.insert(assignment);
            found.by_app_and_agent.insert(names, slot);
            found.set_alarm(Subject::Assignment(slot), watermark_ms);
        }
        found.set_due();
        Ok((workspace_id, found))
    }

    /// Whom an event is about; one that is new has no events yet.
    fn subject_of(&mut self, event: &AgentEvent) -> Subject {
        if matches!(event.kind, kinds::ASSIGNED | kinds::UNASSIGNED) {
            let (app_id, agent_id): (Text, Text) = (event.app_id.into(), event.agent_id.into());
            let entry = self.by_app_and_agent.entry((app_id, agent_id));
            let slot = entry.or_insert_with_key(|names| self.assignments.insert(Assignment::new(names.clone())));
            return Subject::Assignment(*slot);
        }
        if let Some(&slot) = self.by_login_id.get(event.subject) {
            return Subject::Login(slot);
        }
        Subject::Login(self.insert(Login::new(event.subject.into())))
    }

    fn insert(&mut self, login: Login) -> usize {
        let login_id = login.login_id.clone();
        let slot = self.logins.insert(login);
        self.by_login_id.insert(login_id, slot);
        self.written.push(slot);
        slot
    }

    /// S6, S7: the records of a subject at a watermark: a fact when it has passed the start, with its end when it has passed that.
    fn look(&mut self, subject: Subject, watermark_ms: i64, found: &mut Vec<Seat>) {
        let shown = |end_ms: i64| Some(end_ms).filter(|&end_ms| watermark_ms > end_ms);
        match subject {
            Subject::Login(slot) => {
                let login = &mut self.logins[slot];
                let login_id = login.login_id.clone();
                let begun = login.presences(self.rules.login_timeout_ms).iter().filter(|presence| watermark_ms > presence.start_ms);
                found.extend(begun.map(|presence| Seat::Login {
                    login_id: login_id.clone(),
                    agent_id: presence.agent_id.clone(),
                    app_ids: presence.app_ids.clone(),
                    start_ms: presence.start_ms,
                    end_ms: shown(presence.end_ms),
                }));
            }
            Subject::Assignment(slot) => {
                let assignment = &self.assignments[slot];
                let begun = assignment.intervals().into_iter().filter(|&(start_ms, _)| watermark_ms > start_ms);
                found.extend(begun.map(|(start_ms, end_ms)| Seat::Assignment {
                    app_id: assignment.app_and_agent.0.clone(),
                    agent_id: assignment.app_and_agent.1.clone(),
                    start_ms,
                    end_ms: end_ms.and_then(shown),
                }));
            }
        }
    }

    fn add(&mut self, subject: Subject, event: &AgentEvent) {
        match subject {
            Subject::Assignment(slot) => self.assignments[slot].add(event.at_ms, event.kind == kinds::ASSIGNED),
            Subject::Login(slot) if event.kind == kinds::LOGGED_IN => self.logins[slot].add_login(event.at_ms, event.agent_id, &event.app_ids),
            Subject::Login(slot) => self.logins[slot].add_logout(event.at_ms),
        }
    }

    /// Other presences than those before, of some logins: the peaks of the passed quarters that this changes, as they were and as they are.
    fn change(&mut self, shown: BTreeMap<usize, Vec<Arc<Presence>>>, before: &mut Vec<Seat>, after: &mut Vec<Seat>) {
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        let mut late = BTreeSet::new();
        for (slot, old) in shown {
            let new = self.logins[slot].presences(self.rules.login_timeout_ms);
            let only_new: Vec<_> = new.iter().filter(|presence| !old.contains(presence)).cloned().collect();
            let only_old: Vec<_> = old.into_iter().filter(|presence| !new.contains(presence)).collect();
            for (start_ms, end_ms) in changed(&only_old, &only_new) {
                let until_ms = end_ms.min(self.timeline.head_ms());
                late.extend((quarter_of(start_ms)..until_ms).step_by(QUARTER_MS as usize));
            }
            gone.extend(only_old.into_iter().map(|presence| (slot, presence)));
            come.extend(only_new.into_iter().map(|presence| (slot, presence)));
        }
        self.peaks(&late, before);
        gone.iter().for_each(|(slot, presence)| self.timeline.remove(*slot, presence));
        come.iter().for_each(|(slot, presence)| self.timeline.add(*slot, presence));
        self.peaks(&late, after);
    }

    fn peaks(&self, passed: &BTreeSet<i64>, found: &mut Vec<Seat>) {
        for &quarter_ms in passed {
            found.extend(self.timeline.look(quarter_ms).into_iter().map(|peak| Seat::Peak { quarter_ms, peak }));
        }
    }

    fn set_alarm(&mut self, subject: Subject, watermark_ms: i64) {
        let next = |edges: &mut dyn Iterator<Item = i64>| edges.filter(|&edge| edge >= watermark_ms).min().unwrap_or(FOREVER_MS);
        let next_ms = match subject {
            Subject::Login(slot) => {
                let presences = self.logins[slot].presences(self.rules.login_timeout_ms).iter();
                next(&mut presences.flat_map(|presence| [presence.start_ms, presence.end_ms]))
            }
            Subject::Assignment(slot) => {
                let intervals = self.assignments[slot].intervals().into_iter();
                next(&mut intervals.flat_map(|(start_ms, end_ms)| std::iter::once(start_ms).chain(end_ms)))
            }
        };
        self.alarms.set(subject, next_ms);
    }

    fn set_due(&mut self) {
        let of_quarters = self.timeline.next_quarter().map_or(FOREVER_MS, |quarter_ms| quarter_ms + QUARTER_MS + 1);
        self.due_ms = of_quarters.min(self.alarms.next_ms() + 1);
    }
}

/// [start, end) of what differs: a presence that only ends elsewhere differs between its two ends.
fn changed(gone: &[Arc<Presence>], come: &[Arc<Presence>]) -> Vec<(i64, i64)> {
    let is_same = |one: &Presence, other: &Presence| one.start_ms == other.start_ms && one.agent_id == other.agent_id && one.app_ids == other.app_ids;
    let of_come = come.iter().map(|presence| {
        let end_ms = gone.iter().find(|old| is_same(old, presence)).map_or(presence.start_ms, |old| old.end_ms);
        (end_ms.min(presence.end_ms), end_ms.max(presence.end_ms))
    });
    let of_gone = gone.iter().filter(|old| !come.iter().any(|presence| is_same(old, presence))).map(|old| (old.start_ms, old.end_ms));
    of_come.chain(of_gone).collect()
}

/// What must be published when `before` was published and `after` is true (T3): a record, and whether it is void.
fn changes(before: Vec<Seat>, after: Vec<Seat>) -> Vec<(Seat, bool)> {
    if before.is_empty() {
        return after.into_iter().map(|seat| (seat, false)).collect();
    }
    let mut shown: HashMap<Ident, Seat> = before.into_iter().map(|seat| (seat.ident(), seat)).collect();
    let mut found = Vec::with_capacity(after.len());
    for seat in after {
        if shown.remove(&seat.ident()).as_ref() != Some(&seat) {
            found.push((seat, false));
        }
    }
    found.extend(shown.into_values().map(|seat| (seat, true)));
    found
}
