//! The end of a chain: items into containers, records into arenas, failures to their streams.
//!
//! Invariant: a container under construction never outlives the batch it was made from, so it never outlives its epoch.

use super::StepId;
use super::emit::{Cx, Emit, EmitRecord, Failure};
use super::item_batch::ItemBatch;
use super::panic::guard;
use crate::batch::{BATCH_BYTES, Record, RecordBatch, RecordWriter, Run};
use crate::flow::{Pool, Ports};

/// Bytes of a container of items: 32 KiB lies between the cost of small containers and that of cold ones.
const ITEM_BYTES: usize = 32 << 10;

/// Items a container is made for; at least one.
pub(crate) fn item_capacity<T>() -> usize {
    (ITEM_BYTES / size_of::<T>().max(1)).max(1)
}

/// Collects items.
pub(crate) struct ItemOut<'x, 'p, T: 'static> {
    pub(crate) ports: &'x mut Ports<'p, ItemBatch<T>>,
    pub(crate) pool: &'x Pool<ItemBatch<T>>,
    pub(crate) batch: ItemBatch<T>,
}

impl<'x, 'p, T: 'static> ItemOut<'x, 'p, T> {
    pub(crate) fn new(
        ports: &'x mut Ports<'p, ItemBatch<T>>,
        pool: &'x Pool<ItemBatch<T>>,
    ) -> Self {
        Self { ports, pool, batch: ItemBatch::default() }
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self) {
        if !self.batch.is_empty() {
            self.ports.give(&mut self.batch);
        }
        self.batch =
            self.pool.take().unwrap_or_else(|| ItemBatch::with_capacity(item_capacity::<T>()));
    }

    pub(crate) fn finish(mut self) {
        if self.batch.is_empty() {
            self.pool.put(self.batch);
        } else {
            self.ports.give(&mut self.batch);
        }
    }
}

impl<T: 'static> Emit<T> for ItemOut<'_, '_, T> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        if self.batch.is_full() {
            self.make_room();
        }
        self.batch.push(cx, item);
    }

    #[cold]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.ports.fail(cx, failure);
    }
}

/// Collects records.
pub(crate) struct RecordOut<'x, 'p> {
    ports: &'x mut Ports<'p, RecordBatch>,
    pool: &'x Pool<RecordBatch>,
    batch: RecordBatch,
    /// The input run whose origin the output's last run carries, by address; both batches outlive this.
    run: *const Run,
}

impl<'x, 'p> RecordOut<'x, 'p> {
    pub(crate) fn new(ports: &'x mut Ports<'p, RecordBatch>, pool: &'x Pool<RecordBatch>) -> Self {
        Self { ports, pool, batch: RecordBatch::default(), run: std::ptr::null() }
    }

    pub(crate) fn finish(mut self) {
        if !self.batch.is_empty() {
            self.ports.give(&mut self.batch);
        } else if self.batch.is_allocated() {
            self.pool.put(self.batch);
        }
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self) {
        if !self.batch.is_empty() {
            self.ports.give(&mut self.batch);
        }
        self.batch = self
            .pool
            .take()
            .unwrap_or_else(|| RecordBatch::with_capacity(BATCH_BYTES + BATCH_BYTES / 4, 1024));
        self.run = std::ptr::null();
    }

    /// Makes room and carries the origin over; one comparison per record.
    #[inline(always)]
    fn begin(&mut self, cx: Cx<'_>) {
        if self.batch.n_bytes() >= BATCH_BYTES
            || !self.batch.is_allocated()
            || self.batch.len() >= MAX_RECORDS
        {
            self.make_room();
        }
        let Some(record) = cx.record() else { return };
        let Some(run) = record.run() else { return };
        if !std::ptr::eq(run, self.run) {
            self.batch.set_origin(&run.origin);
            self.run = run;
            if self.batch.ingest_micros == 0 {
                self.batch.ingest_micros = record.batch().ingest_micros;
            }
        }
    }
}

/// Records of a batch whose values are tiny; bounds the entries as the arena bounds the bytes.
const MAX_RECORDS: usize = 8192;

impl EmitRecord for RecordOut<'_, '_> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, record: Record<'_>) {
        self.begin(cx);
        self.batch.push_record(record);
    }

    #[inline(always)]
    fn write<F: FnOnce(&mut RecordWriter<'_>) -> Result<(), Failure>>(
        &mut self,
        cx: Cx<'_>,
        write: F,
    ) {
        self.begin(cx);
        if let Some(record) = cx.record() {
            self.batch.continue_envelope(record);
        }
        let mut writer = self.batch.writer();
        if let Some(record) = cx.record() {
            writer.position(record.position());
        }
        match write(&mut writer) {
            Ok(()) => writer.finish(),
            Err(failure) => {
                drop(writer);
                self.err(cx, failure);
            }
        }
    }

    #[cold]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.ports.fail(cx, failure);
    }
}

/// Calls a closure with every item: the end of a stream without a sink.
pub(crate) struct EachOut<'x, 'p, F> {
    pub(crate) each: &'x mut F,
    pub(crate) step: StepId,
    pub(crate) ports: &'x mut Ports<'p, ItemBatch<()>>,
}

impl<T, F: FnMut(T)> Emit<T> for EachOut<'_, '_, F> {
    #[inline(always)]
    fn ok(&mut self, _: Cx<'_>, item: T) {
        guard(self.step, || (self.each)(item));
    }

    #[cold]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.ports.fail(cx, failure);
    }
}
