//! The rows of one poll, in the columns of `services/events/batches.py`, `Rows`: one set for each batches partition. The twin of `services/ingest/rows.py`.

use crate::decode::Plain;
use crate::msgpack::Writer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// A column of texts: what follows the head of their array.
#[derive(Default)]
struct Texts {
    packed: Writer,
    count: usize,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.packed.text(text);
        self.count += 1;
    }

    /// `batches.pack_texts`.
    fn bytes(&self) -> Vec<u8> {
        let mut whole = Writer::default();
        whole.array(self.count);
        whole.0.extend_from_slice(&self.packed.0);
        whole.0
    }
}

#[derive(Default)]
pub struct Columns {
    offsets: Vec<u8>,
    pages: Vec<u8>,
    kinds: Vec<u8>,
    times_ms: Vec<u8>,
    keys: Texts,
    whos: Texts,
    message_ids: Texts,
    events: Vec<Py<PyAny>>,
    who: String,
}

/// A poll's rows of one partition: numbers (offsets, pages, kinds, times), texts (keys, whos, message ids), events.
type Taken<'py> = ([Bound<'py, PyBytes>; 4], [Bound<'py, PyBytes>; 3], Bound<'py, PyList>);

impl Columns {
    pub fn rows(&self) -> usize {
        self.kinds.len()
    }

    pub fn plain(&mut self, offset: i64, page: u32, key: &str, event: &Plain) {
        self.head(offset, page, event.kind, event.time_ms);
        self.keys.push(key);
        self.who.clear();
        if let Some([channel, kore_user_id, channel_user_id]) = event.who {
            for text in [channel, kore_user_id] {
                push_length(&mut self.who, text);
            }
            for text in [channel, kore_user_id, channel_user_id] {
                self.who.push_str(text);
            }
        }
        self.whos.push(&self.who);
        self.message_ids.push(event.message_id);
    }

    /// What Python has decoded.
    pub fn talk(&mut self, offset: i64, page: u32, kind: u8, time_ms: i64, [key, who, message_id]: [&str; 3]) {
        self.head(offset, page, kind, time_ms);
        self.keys.push(key);
        self.whos.push(who);
        self.message_ids.push(message_id);
    }

    /// An alert's or agent's event, which travels whole.
    pub fn whole(&mut self, offset: i64, page: u32, kind: u8, time_ms: i64, event: Py<PyAny>) {
        self.talk(offset, page, kind, time_ms, [""; 3]);
        self.events.push(event);
    }

    pub fn take<'py>(self, py: Python<'py>) -> PyResult<Taken<'py>> {
        let numbers = [self.offsets, self.pages, self.kinds, self.times_ms].map(|column| PyBytes::new(py, &column));
        let texts = [self.keys, self.whos, self.message_ids].map(|column| PyBytes::new(py, &column.bytes()));
        Ok((numbers, texts, PyList::new(py, self.events)?))
    }

    fn head(&mut self, offset: i64, page: u32, kind: u8, time_ms: i64) {
        self.offsets.extend_from_slice(&offset.to_le_bytes());
        self.pages.extend_from_slice(&page.to_le_bytes());
        self.kinds.push(kind);
        self.times_ms.extend_from_slice(&time_ms.to_le_bytes());
    }
}

/// `keys.talk_key`, into a buffer that is used again.
pub fn talk_key(out: &mut String, event: &Plain) {
    out.clear();
    out.push(event.meter);
    for text in [event.workspace_id, event.app_id] {
        push_length(out, text);
    }
    for text in [event.workspace_id, event.app_id, event.subject] {
        out.push_str(text);
    }
}

pub fn page_of(key: &str, pages: u32) -> u32 {
    crc32fast::hash(key.as_bytes()) % pages
}

/// A length in characters, as a character.
fn push_length(out: &mut String, text: &str) {
    let length = if text.is_ascii() { text.len() } else { text.chars().count() };
    out.push(char::from_u32(length as u32).unwrap_or('\0'));
}
