//! The workspaces of one batches partition whose agents log in and out: fold events in, wake what falls due, let go what is past (SPEC S1-S6, T4).
//! The twin of `services/meters/teams.py`: same facts, same bytes.

use crate::alarms::Alarms;
use crate::logins::Text;
use crate::msgpack::Read;
use crate::publish::{publish_seat, Facts};
use crate::rules::FOREVER_MS;
use crate::workspace::{AgentEvent, SeatRules, Workspace};
use hashbrown::{HashMap, HashSet};

pub struct Teams {
    rules: SeatRules,
    pages: HashMap<u32, HashMap<Text, Workspace>>,
    /// The least watermark at which a workspace has something to publish.
    alarms: Alarms<(u32, Text)>,
    changed_pages: HashSet<u32>,
}

impl Teams {
    pub fn new(rules: SeatRules) -> Teams {
        Teams { rules, pages: HashMap::new(), alarms: Alarms::new(), changed_pages: HashSet::new() }
    }

    /// Put (page, workspace, event) into their workspaces while the watermark moves and wake what falls due, but on pages that are `ahead` (E2).
    /// `found`: what is to be published.
    pub fn apply(&mut self, events: Vec<(u32, &str, AgentEvent)>, from_ms: i64, to_ms: i64, ahead: &HashSet<u32>, found: &mut Facts) {
        let mut by_workspace: HashMap<(u32, &str), Vec<AgentEvent>> = HashMap::new();
        for (page, workspace_id, event) in events {
            by_workspace.entry((page, workspace_id)).or_default().push(event);
        }
        for ((page, workspace_id), mine) in by_workspace {
            self.changed_pages.insert(page);
            self.advance(page, &workspace_id.into(), &mine, from_ms, to_ms, found);
        }
        while let Some((page, workspace_id)) = self.alarms.ring(to_ms + 1) {
            if !ahead.contains(&page) {
                self.advance(page, &workspace_id, &[], from_ms, to_ms, found);
            }
        }
    }

    /// T4: drop what no event can change any more.
    pub fn sweep(&mut self, least_log_ms: i64, watermark_ms: i64) {
        for (&page, workspaces) in &mut self.pages {
            workspaces.retain(|workspace_id, workspace| {
                let is_kept = workspace.forget(least_log_ms, watermark_ms);
                if !is_kept {
                    self.alarms.set((page, workspace_id.clone()), FOREVER_MS);
                    self.changed_pages.insert(page);
                }
                is_kept
            });
        }
    }

    /// Pages whose records must be written; those that are `ahead` stay for a later call.
    pub fn take_changed(&mut self, ahead: &HashSet<u32>) -> Vec<u32> {
        self.changed_pages.extract_if(|page| !ahead.contains(page)).collect()
    }

    /// The workspaces of a page, by id.
    pub fn states_of(&mut self, page: u32) -> Vec<Vec<u8>> {
        let mut workspaces: Vec<_> = self.pages.get_mut(&page).into_iter().flatten().collect();
        workspaces.sort_unstable_by_key(|(workspace_id, _)| *workspace_id);
        workspaces.into_iter().map(|(workspace_id, workspace)| workspace.write(workspace_id)).collect()
    }

    /// Take a workspace of a page from its record.
    pub fn load(&mut self, page: u32, bytes: &[u8], published_ms: i64) -> Read<()> {
        let (workspace_id, workspace) = Workspace::read(bytes, published_ms, self.rules)?;
        let workspace_id: Text = workspace_id.into();
        self.alarms.set((page, workspace_id.clone()), workspace.due_ms);
        self.pages.entry(page).or_default().insert(workspace_id, workspace);
        Ok(())
    }

    fn advance(&mut self, page: u32, workspace_id: &Text, events: &[AgentEvent], from_ms: i64, to_ms: i64, found: &mut Facts) {
        let rules = self.rules;
        let workspaces = self.pages.entry(page).or_default();
        let workspace = workspaces.entry(workspace_id.clone()).or_insert_with(|| Workspace::new(rules));
        let changes = workspace.advance(events, from_ms, to_ms);
        changes.iter().for_each(|(seat, is_void)| publish_seat(found, workspace_id, seat, *is_void));
        self.alarms.set((page, workspace_id.clone()), workspace.due_ms);
    }
}
