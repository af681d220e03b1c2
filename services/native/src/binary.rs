//! Facts as JSON to rows of ClickHouse's RowBinary. The twin of `services/sink/rows.py` and `arrow.py`: the same values, another wire form.
//!
//! Facts are written by us with their fields in the order of the table's columns; one that is not like that is left to Python, which says what is wrong.

use crate::json::Json;
use crate::times::parse_ms;

const INSTANT_LENGTH: usize = 24;

/// What a column holds.
#[derive(Clone, Copy)]
pub enum Kind {
    Text,
    Instant,
    InstantOrNull,
    UInt32,
    UInt64,
    Int32,
    Texts,
    Counts,
}

impl Kind {
    /// By the name of ClickHouse's type.
    pub fn of(name: &str) -> Option<Kind> {
        Some(match name {
            "String" | "LowCardinality(String)" => Kind::Text,
            "DateTime64(3, 'UTC')" => Kind::Instant,
            "Nullable(DateTime64(3, 'UTC'))" => Kind::InstantOrNull,
            "UInt32" => Kind::UInt32,
            "UInt64" => Kind::UInt64,
            "Int32" => Kind::Int32,
            "Array(String)" => Kind::Texts,
            "Map(String, UInt64)" => Kind::Counts,
            _ => return None,
        })
    }
}

pub type Column = (String, Kind);

/// Append the row of a fact; `None`: left to Python, and `out` is not whole.
pub fn append(out: &mut Vec<u8>, value: &[u8], columns: &[Column]) -> Option<()> {
    let mut json = Json::new(std::str::from_utf8(value).ok()?);
    let mut rest = columns.iter();
    json.object(|json, name| {
        let (wanted, kind) = rest.next()?;
        if name == wanted {
            field(out, json, *kind)
        } else {
            None
        }
    })?;
    (rest.next().is_none() && json.is_at_end()).then_some(())
}

fn field(out: &mut Vec<u8>, json: &mut Json, kind: Kind) -> Option<()> {
    match kind {
        Kind::Text => text(out, json),
        Kind::Instant => instant(out, json),
        Kind::InstantOrNull if json.peek()? == b'n' => {
            out.push(1);
            json.word("null")
        }
        Kind::InstantOrNull => {
            out.push(0);
            instant(out, json)
        }
        Kind::UInt32 => put(out, &u32::try_from(json.integer()?).ok()?.to_le_bytes()),
        Kind::UInt64 => count(out, json),
        Kind::Int32 => put(out, &i32::try_from(json.integer()?).ok()?.to_le_bytes()),
        Kind::Texts => texts(out, json),
        Kind::Counts => counts(out, json),
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend_from_slice(bytes);
    Some(())
}

fn count(out: &mut Vec<u8>, json: &mut Json) -> Option<()> {
    put(out, &u64::try_from(json.integer()?).ok()?.to_le_bytes())
}

fn instant(out: &mut Vec<u8>, json: &mut Json) -> Option<()> {
    json.peek()?;
    let text = json.string().filter(|text| text.len() == INSTANT_LENGTH && text.ends_with('Z'))?;
    put(out, &parse_ms(text.as_bytes())?.to_le_bytes())
}

/// The length comes first, and is known last: most are shorter than 128 bytes, so one byte is held free.
fn text(out: &mut Vec<u8>, json: &mut Json) -> Option<()> {
    let at = out.len();
    out.push(0);
    json.peek()?;
    json.escaped(out)?;
    set_length(out, at);
    Some(())
}

fn set_length(out: &mut Vec<u8>, at: usize) {
    let length = out.len() - at - 1;
    if length < 0x80 {
        out[at] = length as u8;
        return;
    }
    let mut bytes = Vec::with_capacity(4);
    varint(&mut bytes, length);
    out.splice(at..=at, bytes);
}

fn texts(out: &mut Vec<u8>, json: &mut Json) -> Option<()> {
    let mut items = Vec::new();
    let mut number = 0;
    json.items(|json| {
        number += 1;
        text(&mut items, json)
    })?;
    varint(out, number);
    put(out, &items)
}

fn counts(out: &mut Vec<u8>, json: &mut Json) -> Option<()> {
    let mut items = Vec::new();
    let mut number = 0;
    json.peek()?;
    json.object(|json, name| {
        number += 1;
        varint(&mut items, name.len());
        items.extend_from_slice(name.as_bytes());
        count(&mut items, json)
    })?;
    varint(out, number);
    put(out, &items)
}

fn varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
