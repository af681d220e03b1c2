//! Several short texts as one: the twin of `services/events/keys.py`. Lengths count characters, a character each in front.

/// Split off a text of `count` characters.
fn split_at_char(text: &str, count: usize) -> (&str, &str) {
    if text.is_ascii() {
        return text.split_at(count);
    }
    let at = text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    text.split_at(at)
}

/// (workspace, app, conversation or call) of a `talk_key`.
pub fn split_key(key: &str) -> (&str, &str, &str) {
    let mut chars = key.chars();
    chars.next();
    let workspace = chars.next().map_or(0, |c| c as usize);
    let app = chars.next().map_or(0, |c| c as usize);
    let (workspace_id, rest) = split_at_char(chars.as_str(), workspace);
    let (app_id, subject) = split_at_char(rest, app);
    (workspace_id, app_id, subject)
}

pub type Who<'a> = [&'a str; 3];
pub const NOBODY: Who = ["", "", ""];

/// [channel, kore_user_id, channel_user_id] of a `who_text`.
pub fn split_who(who: &str) -> Who<'_> {
    let mut chars = who.chars();
    let Some(channel) = chars.next() else { return NOBODY };
    let kore = chars.next().map_or(0, |c| c as usize);
    let (channel_text, rest) = split_at_char(chars.as_str(), channel as usize);
    let (kore_text, channel_user) = split_at_char(rest, kore);
    [channel_text, kore_text, channel_user]
}
