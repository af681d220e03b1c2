//! What a conversation or call says at a watermark, before it has an id, a revision and a wire form. The twin of `services/meters/records.py`.

use std::rc::Rc;

#[derive(Clone, Copy, PartialEq)]
pub enum What {
    Usage,
    Voice,
    Conversation,
}

/// With the talk's key, what makes the id (F1).
#[derive(Clone, Copy, PartialEq)]
pub struct Ident {
    pub what: What,
    pub t0: i64,
    /// Session k; 0 of a conversation.
    pub k: i64,
}

/// channel, kore_user_id, channel_user_id.
pub type Names = Rc<[Box<str>; 3]>;

#[derive(PartialEq)]
pub enum Body {
    /// U6-U13, V1.
    Session { start_ms: i64, end_ms: i64, bot_ms: i64, human_ms: i64, message_id: Box<str>, rule: &'static str },
    /// C1.
    Episode { end_ms: Option<i64>, reason: &'static str, sessions: i64, human_ms: i64 },
}

#[derive(PartialEq)]
pub struct Record {
    pub ident: Ident,
    pub names: Names,
    pub body: Body,
}

pub fn names_of(texts: [&str; 3]) -> Names {
    Rc::new(texts.map(Box::from))
}

/// What must be published when `before` was published and `after` is true (T3): (record, is it void).
pub fn changes<'a>(before: &'a [Record], after: &'a [Record]) -> impl Iterator<Item = (&'a Record, bool)> {
    let news = after.iter().enumerate().filter(|(at, record)| same_ident(before, *at, record) != Some(*record)).map(|(_, record)| (record, false));
    let gone = before.iter().enumerate().filter(|(at, record)| same_ident(after, *at, record).is_none()).map(|(_, record)| (record, true));
    news.chain(gone)
}

/// Both lists are alike, so it mostly stands at the same place.
fn same_ident<'a>(others: &'a [Record], at: usize, record: &Record) -> Option<&'a Record> {
    match others.get(at) {
        Some(other) if other.ident == record.ident => Some(other),
        _ => others.iter().find(|other| other.ident == record.ident),
    }
}
