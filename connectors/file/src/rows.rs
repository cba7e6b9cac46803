//! Rows of a CSV file as JSON objects.
//!
//! Invariant: a row is handed out whole: as an object when it fits the header, as it stands when it does not.

use csv_core::{ReadRecordResult, Reader};

use crate::divide::Piece;

/// Reads rows, the first of which names the columns.
#[derive(Debug)]
pub(crate) struct Rows {
    reader: Reader,
    /// The bytes of all fields of a row, one after the other.
    fields: Vec<u8>,
    /// Where each field ends.
    ends: Vec<usize>,
    /// The names of the columns as members of an object: `"name":`.
    header: Option<Vec<Vec<u8>>>,
    object: Vec<u8>,
}

/// A row that was read.
struct Row {
    n_fields: usize,
    n_bytes: usize,
}

impl Rows {
    pub(crate) fn new() -> Self {
        Self {
            reader: Reader::new(),
            fields: Vec::new(),
            ends: Vec::new(),
            header: None,
            object: Vec::new(),
        }
    }

    pub(crate) fn next<'a>(&'a mut self, bytes: &'a [u8], last: bool) -> Option<Piece<'a>> {
        let row = self.read(bytes, last)?;
        let n_bytes = row.n_bytes;
        let Some(header) = &self.header else {
            self.header = Some(self.names(&row));
            return Some(Piece { value: None, n_bytes });
        };
        if row.n_fields == 0 {
            return Some(Piece { value: None, n_bytes });
        }
        if header.len() == row.n_fields && self.write_object().is_some() {
            return Some(Piece { value: Some(&self.object), n_bytes });
        }
        Some(Piece { value: Some(without_line_ends(&bytes[..n_bytes])), n_bytes })
    }

    /// Reads one row from the start of `bytes`; none when it may go on behind them.
    fn read(&mut self, bytes: &[u8], last: bool) -> Option<Row> {
        self.reader.reset();
        let (mut n_in, mut n_out, mut n_fields) = (0, 0, 0);
        loop {
            let input = &bytes[n_in..];
            let (result, read, written, ended) = self.reader.read_record(
                input,
                &mut self.fields[n_out..],
                &mut self.ends[n_fields..],
            );
            n_in += read;
            n_out += written;
            n_fields += ended;
            match result {
                ReadRecordResult::OutputFull => grow(&mut self.fields),
                ReadRecordResult::OutputEndsFull => grow(&mut self.ends),
                // Told at once that nothing follows, the next call ends the row.
                ReadRecordResult::InputEmpty if last && !bytes.is_empty() => {}
                ReadRecordResult::InputEmpty => return None,
                ReadRecordResult::Record => {
                    return Some(Row { n_fields, n_bytes: whole(bytes, n_in) });
                }
                ReadRecordResult::End => {
                    return (!bytes.is_empty())
                        .then_some(Row { n_fields: 0, n_bytes: bytes.len() });
                }
            }
        }
    }

    fn names(&self, row: &Row) -> Vec<Vec<u8>> {
        let mut from = 0;
        let member = |end: &usize| {
            let name =
                String::from_utf8_lossy(&self.fields[std::mem::replace(&mut from, *end)..*end]);
            let mut member = serde_json::json!(name).to_string().into_bytes();
            member.push(b':');
            member
        };
        self.ends[..row.n_fields].iter().map(member).collect()
    }

    /// Writes the row as an object; none when a field is not UTF-8.
    fn write_object(&mut self) -> Option<()> {
        let header = self.header.as_ref()?;
        self.object.clear();
        let mut from = 0;
        for (name, end) in header.iter().zip(&self.ends) {
            let field = str::from_utf8(&self.fields[from..*end]).ok()?;
            from = *end;
            self.object.push(if self.object.is_empty() { b'{' } else { b',' });
            self.object.extend_from_slice(name);
            serde_json::to_writer(&mut self.object, field).ok()?;
        }
        self.object.push(b'}');
        Some(())
    }
}

/// The row's length with all of its line end: the reader takes `\r` alone for one.
fn whole(bytes: &[u8], n_read: usize) -> usize {
    let is_half = n_read > 0 && bytes[n_read - 1] == b'\r' && bytes.get(n_read) == Some(&b'\n');
    if is_half { n_read + 1 } else { n_read }
}

/// The row alone: blank lines before it are read with it.
fn without_line_ends(row: &[u8]) -> &[u8] {
    let is_part = |byte: &u8| !matches!(byte, b'\r' | b'\n');
    let from = row.iter().position(is_part).unwrap_or_default();
    let to = row.iter().rposition(is_part).map_or(from, |last| last + 1);
    &row[from..to]
}

fn grow<T: Clone + Default>(buffer: &mut Vec<T>) {
    buffer.resize((2 * buffer.len()).max(64), T::default());
}
