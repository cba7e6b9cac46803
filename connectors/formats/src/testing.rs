//! What the tests of several formats share: a type with a bit of everything, and its values.

use millstream_engine::BoxError;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::FormatError;

/// Numbers, text, options, lists, variants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    id: u32,
    item: String,
    price: f64,
    tags: Vec<Option<i64>>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Retail,
    Bulk { n_pallets: u8, label: char },
}

/// Any order.
pub(crate) fn orders() -> impl Strategy<Value = Order> {
    let bulk = any::<(u8, char)>().prop_map(|(n_pallets, label)| Kind::Bulk { n_pallets, label });
    let kinds = prop_oneof![Just(Kind::Retail), bulk];
    let parts = (any::<(u32, String, Vec<Option<i64>>)>(), -1e9..1e9_f64, kinds);
    parts.prop_map(|((id, item, tags), price, kind)| Order { id, item, price, tags, kind })
}

/// The error of a format.
pub(crate) fn error_of<T>(result: Result<T, BoxError>) -> FormatError {
    let error = result.err().expect("it is an error");
    error.downcast_ref::<FormatError>().expect("formats give their own error").clone()
}
