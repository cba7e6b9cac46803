//! The envelopes of a batch on the wire.
//!
//! Per run: first record and redelivery count as `u32`, publish time as `i64` ([`NO_TIME`] for none), position of the entry's first
//! record as `u64`, whether there is one as `u32`, lengths of the producer's name and the entry's id as `u32` (`u32::MAX` for none), and
//! both texts. Per ordering key: its length as `u32` (`u32::MAX` for none) and its bytes.

use std::io::{self, Write};

use super::{Damage, Input, len32};
use crate::batch::envelope_column::EnvelopeColumn;
use crate::batch::{EntryId, Envelope, NO_TIME};

const RUN: usize = 4 + 4 + 8 + 8 + 4 + 4 + 4;
const KEY: usize = 4;
const NONE: u32 = u32::MAX;

/// Bytes that [`encode`] writes.
pub(super) fn encoded_len(column: &EnvelopeColumn) -> usize {
    let text_len = |text: Option<&str>| text.map_or(0, str::len);
    let runs = column.runs.iter().map(|run| column.of_run(run));
    let runs: usize = runs
        .map(|run| RUN + text_len(run.producer_name) + text_len(run.entry.map(|entry| entry.text)))
        .sum();
    runs + keys(column).map(|key| KEY + key.map_or(0, <[u8]>::len)).sum::<usize>()
}

fn keys(column: &EnvelopeColumn) -> impl Iterator<Item = Option<&[u8]>> {
    (0..column.keys.len()).map(|index| column.ordering_key(index))
}

/// Writes the runs, then the keys.
pub(super) fn encode(column: &EnvelopeColumn, out: &mut impl Write) -> io::Result<()> {
    for run in &column.runs {
        let Envelope { redelivery_count, publish_time, producer_name, entry } = column.of_run(run);
        let first_position = entry.and_then(|entry| entry.first_position);
        out.write_all(&run.first.to_le_bytes())?;
        out.write_all(&redelivery_count.to_le_bytes())?;
        out.write_all(&publish_time.unwrap_or(NO_TIME).to_le_bytes())?;
        out.write_all(&first_position.unwrap_or(0).to_le_bytes())?;
        out.write_all(&u32::from(first_position.is_some()).to_le_bytes())?;
        let texts = [producer_name, entry.map(|entry| entry.text)];
        for text in texts {
            out.write_all(&text.map_or(Ok(NONE.to_le_bytes()), |text| len32(text.len()))?)?;
        }
        for text in texts.into_iter().flatten() {
            out.write_all(text.as_bytes())?;
        }
    }
    for key in keys(column) {
        out.write_all(&key.map_or(Ok(NONE.to_le_bytes()), |key| len32(key.len()))?)?;
        out.write_all(key.unwrap_or_default())?;
    }
    Ok(())
}

/// Reads them.
pub(super) fn decode(
    input: &mut Input<'_>,
    n_runs: usize,
    n_keys: usize,
    n_records: usize,
) -> Result<EnvelopeColumn, Damage> {
    let mut column = EnvelopeColumn::default();
    let mut before = 0;
    for _ in 0..n_runs {
        let first = input.u32()?;
        if first < before || first as usize > n_records {
            return Err("its envelopes are out of order");
        }
        before = first;
        let envelope = envelope(input)?;
        column.push_run(first, &envelope);
    }
    if n_keys > n_records {
        return Err("it has more ordering keys than records");
    }
    for index in 0..n_keys {
        let len = input.u32()?;
        if len != NONE {
            column.push_key(index, input.take(len as usize)?);
        }
    }
    Ok(column)
}

fn envelope<'a>(input: &mut Input<'a>) -> Result<Envelope<'a>, Damage> {
    let redelivery_count = input.u32()?;
    let publish_time = Some(input.array().map(i64::from_le_bytes)?).filter(|time| *time != NO_TIME);
    let first_position = input.u64()?;
    let first_position = (input.u32()? != 0).then_some(first_position);
    let (producer_len, id_len) = (input.u32()?, input.u32()?);
    let mut text = |len| if len == NONE { Ok(None) } else { input.text(len as usize).map(Some) };
    let (producer_name, id) = (text(producer_len)?, text(id_len)?);
    let entry = id.map(|id| EntryId { text: id, first_position });
    Ok(Envelope { redelivery_count, publish_time, producer_name, entry })
}
