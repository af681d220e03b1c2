//! One login id: its set of logins and logouts, and the presences they make (SPEC S1). The twin of `services/meters/logins.py`.

use crate::msgpack::{Read, Reader, Writer};
use crate::rules::FOREVER_MS;
use std::sync::Arc;

pub type Text = Arc<str>;

/// An agent in apps over [start, end).
#[derive(PartialEq)]
pub struct Presence {
    pub start_ms: i64,
    pub end_ms: i64,
    pub agent_id: Text,
    /// Sorted, each once.
    pub app_ids: Arc<[Text]>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct LoggedIn {
    at_ms: i64,
    agent_id: Text,
    /// As sent.
    app_ids: Arc<[Text]>,
}

/// The logins and logouts of one login id, sorted, without repetition.
pub struct Login {
    pub login_id: Text,
    pub last_ms: i64,
    logins: Vec<LoggedIn>,
    logouts: Vec<i64>,
    /// None: not found out since the sets changed.
    presences: Option<Vec<Arc<Presence>>>,
}

impl Login {
    pub fn new(login_id: Text) -> Login {
        Login { login_id, last_ms: -FOREVER_MS, logins: Vec::new(), logouts: Vec::new(), presences: None }
    }

    pub fn add_login(&mut self, at_ms: i64, agent_id: &str, app_ids: &[&str]) {
        put_once(&mut self.logins, LoggedIn { at_ms, agent_id: agent_id.into(), app_ids: app_ids.iter().map(|&app| app.into()).collect() });
        self.changed(at_ms);
    }

    /// Without a login it waits for one.
    pub fn add_logout(&mut self, at_ms: i64) {
        put_once(&mut self.logouts, at_ms);
        self.changed(at_ms);
    }

    /// S1: of several logins within `login_timeout` of the first that counted, the first; each until its logout or the timeout.
    pub fn presences(&mut self, login_max_ms: i64) -> &[Arc<Presence>] {
        self.presences.get_or_insert_with(|| found(&self.logins, &self.logouts, login_max_ms))
    }

    /// Drop what no event at or after the horizon can change, all before the last login that counted before it: the presences that are gone.
    pub fn forget(&mut self, horizon_ms: i64, login_max_ms: i64) -> Vec<Arc<Presence>> {
        if self.logins.len() < 2 {
            return Vec::new();
        }
        let old = self.presences(login_max_ms).to_vec();
        let past = old.partition_point(|presence| presence.start_ms < horizon_ms);
        if past > 1 {
            let last_ms = old[past - 1].start_ms;
            self.logins.retain(|login| login.at_ms >= last_ms);
            self.logouts.retain(|&logout| logout >= last_ms);
            self.presences = None;
        }
        let kept = self.presences(login_max_ms);
        old.into_iter().filter(|presence| !kept.contains(presence)).collect()
    }

    /// A `state.LoginState`.
    pub fn write(&self, out: &mut Writer) {
        out.array(4);
        out.text(&self.login_id);
        out.number(self.last_ms);
        out.array(self.logins.len());
        for login in &self.logins {
            out.array(3);
            out.number(login.at_ms);
            out.text(&login.agent_id);
            out.array(login.app_ids.len());
            login.app_ids.iter().for_each(|app| out.text(app));
        }
        out.array(self.logouts.len());
        self.logouts.iter().for_each(|&logout| out.number(logout));
    }

    /// What `write` wrote.
    pub fn read(from: &mut Reader) -> Read<Login> {
        from.array_of(4)?;
        let mut login = Login::new(from.text()?.into());
        login.last_ms = from.number()?;
        for _ in 0..from.array()? {
            from.array_of(3)?;
            let (at_ms, agent_id) = (from.number()?, from.text()?.into());
            let app_ids = (0..from.array()?).map(|_| Ok(from.text()?.into())).collect::<Read<_>>()?;
            login.logins.push(LoggedIn { at_ms, agent_id, app_ids });
        }
        for _ in 0..from.array()? {
            login.logouts.push(from.number()?);
        }
        Ok(login)
    }

    fn changed(&mut self, at_ms: i64) {
        self.last_ms = self.last_ms.max(at_ms);
        self.presences = None;
    }
}

fn found(logins: &[LoggedIn], logouts: &[i64], login_max_ms: i64) -> Vec<Arc<Presence>> {
    let mut found = Vec::with_capacity(1);
    let mut counted_ms = -FOREVER_MS;
    for login in logins {
        if login.at_ms <= counted_ms + login_max_ms {
            continue;
        }
        counted_ms = login.at_ms;
        let timeout_ms = counted_ms + login_max_ms;
        let logout_ms = logouts.get(logouts.partition_point(|&logout| logout < counted_ms));
        let end_ms = logout_ms.map_or(timeout_ms, |&logout| logout.min(timeout_ms));
        found.push(Arc::new(Presence { start_ms: counted_ms, end_ms, agent_id: login.agent_id.clone(), app_ids: each_once(&login.app_ids) }));
    }
    found
}

/// Put a value into a sorted list unless it is there.
pub fn put_once<T: Ord>(values: &mut Vec<T>, value: T) {
    if let Err(place) = values.binary_search(&value) {
        values.insert(place, value);
    }
}

fn each_once(app_ids: &Arc<[Text]>) -> Arc<[Text]> {
    if app_ids.is_sorted_by(|one, next| one < next) {
        return app_ids.clone();
    }
    let mut sorted = app_ids.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.into()
}
