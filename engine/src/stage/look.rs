//! Stages that look at whole records, whether these lie in a batch already or are written by the stage before.
//!
//! Invariant: a record written for a stage to look at has the position, the origin and the envelope of the record it came from.

use super::emit::{Cx, EmitRecord, Failure};
use crate::batch::{Record, RecordBatch, RecordWriter};

/// What a stage does with one record.
pub trait Look {
    /// One record.
    fn look(&mut self, cx: Cx<'_>, record: Record<'_>);
    /// One failure; stages pass it on unchanged.
    fn err(&mut self, cx: Cx<'_>, failure: Failure);
}

/// The emitter of a stage that looks at records. What the stage before writes goes through a batch for one record.
#[derive(Debug)]
pub struct Looking<'e, L> {
    stage: L,
    scratch: &'e mut RecordBatch,
}

impl<'e, L: Look> Looking<'e, L> {
    /// An emitter for `stage`, which keeps `scratch` from batch to batch.
    #[inline(always)]
    pub fn new(stage: L, scratch: &'e mut RecordBatch) -> Self {
        Self { stage, scratch }
    }
}

impl<L: Look> EmitRecord for Looking<'_, L> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, record: Record<'_>) {
        self.stage.look(cx, record);
    }

    fn write<W: FnOnce(&mut RecordWriter<'_>) -> Result<(), Failure>>(
        &mut self,
        cx: Cx<'_>,
        write: W,
    ) {
        let run = cx.record().and_then(Record::run);
        self.scratch.restart(run.map(|run| &run.origin));
        if let Some(record) = cx.record() {
            self.scratch.continue_envelope(record);
        }
        let mut writer = self.scratch.writer();
        if let Some(record) = cx.record() {
            writer.position(record.position());
        }
        match write(&mut writer) {
            Ok(()) => writer.finish(),
            Err(failure) => {
                drop(writer);
                return self.stage.err(cx, failure);
            }
        }
        if let Some(record) = self.scratch.get(0) {
            self.stage.look(cx, record);
        }
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.stage.err(cx, failure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{NO_TIME, Origin};

    #[derive(Default)]
    struct Seen(Vec<(u64, u32, Vec<u8>)>);

    impl Look for &mut Seen {
        fn look(&mut self, _: Cx<'_>, record: Record<'_>) {
            self.0.push((record.position(), record.partition(), record.value_or_empty().to_vec()));
        }

        fn err(&mut self, _: Cx<'_>, _: Failure) {}
    }

    #[test]
    fn written_record_keeps_position_and_origin() {
        let mut batch = RecordBatch::default();
        for partition in 3..5 {
            batch.set_origin(&Origin::new("test", "t", partition));
            batch.push(None, Some(b"in"), NO_TIME, u64::from(partition) * 10);
        }
        let (mut seen, mut scratch) = (Seen::default(), RecordBatch::default());
        let mut out = Looking::new(&mut seen, &mut scratch);
        for record in batch.iter() {
            out.write(Cx::of(record), |writer| {
                writer.value(b"out");
                Ok(())
            });
        }
        out.write(Cx::NONE, |_| Ok(()));
        let expected = [(30, 3, b"out".to_vec()), (40, 4, b"out".to_vec()), (0, 0, Vec::new())];
        assert_eq!(seen.0, expected);
    }
}
