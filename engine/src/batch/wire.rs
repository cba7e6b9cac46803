//! The compact form in which record batches travel between processes. Nothing durable is written in it.
//!
//! Little endian, padded with zeros to a multiple of eight bytes: number of records and of runs as `u32`, bytes of all records
//! and time of ingest as `u64`, number of topics' names, of destinations, of runs of envelopes and of ordering keys as `u32`; per record
//! the lengths of key, value and headers as `u32` (`u32::MAX` for none), time as `i64` and position as `u64`; per run first record,
//! partition, lengths of connector and topic as `u32`, then both texts; per name its length as `u32` and the text; per destination the
//! number of the name and the partition as `u32` (`u32::MAX` for none); the envelopes, see `envelopes.rs`; the bytes.
//! Invariant: records lie gapless on the wire, so no length read from it can point outside.

mod envelopes;

use std::io::{self, Write};

use super::destination_column::{DestinationColumn, Mark, NONE};
use super::{Entry, Origin, RecordBatch, Run};

const HEAD: usize = 4 + 4 + 8 + 8 + 4 + 4 + 4 + 4;
const ENTRY: usize = 4 + 4 + 4 + 8 + 8;
const RUN: usize = 4 + 4 + 4 + 4;
const NAME: usize = 4;
const MARK: usize = 4 + 4;

/// Bytes that [`encode`] writes.
pub(super) fn encoded_len(batch: &RecordBatch) -> usize {
    unpadded_len(batch).next_multiple_of(8)
}

fn unpadded_len(batch: &RecordBatch) -> usize {
    let runs: usize = batch.runs.iter().map(run_len).sum();
    let column = batch.destinations.as_deref().map_or(0, column_len);
    let envelopes = batch.envelopes.as_deref().map_or(0, envelopes::encoded_len);
    HEAD + batch.len() * ENTRY + runs + column + envelopes + record_bytes(batch)
}

fn run_len(run: &Run) -> usize {
    RUN + run.origin.connector.len() + run.origin.topic.len()
}

fn column_len(column: &DestinationColumn) -> usize {
    let names: usize = column.names.iter().map(|name| NAME + name.len()).sum();
    names + column.marks.len() * MARK
}

/// Bytes of the records: less than the arena where records were filtered out.
fn record_bytes(batch: &RecordBatch) -> usize {
    batch.iter().map(|record| record.bytes().len()).sum()
}

/// Writes a batch.
pub(super) fn encode(batch: &RecordBatch, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&len32(batch.len())?)?;
    out.write_all(&len32(batch.runs.len())?)?;
    out.write_all(&(record_bytes(batch) as u64).to_le_bytes())?;
    out.write_all(&batch.ingest_micros.to_le_bytes())?;
    let (n_names, n_marks) = batch
        .destinations
        .as_ref()
        .map_or((0, 0), |column| (column.names.len(), column.marks.len()));
    out.write_all(&len32(n_names)?)?;
    out.write_all(&len32(n_marks)?)?;
    let (n_envelopes, n_keys) =
        batch.envelopes.as_ref().map_or((0, 0), |column| (column.runs.len(), column.keys.len()));
    out.write_all(&len32(n_envelopes)?)?;
    out.write_all(&len32(n_keys)?)?;
    for entry in &batch.entries {
        out.write_all(&entry.key_len.to_le_bytes())?;
        out.write_all(&entry.value_len.to_le_bytes())?;
        out.write_all(&entry.headers_len.to_le_bytes())?;
        out.write_all(&entry.time.to_le_bytes())?;
        out.write_all(&entry.position.to_le_bytes())?;
    }
    for Run { first, origin } in &batch.runs {
        out.write_all(&first.to_le_bytes())?;
        out.write_all(&origin.partition.to_le_bytes())?;
        out.write_all(&len32(origin.connector.len())?)?;
        out.write_all(&len32(origin.topic.len())?)?;
        out.write_all(origin.connector.as_bytes())?;
        out.write_all(origin.topic.as_bytes())?;
    }
    if let Some(column) = &batch.destinations {
        encode_column(column, out)?;
    }
    if let Some(column) = &batch.envelopes {
        envelopes::encode(column, out)?;
    }
    for record in batch.iter() {
        out.write_all(record.bytes())?;
    }
    let padding = encoded_len(batch) - unpadded_len(batch);
    out.write_all(&[0; 8][..padding])
}

fn encode_column(column: &DestinationColumn, out: &mut impl Write) -> io::Result<()> {
    for name in column.names.iter() {
        out.write_all(&len32(name.len())?)?;
        out.write_all(name.as_bytes())?;
    }
    for Mark { topic, partition } in &column.marks {
        out.write_all(&topic.to_le_bytes())?;
        out.write_all(&partition.to_le_bytes())?;
    }
    Ok(())
}

fn len32(len: usize) -> io::Result<[u8; 4]> {
    u32::try_from(len).map(u32::to_le_bytes).map_err(io::Error::other)
}

/// What is wrong with bytes that are no batch.
pub(super) type Damage = &'static str;

/// Reads a batch. Every length is checked against the bytes that are there before anything is allocated for it.
pub(super) fn decode(bytes: &[u8]) -> Result<RecordBatch, Damage> {
    let mut input = Input(bytes);
    let (n_records, n_runs) = (input.u32()? as usize, input.u32()? as usize);
    let n_bytes = usize::try_from(input.u64()?).map_err(|_too_large| "it is too large")?;
    let mut batch = RecordBatch { ingest_micros: input.u64()?, ..RecordBatch::default() };
    let (n_names, n_marks) = (input.u32()? as usize, input.u32()? as usize);
    let (n_envelopes, n_keys) = (input.u32()? as usize, input.u32()? as usize);
    input.has(n_records.checked_mul(ENTRY))?;
    batch.entries.reserve_exact(n_records);
    let mut end = 0;
    for _ in 0..n_records {
        let entry = input.entry(end)?;
        end = entry.checked_end().ok_or("its records pass 4 GiB")?;
        batch.entries.push(entry);
    }
    if end as usize != n_bytes {
        return Err("the lengths of its records do not add up");
    }
    batch.runs = input.runs(n_runs, n_records)?;
    if n_names > 0 || n_marks > 0 {
        batch.destinations = Some(Box::new(input.column(n_names, n_marks, n_records)?));
    }
    if n_envelopes > 0 || n_keys > 0 {
        let column = envelopes::decode(&mut input, n_envelopes, n_keys, n_records)?;
        batch.envelopes = Some(Box::new(column));
    }
    batch.arena.extend_from_slice(input.take(n_bytes)?);
    if input.0.len() >= 8 || input.0.iter().any(|byte| *byte != 0) {
        return Err("bytes follow it");
    }
    Ok(batch)
}

impl Entry {
    /// Where the record ends in the arena; none beyond 4 GiB.
    fn checked_end(self) -> Option<u32> {
        let len = self.key_bytes() + self.value_bytes() + self.headers_len as usize;
        self.offset.checked_add(u32::try_from(len).ok()?).filter(|end| *end < u32::MAX)
    }
}

/// What is not read yet.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn has(&self, n: Option<usize>) -> Result<(), Damage> {
        match n {
            Some(n) if n <= self.0.len() => Ok(()),
            _ => Err("it is cut short"),
        }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or("it is cut short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (taken, rest) = self.0.split_first_chunk().ok_or("it is cut short")?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, Damage> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Damage> {
        self.array().map(u64::from_le_bytes)
    }

    fn entry(&mut self, offset: u32) -> Result<Entry, Damage> {
        Ok(Entry {
            offset,
            key_len: self.u32()?,
            value_len: self.u32()?,
            headers_len: self.u32()?,
            time: self.array().map(i64::from_le_bytes)?,
            position: self.u64()?,
        })
    }

    fn text(&mut self, len: usize) -> Result<&'a str, Damage> {
        std::str::from_utf8(self.take(len)?).map_err(|_not_text| "a name in it is not UTF-8")
    }

    fn runs(&mut self, n_runs: usize, n_records: usize) -> Result<Vec<Run>, Damage> {
        self.has(n_runs.checked_mul(RUN))?;
        let mut runs = Vec::with_capacity(n_runs);
        for _ in 0..n_runs {
            let run = self.run()?;
            let before = runs.last().map_or(0, |last: &Run| last.first);
            if run.first < before || run.first as usize > n_records {
                return Err("its runs of origins are out of order");
            }
            runs.push(run);
        }
        Ok(runs)
    }

    fn run(&mut self) -> Result<Run, Damage> {
        let (first, partition) = (self.u32()?, self.u32()?);
        let (connector_len, topic_len) = (self.u32()? as usize, self.u32()? as usize);
        let origin = Origin::new(self.text(connector_len)?, self.text(topic_len)?, partition);
        Ok(Run { first, origin })
    }

    fn column(
        &mut self,
        n_names: usize,
        n_marks: usize,
        n_records: usize,
    ) -> Result<DestinationColumn, Damage> {
        let mut column = DestinationColumn::default();
        for number in 0..n_names {
            let len = self.u32()? as usize;
            if column.names.add(self.text(len)?) as usize != number {
                return Err("a topic is named twice in it");
            }
        }
        self.has(n_marks.checked_mul(MARK))?;
        column.marks.reserve_exact(n_marks);
        for _ in 0..n_marks {
            let mark = Mark { topic: self.u32()?, partition: self.u32()? };
            if mark.topic != NONE && mark.topic as usize >= n_names {
                return Err("a destination in it has no name");
            }
            column.marks.push(mark);
        }
        if n_marks > n_records {
            return Err("it has more destinations than records");
        }
        Ok(column)
    }
}

#[cfg(test)]
mod tests;
