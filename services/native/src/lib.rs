//! The compiled twin of the hot path, for Python (`services/native/__init__.py`).
//!
//! Rule: what it gives is what the Python it stands in for gives, byte for byte; the tests of both are the same, and a test compares them on random logs.

mod alarms;
mod assignments;
mod binary;
mod columns;
mod decode;
mod episode;
mod hours;
mod json;
mod kinds;
mod logins;
mod msgpack;
mod names;
mod publish;
mod records;
mod rules;
mod talk;
mod talks;
mod teams;
mod timeline;
mod times;
mod usage;
mod voice;
mod walk;
mod workspace;

use crate::columns::{page_of, talk_key, Columns};
use crate::msgpack::{Damaged, Reader};
use crate::publish::Facts;
use crate::talks::Row;
use crate::workspace::{AgentEvent, SeatRules};
use hashbrown::HashSet;
use mimalloc::MiMalloc;
use pyo3::buffer::PyBuffer;
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

/// A sixth of a fold was the C library's malloc: talks are many small vectors that come and go.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

extern "C" {
    /// Of mimalloc: what this thread freed goes back to the system.
    fn mi_collect(force: bool);
}

impl From<Damaged> for PyErr {
    fn from(_: Damaged) -> PyErr {
        PyValueError::new_err("the state of a conversation or a workspace cannot be read")
    }
}

create_exception!(quarterhour_native, RowsDamaged, PyValueError, "The columns of a batches message cannot be read.");

fn rows_damaged(_: Damaged) -> PyErr {
    RowsDamaged::new_err("a column of texts cannot be read")
}

/// What facts are made with: `outgoing.OutFact`, and the names of `topics.FACT_TOPICS`.
struct Maker {
    out_fact: Py<PyAny>,
    topics: Vec<Py<PyString>>,
}

impl Maker {
    fn facts<'py>(&self, py: Python<'py>, revision: i64) -> Facts<'py> {
        Facts::new(self.out_fact.bind(py).clone(), self.topics.iter().map(|topic| topic.bind(py).clone()).collect(), revision)
    }
}

/// The conversations and calls of one batches partition: `services.meters.talks.Talks`.
#[pyclass]
struct Talks {
    inner: talks::Talks,
    maker: Maker,
    /// Talks packed since memory was given back.
    packed: usize,
}

/// One of so many talks packed, and what they took unpacked is given back: to look for it costs as much as there are talks, however few were packed.
const GIVE_BACK_OF: usize = 8;

#[pymethods]
impl Talks {
    #[new]
    fn new(
        silence_max_ms: i64,
        end_grace_ms: i64,
        human_timeout_ms: i64,
        call_max_ms: i64,
        lateness_ms: i64,
        out_fact: Py<PyAny>,
        topics: Vec<Py<PyString>>,
    ) -> Talks {
        let rules = rules::Rules { silence_max_ms, end_grace_ms, human_timeout_ms, call_max_ms, lateness_ms };
        Talks { inner: talks::Talks::new(rules), maker: Maker { out_fact, topics }, packed: 0 }
    }

    /// Fold the rows of a message in and wake what falls due: what is to be published, in its order (F4).
    /// Columns as in `batches.Rows`, those of texts as they travel; `unseen`: of each row, 1 where it is not in the state yet.
    #[allow(clippy::too_many_arguments)]
    fn apply<'py>(
        &mut self,
        py: Python<'py>,
        pages: &[u8],
        kinds: &[u8],
        times_ms: &[u8],
        keys: &[u8],
        whos: &[u8],
        message_ids: &[u8],
        unseen: &[u8],
        from_ms: i64,
        to_ms: i64,
        ahead: Vec<u32>,
        revision: i64,
    ) -> PyResult<Bound<'py, PyList>> {
        let count = kinds.len();
        let [mut keys, mut whos, mut message_ids] = [Reader(keys), Reader(whos), Reader(message_ids)];
        let [of_keys, of_whos, of_ids] = [&mut keys, &mut whos, &mut message_ids].map(|column| column.array().map_err(rows_damaged));
        if [pages.len() / 4, times_ms.len() / 8, unseen.len(), of_keys?, of_whos?, of_ids?] != [count; 6] {
            return Err(RowsDamaged::new_err("its columns are of unequal length"));
        }
        let mut rows = Vec::with_capacity(count);
        for row in 0..count {
            let [key, who, message_id] = [keys.text(), whos.text(), message_ids.text()].map(|text| text.map_err(rows_damaged));
            let (key, who, message_id) = (key?, who?, message_id?);
            if unseen[row] != 0 {
                rows.push(Row { page: number::<4>(pages, row) as u32, kind: kinds[row], at_ms: number::<8>(times_ms, row), key, who, message_id });
            }
        }
        let ahead: HashSet<u32> = ahead.into_iter().collect();
        let mut facts = self.maker.facts(py, revision);
        self.inner.apply(rows.into_iter(), from_ms, to_ms, &ahead, &mut facts)?;
        facts.in_order()
    }

    /// T4: drop what no event can change any more; the pages of which so many were let go that all is to be asked for.
    fn sweep(&mut self, least_log_ms: i64) -> PyResult<Vec<u32>> {
        Ok(self.inner.sweep(least_log_ms)?)
    }

    /// Bring the bytes up to date.
    fn flush(&mut self) {
        self.packed += self.inner.flush();
        if self.packed * GIVE_BACK_OF > self.inner.count {
            self.packed = 0;
            // At rest talks are their bytes alone; what they were unpacked would stay with the allocator until it is asked (1.8 kB a live talk instead of 0.7).
            // SAFETY: it may be called at any time, by any thread.
            unsafe { mi_collect(true) };
        }
    }

    /// The talks of a page as of the last `flush`, or those of them that changed since the last call: whoever asks keeps them.
    fn settle<'py>(&mut self, py: Python<'py>, page: u32, whole: bool) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.inner.settle(page, whole).into_iter().map(|bytes| PyBytes::new(py, bytes)))
    }

    /// Pages whose records must be written, but those that are `ahead`.
    fn take_changed(&mut self, ahead: Vec<u32>) -> Vec<u32> {
        self.inner.take_changed(&ahead.into_iter().collect())
    }

    /// Take a page's talks from its record.
    fn load(&mut self, page: u32, unsettled: Vec<Bound<'_, PyBytes>>, settled: Vec<Bound<'_, PyBytes>>, published_ms: i64) -> PyResult<()> {
        for (talks, settled) in [(unsettled, false), (settled, true)] {
            for bytes in talks {
                self.inner.load(page, bytes.as_bytes(), settled, published_ms)?;
            }
        }
        Ok(())
    }

    /// How many talks are kept.
    #[getter]
    fn count(&self) -> usize {
        self.inner.count
    }
}

/// The workspaces of one batches partition: `services.meters.teams.Teams`.
#[pyclass]
struct Teams {
    inner: teams::Teams,
    maker: Maker,
}

#[pymethods]
impl Teams {
    #[new]
    fn new(login_timeout_ms: i64, lateness_ms: i64, out_fact: Py<PyAny>, topics: Vec<Py<PyString>>) -> Teams {
        Teams { inner: teams::Teams::new(SeatRules { login_timeout_ms, lateness_ms }), maker: Maker { out_fact, topics } }
    }

    /// Fold (page, `Event`) in and wake what falls due: what is to be published, in its order (F4).
    fn apply<'py>(
        &mut self,
        py: Python<'py>,
        events: Vec<(u32, Bound<'py, PyAny>)>,
        from_ms: i64,
        to_ms: i64,
        ahead: Vec<u32>,
        revision: i64,
    ) -> PyResult<Bound<'py, PyList>> {
        let heard = events.iter().map(|(page, event)| Ok((*page, Heard::of(event)?))).collect::<PyResult<Vec<_>>>()?;
        let rows = heard.iter().map(|(page, heard)| Ok((*page, heard.workspace_id.to_str()?, heard.event()?))).collect::<PyResult<Vec<_>>>()?;
        let mut facts = self.maker.facts(py, revision);
        self.inner.apply(rows, from_ms, to_ms, &ahead.into_iter().collect(), &mut facts);
        facts.in_order()
    }

    /// T4: drop what no event can change any more.
    fn sweep(&mut self, least_log_ms: i64, watermark_ms: i64) {
        self.inner.sweep(least_log_ms, watermark_ms);
    }

    /// Pages whose records must be written, but those that are `ahead`.
    fn take_changed(&mut self, ahead: Vec<u32>) -> Vec<u32> {
        self.inner.take_changed(&ahead.into_iter().collect())
    }

    /// The workspaces of a page, by id.
    fn states_of<'py>(&mut self, py: Python<'py>, page: u32) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.inner.states_of(page).iter().map(|bytes| PyBytes::new(py, bytes)))
    }

    /// Take a workspace of a page from its record.
    fn load(&mut self, page: u32, state: &[u8], published_ms: i64) -> PyResult<()> {
        Ok(self.inner.load(page, state, published_ms)?)
    }
}

/// What of an `Event` is Python's, kept while its texts are borrowed.
struct Heard<'py> {
    kind: u8,
    at_ms: i64,
    workspace_id: Bound<'py, PyString>,
    app_id: Bound<'py, PyString>,
    subject: Bound<'py, PyString>,
    agent_id: Bound<'py, PyString>,
    app_ids: Vec<Bound<'py, PyString>>,
}

impl<'py> Heard<'py> {
    fn of(event: &Bound<'py, PyAny>) -> PyResult<Heard<'py>> {
        let py = event.py();
        Ok(Heard {
            kind: event.getattr(intern!(py, "kind"))?.extract()?,
            at_ms: event.getattr(intern!(py, "time_ms"))?.extract()?,
            workspace_id: event.getattr(intern!(py, "workspace_id"))?.extract()?,
            app_id: event.getattr(intern!(py, "app_id"))?.extract()?,
            subject: event.getattr(intern!(py, "subject"))?.extract()?,
            agent_id: event.getattr(intern!(py, "agent_id"))?.extract()?,
            app_ids: event.getattr(intern!(py, "app_ids"))?.extract()?,
        })
    }

    fn event(&self) -> PyResult<AgentEvent<'_>> {
        Ok(AgentEvent {
            kind: self.kind,
            at_ms: self.at_ms,
            app_id: self.app_id.to_str()?,
            subject: self.subject.to_str()?,
            agent_id: self.agent_id.to_str()?,
            app_ids: self.app_ids.iter().map(|app| app.to_str()).collect::<PyResult<_>>()?,
        })
    }
}

/// The rows of one poll by batches partition: `services.ingest.rows.Columns`.
#[pyclass]
struct Poll {
    columns: Vec<Columns>,
    pages: u32,
    lateness_ms: i64,
}

#[pymethods]
impl Poll {
    #[new]
    fn new(partitions: usize, pages: u32, lateness_ms: i64) -> Poll {
        Poll { columns: (0..partitions).map(|_| Columns::default()).collect(), pages, lateness_ms }
    }

    /// Records of one raw partition, (offset, log time, value) each: (how many became rows, the greatest event time of them).
    ///
    /// What is not plain goes to `judge(offset, log_ms, value, accepted so far)`: None when no row comes of it, else (page, kind, time, key, who,
    /// message id, event), the event None for conversations and calls.
    fn add_run<'py>(&mut self, records: &Bound<'py, PyList>, judge: &Bound<'py, PyAny>) -> PyResult<(usize, Option<i64>)> {
        let mut key = String::new();
        let (mut accepted, mut newest_ms) = (0, None);
        for record in records.iter() {
            let record = record.downcast_into::<PyTuple>()?;
            let (offset, log_ms): (i64, i64) = (record.get_item(0)?.extract()?, record.get_item(1)?.extract()?);
            let value = record.get_item(2)?;
            let plain = match value.downcast::<PyBytes>() {
                Ok(value) => decode::decode(value.as_bytes(), log_ms, self.lateness_ms),
                Err(_) => None,
            };
            let time_ms = if let Some(event) = plain {
                talk_key(&mut key, &event);
                let page = page_of(&key, self.pages);
                self.of(page).plain(offset, page, &key, &event);
                event.time_ms
            } else {
                let found = judge.call1((offset, log_ms, &value, accepted))?;
                if found.is_none() {
                    continue;
                }
                self.judged(offset, &found)?
            };
            accepted += 1;
            newest_ms = newest_ms.max(Some(time_ms));
        }
        Ok((accepted, newest_ms))
    }

    /// Rows so far, of each partition.
    fn counts(&self) -> Vec<usize> {
        self.columns.iter().map(Columns::rows).collect()
    }

    /// The columns of each partition, of `batches.Rows`; the next poll begins empty.
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let taken: PyResult<Vec<_>> = self.columns.iter_mut().map(|columns| std::mem::take(columns).take(py)?.into_pyobject(py)).collect();
        PyList::new(py, taken?)
    }
}

impl Poll {
    fn of(&mut self, page: u32) -> &mut Columns {
        let partitions = self.columns.len() as u32;
        &mut self.columns[(page % partitions) as usize]
    }

    fn judged(&mut self, offset: i64, found: &Bound<'_, PyAny>) -> PyResult<i64> {
        type Judged<'py> = (u32, u8, i64, Bound<'py, PyString>, Bound<'py, PyString>, Bound<'py, PyString>, Option<Py<PyAny>>);
        let (page, kind, time_ms, key, who, message_id, event): Judged = found.extract()?;
        match event {
            None => self.of(page).talk(offset, page, kind, time_ms, [key.to_str()?, who.to_str()?, message_id.to_str()?]),
            Some(event) => self.of(page).whole(offset, page, kind, time_ms, event),
        }
        Ok(time_ms)
    }
}

/// The event times of lines, where they are told plainly: `services.cli.heads.read_time`. None is left to Python.
#[pyfunction]
fn event_times(lines: Vec<Bound<'_, PyBytes>>) -> Vec<Option<i64>> {
    lines.iter().map(|line| decode::time_of(line.as_bytes())).collect()
}

/// Facts of one topic as RowBinary of its table, `columns` its (name, ClickHouse type); None: one of them is left to Python.
#[pyfunction]
fn row_binary<'py>(py: Python<'py>, values: &Bound<'py, PyList>, columns: Vec<(String, String)>) -> Option<Bound<'py, PyBytes>> {
    let columns: Option<Vec<_>> = columns.into_iter().map(|(name, kind)| Some((name, binary::Kind::of(&kind)?))).collect();
    let columns = columns?;
    let mut out = Vec::with_capacity(values.len() * 320);
    for value in values.iter() {
        binary::append(&mut out, value.downcast::<PyBytes>().ok()?.as_bytes(), &columns)?;
    }
    Some(PyBytes::new(py, &out))
}

/// `zlib.crc32` of bytes that follow those of which `before` is the checksum.
#[pyfunction]
fn crc32(py: Python<'_>, bytes: PyBuffer<u8>, before: u32) -> PyResult<u32> {
    let cells = bytes.as_slice(py).ok_or_else(|| PyValueError::new_err("the bytes do not lie side by side"))?;
    // SAFETY: a cell that is only read is laid out as its byte is, and what is checked here is immutable: parts of `bytes`.
    let bytes = unsafe { std::slice::from_raw_parts(cells.as_ptr().cast::<u8>(), cells.len()) };
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(bytes);
    Ok(hasher.finalize())
}

/// Number `row` of a little-endian column whose numbers are `N` bytes wide; shorter ones have no sign.
fn number<const N: usize>(column: &[u8], row: usize) -> i64 {
    let mut bytes = [0; 8];
    bytes[..N].copy_from_slice(&column[row * N..(row + 1) * N]);
    i64::from_le_bytes(bytes)
}

#[pymodule]
fn quarterhour_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(event_times, module)?)?;
    module.add_function(wrap_pyfunction!(row_binary, module)?)?;
    module.add_function(wrap_pyfunction!(crc32, module)?)?;
    module.add("RowsDamaged", module.py().get_type::<RowsDamaged>())?;
    module.add_class::<Poll>()?;
    module.add_class::<Talks>()?;
    module.add_class::<Teams>()
}
