//! How people can look at what an example has written.

use millstream::batch::OwnedRecord;

use super::place::Place;

impl Place {
    /// One line about `topic`: its first record, or the command that shows it.
    pub(crate) fn how_to_look(&self, topic: &str) -> String {
        match self {
            Self::Memory(broker) => {
                let first =
                    broker.records(topic).ok().and_then(|records| records.into_iter().next());
                first.map_or_else(
                    || format!("{topic} is empty"),
                    |record| format!("First record of {topic}: {}", show(&record)),
                )
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(address) => {
                format!("Look at it: kcat -b {address} -C -t {topic} -e -f '%h %s\\n' | head -1")
            }
            #[cfg(feature = "pulsar")]
            Self::Pulsar(address) => {
                let copy = "cargo run --release --features pulsar --example copy -- --until-end";
                format!("Look at it: {copy} --from 'pulsar://{address}/{topic}?mode=reader' --to -")
            }
        }
    }
}

fn show(record: &OwnedRecord) -> String {
    let headers: Vec<String> = record
        .headers
        .iter()
        .map(|(name, value)| {
            format!("{name}={}", String::from_utf8_lossy(value.as_deref().unwrap_or_default()))
        })
        .collect();
    let text = record.text().unwrap_or("(bytes)");
    if headers.is_empty() { text.to_owned() } else { format!("{text} [{}]", headers.join(", ")) }
}
