//! Marker types on chains: what the compiler knows of a stream's errors and origins.

/// A chain with a stage that can fail, whose errors nobody took yet.
#[derive(Clone, Copy, Debug)]
pub struct CanFail;

/// A chain that cannot fail, or whose errors were taken.
#[derive(Clone, Copy, Debug)]
pub struct NeverFails;

/// Chains whose errors were all taken. Without it a stream cannot end.
#[diagnostic::on_unimplemented(
    message = "this stream can fail, and nobody takes its errors",
    label = "errors are not handled before this step",
    note = "call `.split_errors()`, `.errors_fail()` or `.errors_drop()` first"
)]
pub trait ErrorsHandled: 'static {}
impl ErrorsHandled for NeverFails {}

/// A chain inside the source's own operator: the record an item came from is at hand.
#[derive(Clone, Copy, Debug)]
pub struct AtOrigin;

/// A chain beyond a boundary: items no longer have the record they came from.
#[derive(Clone, Copy, Debug)]
pub struct PastBoundary;

/// Chains whose items still have the record they came from.
#[diagnostic::on_unimplemented(
    message = "beyond a boundary an item no longer has the record it came from, and so no key to keep",
    label = "where does the record's key come from?",
    note = "use `.serialize_keyed(format, |item| key)` or `.serialize_unkeyed(format)`"
)]
pub trait HasOrigin: 'static {}
impl HasOrigin for AtOrigin {}

/// Chains whose items still have an origin to keep.
#[diagnostic::on_unimplemented(
    message = "beyond a boundary the origin of an item is gone, unless it was kept before",
    label = "too late to keep the origin",
    note = "call `.with_origin()` before the first boundary; every boundary behind it keeps the origin by itself"
)]
pub trait OriginAtHand: 'static {}
impl OriginAtHand for AtOrigin {}
