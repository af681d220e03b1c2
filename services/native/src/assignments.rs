//! Assignments of one agent to one app (SPEC S5, S8): the set of marks, and the intervals they make. The twin of `services/meters/assignments.py`.

use crate::logins::{put_once, Text};
use crate::msgpack::{Read, Reader, Writer};

/// The marks (time, assigned or not) of one (app, agent), sorted, without repetition.
pub struct Assignment {
    pub app_and_agent: (Text, Text),
    marks: Vec<(i64, bool)>,
}

impl Assignment {
    pub fn new(app_and_agent: (Text, Text)) -> Assignment {
        Assignment { app_and_agent, marks: Vec::new() }
    }

    pub fn add(&mut self, at_ms: i64, assigned: bool) {
        put_once(&mut self.marks, (at_ms, assigned));
    }

    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// S8: [start, end); end None: it lasts. An instant that says both says nothing.
    pub fn intervals(&self) -> Vec<(i64, Option<i64>)> {
        let mut found = Vec::new();
        let mut since = None;
        for here in self.marks.chunk_by(|one, next| one.0 == next.0) {
            match (here, since) {
                (&[(at, true)], None) => since = Some(at),
                (&[(at, false)], Some(start)) => {
                    found.push((start, Some(at)));
                    since = None;
                }
                _ => {}
            }
        }
        found.extend(since.map(|start| (start, None)));
        found
    }

    /// Drop what no mark at or after the horizon can change: all before the last interval that began before it.
    pub fn forget(&mut self, horizon_ms: i64) {
        let begun = self.intervals().into_iter().rev().find(|&(start, _)| start < horizon_ms);
        match begun {
            Some((start, end)) if end.is_none_or(|end| end >= horizon_ms) => self.marks.retain(|&(at, assigned)| at > start || (at == start && assigned)),
            _ => self.marks.retain(|&(at, _)| at >= horizon_ms),
        }
    }

    /// Its part of a `state.WorkspaceState`.
    pub fn write(&self, out: &mut Writer) {
        out.array(3);
        out.text(&self.app_and_agent.0);
        out.text(&self.app_and_agent.1);
        out.array(self.marks.len());
        for &(at, assigned) in &self.marks {
            out.array(2);
            out.number(at);
            out.flag(assigned);
        }
    }

    /// What `write` wrote.
    pub fn read(from: &mut Reader) -> Read<Assignment> {
        from.array_of(3)?;
        let mut assignment = Assignment::new((from.text()?.into(), from.text()?.into()));
        for _ in 0..from.array()? {
            from.array_of(2)?;
            assignment.marks.push((from.number()?, from.flag()?));
        }
        Ok(assignment)
    }
}
