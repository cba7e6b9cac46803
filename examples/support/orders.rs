//! Orders of a shop that sells in five countries, some of them wrong.

use millstream::batch::OwnedRecord;

/// Generated orders as JSON, with the customer as key: of every hundred, one is cut short, one costs nothing, one is nobody's.
pub(crate) fn orders(n: u64) -> impl Iterator<Item = OwnedRecord> {
    (0..n).map(|id| {
        let country = ["DE", "FR", "JP", "US", "NZ"][usize::try_from(id * 7 % 5).unwrap_or(0)];
        let cents = if id % 100 == 17 { 0 } else { id * 7919 % 100_000 + 1 };
        let customer =
            if id % 100 == 42 { String::new() } else { format!("customer-{}", id % 977) };
        let json = format!(
            r#"{{"id":{id},"customer":"{customer}","country":"{country}","cents":{cents}}}"#
        );
        let cut = if id % 100 == 99 { 20 } else { json.len() };
        OwnedRecord::of(&json[..cut]).with_key(customer)
    })
}
