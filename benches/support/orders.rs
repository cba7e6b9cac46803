//! Orders as JSON of about 150 bytes, each with its user as key, and what is done with one on its way.

use serde::{Deserialize, Serialize};

/// An order.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    user: String,
    action: String,
    pub(crate) amount: i64,
    pub(crate) time: u64,
    region: String,
    note: String,
}

const ACTIONS: [&str; 4] = ["purchase", "return", "exchange", "reserve"];
const REGIONS: [&str; 3] = ["eu-west-1", "us-east-2", "ap-south-1"];

/// The order of a number, which decides all of it but the time.
pub(crate) fn order(id: u64, time: u64) -> Order {
    let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    Order {
        id,
        user: format!("user-{:06}", mixed % 100_000),
        action: pick(&ACTIONS, mixed),
        amount: (mixed % 100).cast_signed(),
        time,
        region: pick(&REGIONS, mixed),
        note: format!("{mixed:x} as agreed by phone"),
    }
}

fn pick(from: &[&str], mixed: u64) -> String {
    let at = usize::try_from(mixed).unwrap_or_default();
    from[at % from.len()].to_owned()
}

impl Order {
    /// The key of its record.
    pub(crate) fn key(&self) -> &[u8] {
        self.user.as_bytes()
    }
}
