//! From the bytes of a record to a row, for the plain records of conversations and calls. The twin of the fast way of `services/events/decode.py`.
//!
//! Rule: what is not plain (an escape, a repeated or wrong field, another type, a time out of its window, anything that is no event) is left to Python,
//! which is the judge. So this may only be too careful: it accepts nothing that Python would refuse or read otherwise.

use crate::kinds;

const EVENT_BYTES_MAX: usize = 1_048_576;
const AHEAD_MS_MAX: i64 = 300_000;
const DEPTH_MAX: usize = 16;

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
    let mut json = Json { text, at: 0 };
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
    json.space();
    (json.at == text.len()).then_some(found)
}

/// A reader of RFC 8259 without escapes. `None`: left to Python.
struct Json<'a> {
    text: &'a str,
    at: usize,
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

    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            return self.take(b'}');
        }
        loop {
            self.space();
            let name = self.string()?;
            self.take(b':')?;
            member(self, name)?;
            match self.peek()? {
                b',' => self.take(b',')?,
                _ => return self.take(b'}'),
            }
        }
    }

    /// Pass over a value of any kind.
    fn skip(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' if depth < DEPTH_MAX => self.object(|json, _| json.skip(depth + 1)),
            b'[' if depth < DEPTH_MAX => self.array(depth),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.take(b'[')?;
        if self.peek()? == b']' {
            return self.take(b']');
        }
        loop {
            self.skip(depth + 1)?;
            match self.peek()? {
                b',' => self.take(b',')?,
                _ => return self.take(b']'),
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        if self.here()? == b'-' {
            self.at += 1;
        }
        if self.here()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.here() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.here(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.here(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    /// A string without escapes and control characters.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
        if rest[length] != b'"' {
            return None;
        }
        let found = &self.text[self.at..self.at + length];
        self.at += length + 1;
        Some(found)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.here()
    }

    fn space(&mut self) {
        while matches!(self.here(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn here(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// E3: milliseconds since 1970 UTC of `YYYY-MM-DDThh:mm:ss[.f…](Z|±hh:mm)`.
fn parse_ms(text: &[u8]) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        text.get(from..to)?.iter().try_fold(0, |all, byte| byte.is_ascii_digit().then(|| all * 10 + (byte - b'0') as i64))
    };
    let mark = |at: usize| text.get(at).copied();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let marked = mark(4)? == b'-' && mark(7)? == b'-' && matches!(mark(10)?, b'T' | b't') && mark(13)? == b':' && mark(16)? == b':';
    if !marked || year < 1 || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut milli = 0;
    if mark(at)? == b'.' {
        let digits = text[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        for place in 0..3 {
            milli = milli * 10 + if place < digits { (text[at + 1 + place] - b'0') as i64 } else { 0 };
        }
        at += 1 + digits;
    }
    let offset_minutes = match mark(at)? {
        b'Z' | b'z' if text.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if text.len() == at + 6 && mark(at + 3) == Some(b':') => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            if sign == b'-' { -(hours * 60 + minutes) } else { hours * 60 + minutes }
        }
        _ => return None,
    };
    let seconds = ((days_to(year, month, day) * 24 + hour) * 60 + minute - offset_minutes) * 60 + second;
    Some(seconds * 1000 + milli)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01; years that begin on 1 March make leap days fall at their end.
fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}
