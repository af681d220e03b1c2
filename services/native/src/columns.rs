//! The rows of one poll, in the columns of `services/events/batches.py`, `Rows`: one set for each batches partition. The twin of `services/ingest/rows.py`.

use crate::decode::Plain;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

/// Texts one after another, without an allocation each.
#[derive(Default)]
struct Texts {
    all: String,
    ends: Vec<usize>,
}

impl Texts {
    fn end(&mut self) {
        self.ends.push(self.all.len());
    }

    fn push(&mut self, text: &str) {
        self.all.push_str(text);
        self.end();
    }

    fn list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        PyList::new(py, begins.zip(&self.ends).map(|(begin, &end)| PyString::new(py, &self.all[begin..end])).collect::<Vec<_>>())
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
}

impl Columns {
    pub fn rows(&self) -> usize {
        self.kinds.len()
    }

    pub fn plain(&mut self, offset: i64, page: u32, key: &str, event: &Plain) {
        self.head(offset, page, event.kind, event.time_ms);
        self.keys.push(key);
        if let Some([channel, kore_user_id, channel_user_id]) = event.who {
            for text in [channel, kore_user_id] {
                push_length(&mut self.whos.all, text);
            }
            for text in [channel, kore_user_id, channel_user_id] {
                self.whos.all.push_str(text);
            }
        }
        self.whos.end();
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

    /// (offsets, pages, kinds, times, keys, whos, message ids, events).
    #[allow(clippy::type_complexity)]
    pub fn take<'py>(
        self,
        py: Python<'py>,
    ) -> PyResult<(
        Bound<'py, PyBytes>,
        Bound<'py, PyBytes>,
        Bound<'py, PyBytes>,
        Bound<'py, PyBytes>,
        Bound<'py, PyList>,
        Bound<'py, PyList>,
        Bound<'py, PyList>,
        Bound<'py, PyList>,
    )> {
        let bytes = |column: &[u8]| PyBytes::new(py, column);
        let (keys, whos, message_ids) = (self.keys.list(py)?, self.whos.list(py)?, self.message_ids.list(py)?);
        let events = PyList::new(py, self.events)?;
        Ok((bytes(&self.offsets), bytes(&self.pages), bytes(&self.kinds), bytes(&self.times_ms), keys, whos, message_ids, events))
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
