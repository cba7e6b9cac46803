//! The operators of millstream: one a file, each a small trait on streams.
//!
//! | operator | on | what it does |
//! |---|---|---|
//! | [`branch`](BranchItems::branch) | items | parts a stream in two |
//! | [`broadcast`](BroadcastItems::broadcast) | items, [records](BroadcastRecords::broadcast) | every worker gets everything |
//! | [`dead_letters`](DeadLetters::dead_letters) | errors | ends an error stream in a sink, with what happened in headers |
//! | [`deserialize`](DeserializeRecords::deserialize) | records | the value becomes an item, by a format |
//! | [`deserialize_both`](DeserializeRecords::deserialize_both) | records | key and value become a pair |
//! | [`deserialize_key`](DeserializeRecords::deserialize_key) | records | the key becomes an item |
//! | [`encode`](EncodeItems::encode) | items | an item becomes a record that a closure writes |
//! | [`filter`](FilterItems::filter) | items, [records](FilterRecords::filter) | keeps what a closure says yes to |
//! | [`filter_map`](FilterMapItems::filter_map) | items, [records](FilterMapRecords::filter_map) | one in, one or none out |
//! | [`flat_map`](FlatMapItems::flat_map) | items, [records](FlatMapRecords::flat_map) | one in, any number out |
//! | [`inspect`](InspectItems::inspect) | items, [records](InspectRecords::inspect) | shows what passes to a closure |
//! | [`map`](MapItems::map) | items, [records](MapRecords::map) | one in, one out |
//! | [`merge`](MergeItems::merge) | items, [records](MergeRecords::merge) | joins two streams into one |
//! | [`rebalance`](RebalanceItems::rebalance) | items, [records](RebalanceRecords::rebalance) | evens out what the workers have to do |
//! | [`route`](RouteItems::route) | items | the same value, the same worker |
//! | [`serialize`](SerializeItems::serialize) | items | an item becomes a record, with the key it came with |
//! | [`serialize_both`](SerializePairs::serialize_both) | pairs | key and value of a pair become those of a record |
//! | [`serialize_keyed`](SerializeItems::serialize_keyed) | items | an item becomes a record, with a key from a closure |
//! | [`serialize_unkeyed`](SerializeItems::serialize_unkeyed) | items | an item becomes a record without a key |
//! | [`split`](SplitItems::split) | items | parts a stream into any number |
//! | [`to_topic`](ToTopicRecords::to_topic) | records | says which topic each is to go to |
//! | [`to_topic_by`](ToTopicItems::to_topic_by) | items | the same, from the item that a record was just written from |
//! | [`try_map`](TryMapItems::try_map) | items, [records](TryMapRecords::try_map) | one in, one or an error out |
//! | [`try_map_with`](TryMapWithItems::try_map_with) | items | the same, and the error carries the item |

mod branch;
mod broadcast;
mod dead_letters;
mod deserialize;
mod encode;
mod filter;
mod filter_map;
mod flat_map;
mod inspect;
mod map;
mod merge;
mod rebalance;
mod route;
mod serialize;
mod serialize_both;
mod shortening;
mod split;
mod to_topic;
mod try_map;
mod try_map_with;

pub use branch::BranchItems;
pub use broadcast::{BroadcastItems, BroadcastRecords};
pub use dead_letters::DeadLetters;
pub use deserialize::{
    Deserialize, DeserializeRecords, DeserializedBoth, FromBoth, FromKey, FromRecord, FromValue,
    NotRead,
};
pub use encode::{Encode, EncodeItems, NotWritten, WriteItem, Written};
pub use filter::{Filter, FilterItems, FilterRecord, FilterRecords};
pub use filter_map::{FilterMap, FilterMapItems, FilterMapRecord, FilterMapRecords};
pub use flat_map::{FlatMap, FlatMapItems, FlatMapRecord, FlatMapRecords};
pub use inspect::{Inspect, InspectItems, InspectRecord, InspectRecords};
pub use map::{Map, MapItems, MapRecord, MapRecords};
pub use merge::{MergeItems, MergeRecords};
pub use rebalance::{RebalanceItems, RebalanceRecords};
pub use route::RouteItems;
pub use serialize::{Keyed, OriginKeyed, SerializeItems, Unkeyed};
pub use serialize_both::{BothWritten, SerializePairs, SerializedBoth};
pub use split::SplitItems;
pub use to_topic::{ByItem, ToTopic, ToTopicItems, ToTopicRecords};
pub use try_map::{TryMap, TryMapItems, TryMapRecord, TryMapRecords};
pub use try_map_with::{TryMapWith, TryMapWithItems};

/// Everything that makes operators methods of streams.
pub mod prelude {
    pub use crate::{
        BranchItems, BroadcastItems, BroadcastRecords, DeadLetters, DeserializeRecords,
        EncodeItems, FilterItems, FilterMapItems, FilterMapRecords, FilterRecords, FlatMapItems,
        FlatMapRecords, InspectItems, InspectRecords, MapItems, MapRecords, MergeItems,
        MergeRecords, RebalanceItems, RebalanceRecords, RouteItems, SerializeItems, SerializePairs,
        SplitItems, ToTopicItems, ToTopicRecords, TryMapItems, TryMapRecords, TryMapWithItems,
    };
}
