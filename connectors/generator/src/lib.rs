#![doc = include_str!("../README.md")]

mod finder;
mod pace;
mod random;
mod reader;
mod shape;
mod source;
mod url;

pub use pace::Rate;
pub use random::Random;
pub use shape::Shape;
pub use source::Source;
