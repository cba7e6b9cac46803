//! The operators of millstream: one a file, each a small trait on streams.
//!
//! | operator | on | what it does |
//! |---|---|---|
//! | [`filter`](FilterItems::filter) | items, [records](FilterRecords::filter) | keeps what a closure says yes to |
//! | [`map`](MapItems::map) | items, [records](MapRecords::map) | one in, one out |
//! | [`try_map`](TryMapItems::try_map) | items, [records](TryMapRecords::try_map) | one in, one or an error out |

mod filter;
mod map;
mod try_map;

pub use filter::{Filter, FilterItems, FilterRecord, FilterRecords};
pub use map::{Map, MapItems, MapRecord, MapRecords};
pub use try_map::{TryMap, TryMapItems, TryMapRecord, TryMapRecords};

/// Everything that makes operators methods of streams.
pub mod prelude {
    pub use crate::{FilterItems, FilterRecords, MapItems, MapRecords, TryMapItems, TryMapRecords};
}
