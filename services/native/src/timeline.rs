//! The presences of one workspace in time, and the peaks of its quarters (SPEC S2, S3). The twin of `services/meters/timeline.py` and `seats.py`.
//!
//! Who is there when a quarter begins is carried from the quarter before, so that a quarter costs its edges and not its presences.

use crate::logins::{Presence, Text};
use crate::rules::QUARTER_MS;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The scope beside the apps. Its peak is counted from logins, never from the apps' peaks (S2).
const WHOLE_WORKSPACE: &str = "";

/// Of one scope: the most agents at one instant, the earliest such instant, and how many there were in all.
#[derive(PartialEq)]
pub struct Peak {
    pub scope: Text,
    pub peak: usize,
    pub peak_at_ms: i64,
    pub agents: usize,
}

/// (instant, begins, whose). Ends sort before beginnings at one instant: of two presences that meet, the first is gone (S1).
type Edge<'a> = (i64, bool, &'a Presence);

/// An instant of the login in a slot: no login begins or ends two presences at one.
type Place = (i64, usize);

/// Who is there in one scope, and what the quarter under way says of it.
#[derive(Default)]
struct Seats {
    /// Agent → how many presences they have at one time: as many as devices. Nobody has none.
    held: HashMap<Text, usize>,
    /// Agents who were there in this quarter and left.
    left: HashSet<Text>,
    peak: usize,
    peak_at_ms: i64,
    agents: usize,
}

impl Seats {
    fn begin(&mut self, quarter_ms: i64) {
        self.left.clear();
        (self.peak, self.peak_at_ms, self.agents) = (self.held.len(), quarter_ms, self.held.len());
    }

    /// A beginning only adds, so the count after the last one of an instant is the count at that instant.
    fn come(&mut self, agent_id: &Text, at_ms: i64) {
        let held = self.held.entry(agent_id.clone()).or_default();
        *held += 1;
        if *held == 1 {
            self.agents += usize::from(!self.left.contains(agent_id));
            if self.held.len() > self.peak {
                (self.peak, self.peak_at_ms) = (self.held.len(), at_ms);
            }
        }
    }

    fn go(&mut self, agent_id: &Text) {
        if self.let_go(agent_id) {
            self.left.insert(agent_id.clone());
        }
    }

    /// One presence less; true when it was the agent's last.
    fn let_go(&mut self, agent_id: &Text) -> bool {
        let held = self.held.get_mut(agent_id).expect("who goes is there");
        *held -= 1;
        let was_last = *held == 0;
        if was_last {
            self.held.remove(agent_id);
        }
        was_last
    }
}

type Scopes = HashMap<Text, Seats>;

/// The presences that are put in and not taken out. The quarters before `head_ms` are passed.
pub struct Timeline {
    login_max_ms: i64,
    head_ms: i64,
    begins: BTreeMap<Place, Arc<Presence>>,
    ends: BTreeMap<Place, Arc<Presence>>,
    /// Who is there just before the head and at it.
    scopes: Scopes,
}

impl Timeline {
    pub fn new(login_max_ms: i64, watermark_ms: i64) -> Timeline {
        Timeline { login_max_ms, head_ms: quarter_of(watermark_ms - 1), begins: BTreeMap::new(), ends: BTreeMap::new(), scopes: Scopes::new() }
    }

    pub fn head_ms(&self) -> i64 {
        self.head_ms
    }

    /// Put a presence of a login in. An empty one is nobody's.
    pub fn add(&mut self, login: usize, presence: &Arc<Presence>) {
        if presence.start_ms >= presence.end_ms {
            return;
        }
        self.begins.insert((presence.start_ms, login), presence.clone());
        self.ends.insert((presence.end_ms, login), presence.clone());
        if self.is_held(presence) {
            for scope in scopes_of(presence) {
                *self.scopes.entry_ref(scope).or_default().held.entry(presence.agent_id.clone()).or_default() += 1;
            }
        }
    }

    /// Take out one that was put in.
    pub fn remove(&mut self, login: usize, presence: &Presence) {
        if presence.start_ms >= presence.end_ms {
            return;
        }
        self.begins.remove(&(presence.start_ms, login));
        self.ends.remove(&(presence.end_ms, login));
        if self.is_held(presence) {
            for scope in scopes_of(presence) {
                let seats = self.scopes.get_mut(scope).expect("its scope has somebody");
                if seats.let_go(&presence.agent_id) && seats.held.is_empty() {
                    self.scopes.remove(scope);
                }
            }
        }
    }

    /// The first quarter with an agent that is not passed.
    pub fn next_quarter(&self) -> Option<i64> {
        if !self.scopes.is_empty() {
            return Some(self.head_ms);
        }
        self.begins.range((self.head_ms, 0)..).next().map(|(&(start_ms, _), _)| quarter_of(start_ms))
    }

    /// Pass the quarters whose end the watermark has passed (P1): each with an agent, and its peaks.
    pub fn pass_to(&mut self, watermark_ms: i64, mut found: impl FnMut(i64, Vec<Peak>)) {
        while let Some(quarter_ms) = self.next_quarter().filter(|quarter_ms| quarter_ms + QUARTER_MS < watermark_ms) {
            let until_ms = quarter_ms + QUARTER_MS;
            let begins = self.begins.range((quarter_ms, 0)..(until_ms, 0)).map(|(&(at, _), presence)| (at, true, &**presence));
            let ends = self.ends.range((quarter_ms + 1, 0)..(until_ms + 1, 0)).map(|(&(at, _), presence)| (at, false, &**presence));
            found(quarter_ms, swept(quarter_ms, begins.chain(ends).collect(), &mut self.scopes));
            self.head_ms = until_ms;
        }
        self.head_ms = self.head_ms.max(quarter_of(watermark_ms - 1));
    }

    /// The peaks of a quarter that is passed, from all who were there.
    pub fn look(&self, quarter_ms: i64) -> Vec<Peak> {
        let until_ms = quarter_ms + QUARTER_MS;
        let begun = self.begins.range((quarter_of(quarter_ms - self.login_max_ms), 0)..(until_ms, 0)).map(|(_, presence)| &**presence);
        let edges = begun.filter(|presence| presence.end_ms > quarter_ms).flat_map(|presence| {
            let (start_ms, end_ms) = (presence.start_ms.max(quarter_ms), presence.end_ms.min(until_ms));
            [(start_ms, true, presence), (end_ms, false, presence)]
        });
        swept(quarter_ms, edges.collect(), &mut Scopes::new())
    }

    fn is_held(&self, presence: &Presence) -> bool {
        presence.start_ms < self.head_ms && presence.end_ms > self.head_ms
    }
}

/// The start of the quarter that holds an instant.
pub fn quarter_of(at_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(QUARTER_MS)
}

/// S2: the workspace, and each of its apps once.
fn scopes_of(presence: &Presence) -> impl Iterator<Item = &str> {
    std::iter::once(WHOLE_WORKSPACE).chain(presence.app_ids.iter().map(|app| &**app).filter(|app| *app != WHOLE_WORKSPACE))
}

/// The peaks of a quarter from who was there before it and who comes and goes in it. `scopes` become who is there after it.
fn swept(quarter_ms: i64, mut edges: Vec<Edge>, scopes: &mut Scopes) -> Vec<Peak> {
    edges.sort_unstable_by_key(|&(at_ms, begins, _)| (at_ms, begins));
    scopes.values_mut().for_each(|seats| seats.begin(quarter_ms));
    for (at_ms, begins, presence) in edges {
        for scope in scopes_of(presence) {
            let seats = scopes.entry_ref(scope).or_insert_with(|| Seats { peak_at_ms: quarter_ms, ..Seats::default() });
            if begins {
                seats.come(&presence.agent_id, at_ms);
            } else {
                seats.go(&presence.agent_id);
            }
        }
    }
    let found = scopes.iter().map(|(scope, seats)| Peak { scope: scope.clone(), peak: seats.peak, peak_at_ms: seats.peak_at_ms, agents: seats.agents });
    let found = found.collect();
    scopes.retain(|_, seats| !seats.held.is_empty());
    found
}
