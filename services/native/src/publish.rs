//! Give a record its id, revision and wire form (schemas/README F1-F4). The twin of `services/meters/publish.py`, for all facts but those of alerts.

use crate::logins::Text;
use crate::names::split_key;
use crate::records::{Body, Record, What};
use crate::talk::Talk;
use crate::times::format_ms;
use crate::workspace::Seat;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// Of `topics.FACT_TOPICS`, in their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    Sessions,
    Episodes,
    Peaks,
    Logins,
    Assignments,
}

/// F1: of a digest the first 128 bits, which sort as their hexadecimal digits do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Id(u128);

impl Id {
    fn hex(self) -> [u8; 32] {
        let mut hex = [0; 32];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            pair.copy_from_slice(&[byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
        }
        hex
    }
}

/// What a message publishes, as Python's `OutFact` from the beginning: when a log is closed there are tens of thousands of them at once, and most of
/// what one cost was memory that was fetched for it again and again.
pub struct Facts<'py> {
    out_fact: Bound<'py, PyAny>,
    topics: Vec<Bound<'py, PyString>>,
    revision: i64,
    list: Vec<(Topic, Id, Bound<'py, PyAny>)>,
    head: Option<Head<'py>>,
    /// The value of the newest fact.
    json: Json,
}

/// What the newest fact begins with. Those of one workspace mostly come one after the other, and differ in their ids and after it.
struct Head<'py> {
    topic: Topic,
    is_void: bool,
    workspace_id: Bound<'py, PyString>,
    id: Range<usize>,
    end: usize,
}

impl<'py> Facts<'py> {
    /// `topics`: names, in the order of `Topic`.
    pub fn new(out_fact: Bound<'py, PyAny>, topics: Vec<Bound<'py, PyString>>, revision: i64) -> Facts<'py> {
        Facts { out_fact, topics, revision, list: Vec::new(), head: None, json: Json::default() }
    }

    /// F4: by topic, then by id.
    pub fn in_order(mut self) -> PyResult<Bound<'py, PyList>> {
        self.list.sort_unstable_by_key(|&(topic, id, _)| (topic, id));
        PyList::new(self.out_fact.py(), self.list.into_iter().map(|(_, _, fact)| fact))
    }

    /// One more: `tell` tells what follows the fields of every fact. `name`: of its id.
    fn add(&mut self, topic: Topic, name: &str, id: Id, workspace_id: &str, is_void: bool, tell: impl FnOnce(&mut Json)) {
        let py = self.out_fact.py();
        let hex = id.hex();
        let is_alike = |head: &Head| head.topic == topic && head.is_void == is_void && head.workspace_id.to_str().is_ok_and(|text| text == workspace_id);
        let head = match self.head.take().filter(is_alike) {
            Some(head) => {
                self.json.0.truncate(head.end);
                self.json.0[head.id.clone()].copy_from_slice(&hex);
                head
            }
            None => {
                self.json.0.clear();
                let out = &mut self.json;
                let id = out.begin(name, &hex);
                out.number("revision", self.revision);
                out.text("status", if is_void { "void" } else { "closed" });
                out.text("workspace_id", workspace_id);
                Head { topic, is_void, workspace_id: PyString::new(py, workspace_id), id, end: out.0.len() }
            }
        };
        tell(&mut self.json);
        self.json.end();
        let fields = (&self.topics[topic as usize], PyBytes::new(py, &hex), &head.workspace_id, PyBytes::new(py, &self.json.0));
        let fact = self.out_fact.call1(fields).expect("a fact is made of its four fields");
        self.list.push((topic, id, fact));
        self.head = Some(head);
    }
}

pub fn publish(found: &mut Facts<'_>, talk: &Talk, record: &Record, is_void: bool) {
    let (workspace_id, app_id, subject) = split_key(&talk.key);
    let id = id_of(record, workspace_id, app_id, subject);
    let is_session = matches!(record.body, Body::Session { .. });
    let (topic, name) = if is_session { (Topic::Sessions, "billing_session_id") } else { (Topic::Episodes, "conversation_episode_id") };
    found.add(topic, name, id, workspace_id, is_void, |out| {
        out.text("app_id", app_id);
        if is_session {
            out.text("type", word(record.ident.what));
        }
        for (name, value) in ["channel", "kore_user_id", "channel_user_id"].into_iter().zip(record.names.iter()) {
            out.text(name, value);
        }
        out.text("conversation_id", subject);
        match &record.body {
            Body::Session { start_ms, end_ms, bot_ms, human_ms, message_id, rule } => {
                out.instant("conversation_start", record.ident.t0);
                out.instant("start", *start_ms);
                out.instant("end", *end_ms);
                out.number("bot_ms", *bot_ms);
                out.number("human_ms", *human_ms);
                out.text("message_id", message_id);
                out.text("rule", rule);
            }
            Body::Episode { end_ms, reason, sessions, human_ms } => {
                out.instant("start", record.ident.t0);
                out.optional("end", *end_ms);
                out.text("end_reason", reason);
                out.number("sessions", *sessions);
                out.number("human_ms", *human_ms);
            }
        }
    });
}

/// A seat peak, a login or an assignment.
pub fn publish_seat(found: &mut Facts<'_>, workspace_id: &str, seat: &Seat, is_void: bool) {
    match seat {
        Seat::Peak { quarter_ms, peak } => {
            let id = fact_id(&["peak", workspace_id, &peak.scope], &[*quarter_ms]);
            found.add(Topic::Peaks, "seat_peak_id", id, workspace_id, is_void, |out| {
                out.text("app_id", &peak.scope);
                out.instant("quarter", *quarter_ms);
                out.number("peak", peak.peak as i64);
                out.instant("peak_at", peak.peak_at_ms);
                out.number("agents", peak.agents as i64);
            });
        }
        Seat::Login { login_id, agent_id, app_ids, start_ms, end_ms } => {
            let id = fact_id(&["login", workspace_id, login_id], &[*start_ms]);
            found.add(Topic::Logins, "agent_login_id", id, workspace_id, is_void, |out| {
                out.text("login_id", login_id);
                out.text("agent_id", agent_id);
                out.texts("app_ids", app_ids);
                out.instant("start", *start_ms);
                out.optional("end", *end_ms);
            });
        }
        Seat::Assignment { app_id, agent_id, start_ms, end_ms } => {
            let id = fact_id(&["assignment", workspace_id, app_id, agent_id], &[*start_ms]);
            found.add(Topic::Assignments, "agent_assignment_id", id, workspace_id, is_void, |out| {
                out.text("app_id", app_id);
                out.text("agent_id", agent_id);
                out.instant("start", *start_ms);
                out.optional("end", *end_ms);
            });
        }
    }
}

fn word(what: What) -> &'static str {
    match what {
        What::Usage => "usage",
        What::Voice => "voice",
        What::Conversation => "conversation",
    }
}

fn id_of(record: &Record, workspace_id: &str, app_id: &str, subject: &str) -> Id {
    let ident = &record.ident;
    let numbers: &[i64] = if ident.what == What::Conversation { &[ident.t0] } else { &[ident.t0, ident.k] };
    fact_id(&[word(ident.what), workspace_id, app_id, subject], numbers)
}

/// F1: the first 32 hex digits of SHA-256 over the parts as a compact JSON array.
fn fact_id(texts: &[&str], numbers: &[i64]) -> Id {
    let mut parts = Vec::with_capacity(128);
    for text in texts {
        parts.push(if parts.is_empty() { b'[' } else { b',' });
        quote(&mut parts, text);
    }
    for &number in numbers {
        parts.push(b',');
        decimal(&mut parts, number);
    }
    parts.push(b']');
    let digest = Sha256::digest(&parts);
    Id(digest[..16].iter().fold(0, |id, &byte| id << 8 | u128::from(byte)))
}

/// A compact JSON object, field by field.
#[derive(Default)]
struct Json(Vec<u8>);

impl Json {
    /// Where its id stands.
    fn begin(&mut self, name: &str, id: &[u8; 32]) -> Range<usize> {
        self.0.extend_from_slice(b"{\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":\"");
        let at = self.0.len();
        self.0.extend_from_slice(id);
        self.0.push(b'"');
        at..at + id.len()
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        &mut self.0
    }

    fn text(&mut self, name: &str, value: &str) {
        quote(self.name(name), value);
    }

    fn number(&mut self, name: &str, value: i64) {
        decimal(self.name(name), value);
    }

    fn instant(&mut self, name: &str, instant_ms: i64) {
        let out = self.name(name);
        out.push(b'"');
        out.extend_from_slice(&format_ms(instant_ms));
        out.push(b'"');
    }

    fn optional(&mut self, name: &str, instant_ms: Option<i64>) {
        match instant_ms {
            Some(instant_ms) => self.instant(name, instant_ms),
            None => self.name(name).extend_from_slice(b"null"),
        }
    }

    fn texts(&mut self, name: &str, values: &[Text]) {
        let out = self.name(name);
        out.push(b'[');
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            quote(out, value);
        }
        out.push(b']');
    }

    fn end(&mut self) {
        self.0.push(b'}');
    }
}

/// A JSON string with the escapes that `msgspec` writes: the rest of Unicode stands for itself.
fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // Most texts have nothing to escape; without a branch a byte, that is seen sixteen bytes at a time.
    if !text.bytes().fold(false, |odd, byte| odd | (byte < 32) | (byte == b'"') | (byte == b'\\')) {
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            8 => out.extend_from_slice(b"\\b"),
            9 => out.extend_from_slice(b"\\t"),
            10 => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            13 => out.extend_from_slice(b"\\r"),
            0..=31 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

fn decimal(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}
