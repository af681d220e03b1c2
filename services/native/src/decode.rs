//! From the bytes of a record to a row, for the plain records of conversations and calls. The twin of the fast way of `services/events/decode.py`.
//!
//! Rule: what is not plain (an escape, a repeated or wrong field, another type, a time out of its window, anything that is no event) is left to Python,
//! which is the judge. So this may only be too careful: it accepts nothing that Python would refuse or read otherwise.

use crate::json::Json;
use crate::kinds;
use crate::times::parse_ms;

const EVENT_BYTES_MAX: usize = 1_048_576;
const AHEAD_MS_MAX: i64 = 300_000;

/// What a row is made of; texts belong to the record.
#[derive(Debug, PartialEq)]
pub struct Plain<'a> {
    pub kind: u8,
    pub time_ms: i64,
    pub meter: char,
    pub workspace_id: &'a str,
    pub app_id: &'a str,
    pub subject: &'a str,
    /// [channel, kore_user_id, channel_user_id] where it counts.
    pub who: Option<[&'a str; 3]>,
    pub message_id: &'a str,
}

/// A field of the event as it was found.
#[derive(Clone, Copy, Default, PartialEq)]
enum Field<'a> {
    #[default]
    Absent,
    Null,
    Text(&'a str),
    Other,
}

#[derive(Default)]
struct Data<'a> {
    workspace_id: Field<'a>,
    app_id: Field<'a>,
    channel: Field<'a>,
    kore_user_id: Field<'a>,
    channel_user_id: Field<'a>,
    conversation_id: Field<'a>,
    initiator: Field<'a>,
    sender: Field<'a>,
    reason: Field<'a>,
    message_id: Field<'a>,
}

#[derive(Default)]
struct Envelope<'a> {
    specversion: Field<'a>,
    id: Field<'a>,
    source: Field<'a>,
    kind: Field<'a>,
    time: Field<'a>,
    subject: Field<'a>,
    data: Option<Data<'a>>,
}

/// The row of a plain record whose time fits its log time.
pub fn decode(value: &[u8], log_ms: i64, lateness_ms: i64) -> Option<Plain<'_>> {
    if value.len() > EVENT_BYTES_MAX {
        return None;
    }
    let envelope = read(std::str::from_utf8(value).ok()?)?;
    let event = plain(&envelope)?;
    let ahead_ms = event.time_ms - log_ms;
    (-lateness_ms <= ahead_ms && ahead_ms <= AHEAD_MS_MAX).then_some(event)
}

/// E7: the event time of a record, accepted or not, where it is told plainly.
pub fn time_of(value: &[u8]) -> Option<i64> {
    match read(std::str::from_utf8(value).ok()?)?.time {
        Field::Text(text) => parse_ms(text.as_bytes()),
        _ => None,
    }
}

fn plain<'a>(envelope: &Envelope<'a>) -> Option<Plain<'a>> {
    let data = envelope.data.as_ref()?;
    if envelope.specversion != Field::Text("1.0") {
        return None;
    }
    needed(envelope.id, 256)?;
    needed(envelope.source, 512)?;
    let kind_text = needed(envelope.kind, 64)?;
    let channel = needed(data.channel, 128)?;
    let is_voice = kind_text.starts_with("voice.");
    if is_voice {
        optional(data.conversation_id)?;
    }
    let user = || Some([channel, optional(data.kore_user_id)?, optional(data.channel_user_id)?]);
    let mut message_id = "";
    let (kind, who) = match kind_text {
        "conversation.message" => {
            let (user, id) = (user()?, needed(data.message_id, 256)?);
            match data.sender {
                Field::Text("user") => {
                    message_id = id;
                    (kinds::MESSAGE_BY_USER, Some(user))
                }
                Field::Text("bot") => (kinds::MESSAGE_BY_BOT, None),
                Field::Text("agent") => (kinds::MESSAGE_BY_AGENT, None),
                _ => return None,
            }
        }
        "conversation.started" => {
            let user = user()?;
            match data.initiator {
                Field::Absent | Field::Text("user") => (kinds::STARTED_BY_USER, Some(user)),
                Field::Text("bot") => (kinds::STARTED_BY_BOT, None),
                _ => return None,
            }
        }
        "conversation.ended" => match data.reason {
            Field::Text("user") => (kinds::ENDED_BY_USER, None),
            Field::Text("bot") => (kinds::ENDED_BY_BOT, None),
            Field::Text("agent") => (kinds::ENDED_BY_AGENT, None),
            Field::Text("idle") => (kinds::ENDED_IDLE, None),
            _ => return None,
        },
        "conversation.transferred" => (kinds::TRANSFERRED, Some([channel, "", ""])),
        "conversation.returned" => (kinds::RETURNED, None),
        "voice.started" => (kinds::VOICE_STARTED, Some(user()?)),
        "voice.progress" => (kinds::VOICE_PROGRESS, Some(user()?)),
        "voice.ended" => (kinds::VOICE_ENDED, Some(user()?)),
        _ => return None,
    };
    Some(Plain {
        kind,
        time_ms: parse_ms(needed(envelope.time, 64)?.as_bytes())?,
        meter: if is_voice { 'v' } else { 'u' },
        workspace_id: needed(data.workspace_id, 128)?,
        app_id: needed(data.app_id, 128)?,
        subject: needed(envelope.subject, 256)?,
        who,
        message_id,
    })
}

/// A text of 1 to `max` characters; one of more bytes is left to Python, which counts characters.
fn needed(field: Field<'_>, max: usize) -> Option<&str> {
    match field {
        Field::Text(text) if !text.is_empty() && text.len() <= max => Some(text),
        _ => None,
    }
}

fn optional(field: Field<'_>) -> Option<&str> {
    match field {
        Field::Absent | Field::Null => Some(""),
        Field::Text(text) if text.len() <= 256 => Some(text),
        _ => None,
    }
}

fn read(text: &str) -> Option<Envelope<'_>> {
    let mut json = Json::new(text);
    let mut found = Envelope::default();
    json.object(|json, name| match name {
        "data" => {
            if found.data.is_some() || json.peek()? != b'{' {
                return None;
            }
            found.data = Some(json.data()?);
            Some(())
        }
        "specversion" => json.keep(&mut found.specversion),
        "id" => json.keep(&mut found.id),
        "source" => json.keep(&mut found.source),
        "type" => json.keep(&mut found.kind),
        "time" => json.keep(&mut found.time),
        "subject" => json.keep(&mut found.subject),
        _ => json.skip(1),
    })?;
    json.is_at_end().then_some(found)
}

impl<'a> Json<'a> {
    fn data(&mut self) -> Option<Data<'a>> {
        let mut found = Data::default();
        self.object(|json, name| match name {
            "workspace_id" => json.keep(&mut found.workspace_id),
            "app_id" => json.keep(&mut found.app_id),
            "channel" => json.keep(&mut found.channel),
            "kore_user_id" => json.keep(&mut found.kore_user_id),
            "channel_user_id" => json.keep(&mut found.channel_user_id),
            "conversation_id" => json.keep(&mut found.conversation_id),
            "initiator" => json.keep(&mut found.initiator),
            "sender" => json.keep(&mut found.sender),
            "reason" => json.keep(&mut found.reason),
            "message_id" => json.keep(&mut found.message_id),
            _ => json.skip(2),
        })?;
        Some(found)
    }

    /// Take a value; a repeated field is left to Python.
    fn keep(&mut self, field: &mut Field<'a>) -> Option<()> {
        if *field != Field::Absent {
            return None;
        }
        *field = match self.peek()? {
            b'"' => Field::Text(self.string()?),
            b'n' => self.word("null").map(|()| Field::Null)?,
            _ => self.skip(2).map(|()| Field::Other)?,
        };
        Some(())
    }
}
