//! A function that promises a plain stream ends its chain with `.boxed()`.

use millstream_engine::Stream;
use millstream_operators::prelude::*;

fn doubled<'s>(numbers: Stream<'s, u64>) -> Stream<'s, u64> {
    numbers.map(|n| n * 2)
}

fn main() {
    let _ = doubled;
}
