//! What an event says, as one small number: `services/events/event.py`, `Kind`. Part of the batches format.

pub const STARTED_BY_USER: u8 = 0;
pub const STARTED_BY_BOT: u8 = 1;
pub const MESSAGE_BY_USER: u8 = 2;
pub const MESSAGE_BY_BOT: u8 = 3;
pub const MESSAGE_BY_AGENT: u8 = 4;
pub const TRANSFERRED: u8 = 5;
pub const RETURNED: u8 = 6;
pub const ENDED_BY_USER: u8 = 7;
pub const ENDED_BY_BOT: u8 = 8;
pub const ENDED_BY_AGENT: u8 = 9;
pub const ENDED_IDLE: u8 = 10;
pub const VOICE_STARTED: u8 = 11;
pub const VOICE_PROGRESS: u8 = 12;
pub const VOICE_ENDED: u8 = 13;
pub const FIRST_ALERT: u8 = 14;
pub const LOGGED_IN: u8 = 16;
pub const ASSIGNED: u8 = 18;
pub const UNASSIGNED: u8 = 19;

/// Only their hour is kept, they are no rows (`talk.UNKEPT`).
pub fn is_unkept(kind: u8) -> bool {
    matches!(kind, STARTED_BY_BOT | MESSAGE_BY_BOT | MESSAGE_BY_AGENT)
}

pub fn is_end(kind: u8) -> bool {
    matches!(kind, ENDED_BY_USER..=ENDED_IDLE | VOICE_ENDED)
}

pub fn is_mark(kind: u8) -> bool {
    matches!(kind, TRANSFERRED | RETURNED)
}

/// Of the user (SPEC §4).
pub fn is_sign(kind: u8) -> bool {
    matches!(kind, STARTED_BY_USER | MESSAGE_BY_USER | TRANSFERRED)
}

/// What comes again and again inside a session.
pub fn is_repeated(kind: u8) -> bool {
    matches!(kind, MESSAGE_BY_USER | VOICE_PROGRESS)
}

/// C1: the word for what closed an episode.
pub fn end_reason(kind: u8) -> &'static str {
    match kind {
        ENDED_BY_USER => "user",
        ENDED_BY_BOT => "bot",
        ENDED_BY_AGENT => "agent",
        _ => "idle",
    }
}
