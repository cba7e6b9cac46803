//! Readings of devices in the field, some of them out of the ordinary.

use millstream::batch::OwnedRecord;

/// Generated readings as JSON, with the device as key: of every hundred, one comes from a device that is too hot.
pub(crate) fn readings(n: u64) -> impl Iterator<Item = OwnedRecord> {
    (0..n).map(|id| {
        let device = format!("device-{}", id % 1_009);
        let whole = if id % 100 == 7 { 90 } else { 15 + id % 20 };
        let millivolts = 2_950 + id * 31 % 400;
        OwnedRecord::of(format!(
            r#"{{"device":"{device}","celsius":{whole}.{},"millivolts":{millivolts}}}"#,
            id % 10
        ))
        .with_key(device)
    })
}
