//! What the presets set on a sink.
//!
//! Invariant: each preset sets the same fields, and nothing else.

use std::time::Duration;

use millstream_engine::Preset;

use super::{Compression, SinkConfig};

impl SinkConfig {
    /// Sets what `preset` sets; fields that are set afterwards win.
    #[must_use]
    pub fn with_preset(self, preset: Preset) -> Self {
        let tuned = tuned(preset);
        Self {
            batch_records: tuned.batch_records,
            batch_bytes: tuned.batch_bytes,
            linger: tuned.linger,
            compression: tuned.compression,
            queue_records: tuned.queue_records,
            queue_bytes: tuned.queue_bytes,
            ..self
        }
    }
}

fn tuned(preset: Preset) -> SinkConfig {
    let balanced = SinkConfig::new("", "");
    let (lz4, zlib) = (Compression::Lz4, Compression::Zlib);
    match preset {
        Preset::Balanced => balanced,
        Preset::HighThroughput => SinkConfig {
            batch_records: 10_000,
            batch_bytes: 1 << 20,
            linger: Duration::from_millis(50),
            compression: lz4,
            queue_records: 200_000,
            ..balanced
        },
        Preset::LowLatency => SinkConfig {
            batch_records: 10,
            linger: Duration::from_millis(1),
            compression: lz4,
            ..balanced
        },
        Preset::ResourceConstrained => SinkConfig {
            batch_records: 100,
            linger: Duration::from_secs(1),
            compression: zlib,
            queue_records: 1_000,
            queue_bytes: 2 << 20,
            ..balanced
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mode, SourceConfig};

    #[test]
    fn last_preset_decides_alone() {
        let plain = SinkConfig::new("h:1", "t");
        for first in Preset::ALL {
            for last in Preset::ALL {
                let both = plain.clone().with_preset(first).with_preset(last);
                let alone = plain.clone().with_preset(last);
                assert_eq!(format!("{both:?}"), format!("{alone:?}"), "{first:?}, {last:?}");
            }
        }
        let balanced = plain.clone().with_preset(Preset::Balanced);
        assert_eq!(format!("{balanced:?}"), format!("{plain:?}"));
    }

    const PAGE: &str = include_str!("../../../../docs/guide/presets.md");

    fn time(time: Duration) -> String {
        humantime::format_duration(time).to_string()
    }

    fn size(bytes: usize) -> String {
        if bytes >= 1 << 20 {
            format!("{} MiB", bytes >> 20)
        } else {
            format!("{} KiB", bytes >> 10)
        }
    }

    #[test]
    fn page_lists_what_each_preset_sets() {
        let (_, page) = PAGE.split_once("Pulsar source:").expect("it has Pulsar's tables");
        let row = |field: &str, cells: [String; 4]| {
            let row = format!("| `with_{field}` | {} |", cells.join(" | "));
            assert!(page.contains(&row), "the page should have: {row}");
        };
        let sink = |cell: fn(SinkConfig) -> String| Preset::ALL.map(|preset| cell(tuned(preset)));
        row("batch_records", sink(|config| config.batch_records.to_string()));
        row("batch_bytes", sink(|config| size(config.batch_bytes)));
        row("linger", sink(|config| time(config.linger)));
        row("compression", sink(|config| format!("{:?}", config.compression).to_lowercase()));
        row("queue_records", sink(|config| config.queue_records.to_string()));
        row("queue_bytes", sink(|config| size(config.queue_bytes)));
        let source = |cell: fn(SourceConfig) -> String| {
            Preset::ALL.map(|preset| cell(SourceConfig::new("", "").with_preset(preset)))
        };
        row("receiver_queue", source(|config| config.receiver_queue.to_string()));
        row("total_receiver_queue", source(|config| config.total_receiver_queue.to_string()));
        row(
            "mode",
            source(|config| match config.mode {
                Mode::Exclusive => "as it is".to_owned(),
                mode => format!("`{mode:?}`"),
            }),
        );
    }

    #[test]
    fn presets_have_the_values_promised() {
        let told = |preset| {
            let config = tuned(preset);
            (config.batch_records, config.linger.as_millis(), config.compression)
        };
        assert_eq!(told(Preset::HighThroughput), (10_000, 50, Compression::Lz4));
        assert_eq!(told(Preset::LowLatency), (10, 1, Compression::Lz4));
        assert_eq!(told(Preset::ResourceConstrained), (100, 1_000, Compression::Zlib));
    }
}
