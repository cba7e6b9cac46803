//! What the presets set on a source and on a sink.
//!
//! Invariant: each preset sets the same fields, and nothing else; the page in `docs/guide` lists them.

use std::time::Duration;

use millstream_engine::Preset;

use super::{Compression, SinkConfig, SourceConfig};

impl SourceConfig {
    /// Sets what `preset` sets; fields that are set afterwards win.
    #[must_use]
    pub fn with_preset(self, preset: Preset) -> Self {
        let tuned = tuned_source(preset);
        Self {
            queue_bytes: tuned.queue_bytes,
            queue_records: tuned.queue_records,
            fetch_bytes: tuned.fetch_bytes,
            fetch_partition_bytes: tuned.fetch_partition_bytes,
            fetch_wait: tuned.fetch_wait,
            fetch_backoff: tuned.fetch_backoff,
            ..self
        }
    }
}

fn tuned_source(preset: Preset) -> SourceConfig {
    let balanced = SourceConfig::new("", "");
    match preset {
        Preset::Balanced => balanced,
        Preset::HighThroughput => {
            SourceConfig { queue_bytes: 8 << 20, queue_records: 20_000, ..balanced }
        }
        Preset::LowLatency => SourceConfig {
            fetch_wait: Duration::from_millis(100),
            fetch_backoff: Duration::from_millis(1),
            ..balanced
        },
        Preset::ResourceConstrained => SourceConfig {
            queue_bytes: 2 << 20,
            queue_records: 5000,
            fetch_bytes: 1 << 20,
            fetch_partition_bytes: 64 << 10,
            ..balanced
        },
    }
}

impl SinkConfig {
    /// Sets what `preset` sets; fields that are set afterwards win.
    #[must_use]
    pub fn with_preset(self, preset: Preset) -> Self {
        let tuned = tuned_sink(preset);
        Self {
            batch_bytes: tuned.batch_bytes,
            linger: tuned.linger,
            compression: tuned.compression,
            queue_records: tuned.queue_records,
            queue_bytes: tuned.queue_bytes,
            ..self
        }
    }
}

fn tuned_sink(preset: Preset) -> SinkConfig {
    let balanced = SinkConfig::new("", "");
    match preset {
        Preset::Balanced => balanced,
        Preset::HighThroughput => SinkConfig {
            linger: Duration::from_millis(20),
            compression: Compression::Lz4,
            ..balanced
        },
        Preset::LowLatency => SinkConfig { linger: Duration::from_millis(1), ..balanced },
        Preset::ResourceConstrained => SinkConfig {
            batch_bytes: 250_000,
            queue_records: 5000,
            queue_bytes: 2 << 20,
            ..balanced
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/guide/presets.md");

    fn assert_listed(field: &str, cells: &[String; 4]) {
        let row = format!("| `with_{field}` | {} |", cells.join(" | "));
        assert!(PAGE.contains(&row), "the page should have: {row}");
    }

    fn time(time: Duration) -> String {
        if time >= Duration::from_secs(1) {
            format!("{}s", time.as_secs())
        } else {
            format!("{}ms", time.as_millis())
        }
    }

    fn mebibytes(bytes: usize) -> String {
        match bytes >> 20 {
            0 => format!("{} KiB", bytes >> 10),
            mebibytes => format!("{mebibytes} MiB"),
        }
    }

    #[test]
    fn page_lists_what_each_preset_sets_on_a_source() {
        let row = |field: &str, cell: &dyn Fn(SourceConfig) -> String| {
            assert_listed(field, &Preset::ALL.map(|preset| cell(tuned_source(preset))));
        };
        row("queue_bytes", &|config| mebibytes(config.queue_bytes));
        row("queue_records", &|config| config.queue_records.to_string());
        row("fetch_bytes", &|config| mebibytes(config.fetch_bytes));
        row("fetch_partition_bytes", &|config| mebibytes(config.fetch_partition_bytes));
        row("fetch_wait", &|config| time(config.fetch_wait));
        row("fetch_backoff", &|config| time(config.fetch_backoff));
    }

    #[test]
    fn page_lists_what_each_preset_sets_on_a_sink() {
        let row = |field: &str, cell: &dyn Fn(SinkConfig) -> String| {
            assert_listed(field, &Preset::ALL.map(|preset| cell(tuned_sink(preset))));
        };
        row("batch_bytes", &|config| config.batch_bytes.to_string());
        row("linger", &|config| time(config.linger));
        row("compression", &|config| format!("{:?}", config.compression).to_lowercase());
        row("queue_records", &|config| config.queue_records.to_string());
        row("queue_bytes", &|config| mebibytes(config.queue_bytes));
    }

    #[test]
    fn presets_set_all_they_tune_and_nothing_else() {
        for preset in Preset::ALL {
            assert_eq!(SourceConfig::new("", "").with_preset(preset), tuned_source(preset));
            assert_eq!(SinkConfig::new("", "").with_preset(preset), tuned_sink(preset));
            let source = SourceConfig::new("localhost:9092", "orders").with_preset(preset);
            let sink = SinkConfig::new("localhost:9092", "orders").with_preset(preset);
            assert!(source.faults().is_empty() && sink.faults().is_empty(), "{preset}");
            assert_eq!(
                (source.with_preset(Preset::Balanced), sink.with_preset(Preset::Balanced)),
                (
                    SourceConfig::new("localhost:9092", "orders"),
                    SinkConfig::new("localhost:9092", "orders")
                )
            );
        }
    }

    #[test]
    fn field_set_by_hand_wins_over_the_preset() {
        let sink = crate::Sink::new("localhost:9092", "orders")
            .with_preset(Preset::LowLatency)
            .with_linger(Duration::from_millis(3));
        assert_eq!(sink.config().linger, Duration::from_millis(3));
        let source = crate::Source::new("localhost:9092", "orders")
            .with_preset(Preset::ResourceConstrained)
            .with_queue_bytes(1 << 20);
        assert_eq!((source.config().queue_bytes, source.config().queue_records), (1 << 20, 5000));
    }
}
