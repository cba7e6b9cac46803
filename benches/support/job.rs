//! What the copying programs do with an order between reading and writing it.

use crate::orders::Order;

/// Nine of ten orders go on.
#[inline]
pub(crate) fn is_large(order: &Order) -> bool {
    order.amount >= 10
}

/// Edits one field.
#[inline]
pub(crate) fn double(mut order: Order) -> Order {
    order.amount *= 2;
    order
}
