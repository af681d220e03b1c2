//! Give a record its id, revision and wire form (schemas/README F1-F4). The twin of `services/meters/publish.py`, for all facts but those of alerts.

use crate::logins::Text;
use crate::names::split_key;
use crate::records::{Body, Record, What};
use crate::talk::Talk;
use crate::times::format_ms;
use crate::workspace::Seat;
use sha2::{Digest, Sha256};

/// Of `topics.FACT_TOPICS`, in their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    Sessions,
    Episodes,
    Peaks,
    Logins,
    Assignments,
}

/// One record of an aggregate topic.
pub struct Fact {
    pub topic: Topic,
    pub id: String,
    pub workspace_id: Text,
    pub value: Vec<u8>,
}

/// F4: by topic, then by id.
pub fn in_order(facts: &mut [Fact]) {
    facts.sort_unstable_by(|one, other| (one.topic, &one.id).cmp(&(other.topic, &other.id)));
}

pub fn publish(talk: &Talk, record: &Record, is_void: bool, revision: i64) -> Fact {
    let (workspace_id, app_id, subject) = split_key(&talk.key);
    let id = id_of(record, workspace_id, app_id, subject);
    let is_session = matches!(record.body, Body::Session { .. });
    let mut out = Json::new(if is_session { "billing_session_id" } else { "conversation_episode_id" }, &id, 640);
    out.head(revision, is_void, workspace_id);
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
    Fact { topic: if is_session { Topic::Sessions } else { Topic::Episodes }, workspace_id: workspace_id.into(), value: out.end(), id }
}

/// A seat peak, a login or an assignment.
pub fn publish_seat(workspace_id: &Text, seat: &Seat, is_void: bool, revision: i64) -> Fact {
    let (topic, id, out) = match seat {
        Seat::Peak { quarter_ms, peak } => {
            let id = fact_id(&["peak", workspace_id, &peak.scope], &[*quarter_ms]);
            let mut out = Json::new("seat_peak_id", &id, 320);
            out.head(revision, is_void, workspace_id);
            out.text("app_id", &peak.scope);
            out.instant("quarter", *quarter_ms);
            out.number("peak", peak.peak as i64);
            out.instant("peak_at", peak.peak_at_ms);
            out.number("agents", peak.agents as i64);
            (Topic::Peaks, id, out)
        }
        Seat::Login { login_id, agent_id, app_ids, start_ms, end_ms } => {
            let id = fact_id(&["login", workspace_id, login_id], &[*start_ms]);
            let mut out = Json::new("agent_login_id", &id, 320);
            out.head(revision, is_void, workspace_id);
            out.text("login_id", login_id);
            out.text("agent_id", agent_id);
            out.texts("app_ids", app_ids);
            out.instant("start", *start_ms);
            out.optional("end", *end_ms);
            (Topic::Logins, id, out)
        }
        Seat::Assignment { app_id, agent_id, start_ms, end_ms } => {
            let id = fact_id(&["assignment", workspace_id, app_id, agent_id], &[*start_ms]);
            let mut out = Json::new("agent_assignment_id", &id, 320);
            out.head(revision, is_void, workspace_id);
            out.text("app_id", app_id);
            out.text("agent_id", agent_id);
            out.instant("start", *start_ms);
            out.optional("end", *end_ms);
            (Topic::Assignments, id, out)
        }
    };
    Fact { topic, id, workspace_id: workspace_id.clone(), value: out.end() }
}

fn word(what: What) -> &'static str {
    match what {
        What::Usage => "usage",
        What::Voice => "voice",
        What::Conversation => "conversation",
    }
}

fn id_of(record: &Record, workspace_id: &str, app_id: &str, subject: &str) -> String {
    let ident = &record.ident;
    let numbers: &[i64] = if ident.what == What::Conversation { &[ident.t0] } else { &[ident.t0, ident.k] };
    fact_id(&[word(ident.what), workspace_id, app_id, subject], numbers)
}

/// F1: the first 32 hex digits of SHA-256 over the parts as a compact JSON array.
fn fact_id(texts: &[&str], numbers: &[i64]) -> String {
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
    let mut id = String::with_capacity(32);
    for byte in &digest[..16] {
        id.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
    }
    id
}

/// A compact JSON object, field by field.
struct Json(Vec<u8>);

impl Json {
    /// `room`: for so many bytes, about as long as it will be.
    fn new(name: &str, value: &str, room: usize) -> Json {
        let mut out = Json(Vec::with_capacity(room));
        out.0.push(b'{');
        quote(&mut out.0, name);
        out.0.push(b':');
        quote(&mut out.0, value);
        out
    }

    /// What every fact tells after its id.
    fn head(&mut self, revision: i64, is_void: bool, workspace_id: &str) {
        self.number("revision", revision);
        self.text("status", if is_void { "void" } else { "closed" });
        self.text("workspace_id", workspace_id);
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

    fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
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
