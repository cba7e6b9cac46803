//! A generator from a URL.

use millstream_engine::Result;
use millstream_engine::url::ConnectorUrl;

use crate::pace::Rate;
use crate::shape::{NAMES, Shape};
use crate::source::{CONNECTOR, Source};

impl Source {
    /// Generates what a URL says: its topic is the name of a shape, `orders` (also where there is none), `readings` or `numbers`.
    ///
    /// | field | value | setter |
    /// |---|---|---|
    /// | `rate` | records per second, or `unlimited` | [`Source::with_rate`], [`Source::unlimited`] |
    /// | `count` | a number | [`Source::with_count`] |
    /// | `seed` | a number | [`Source::with_seed`] |
    /// | `partitions` | a number | [`Source::with_partitions`] |
    ///
    /// # Errors
    /// *Config*, with every field that is unknown or wrong at once.
    ///
    /// # Examples
    /// ```
    /// use millstream_generator::{Shape, Source};
    ///
    /// let readings = Source::from_url(&"generator:readings?rate=50&count=1000".parse()?)?;
    /// let same = Source::new(Shape::readings()).with_rate(50.0).with_count(1000);
    /// assert_eq!(format!("{readings:?}"), format!("{same:?}"));
    /// # Ok::<_, millstream_engine::Error>(())
    /// ```
    pub fn from_url(url: &ConnectorUrl) -> Result<Self> {
        let mut fields = url.fields(CONNECTOR);
        if !url.address().is_empty() {
            fields.fault("a generator has no address; write generator:SHAPE");
        }
        let name = if url.topic().is_empty() { NAMES[0] } else { url.topic() };
        let shape = Shape::named(name).unwrap_or_else(|| {
            fields.fault(format!("there is no shape \"{name}\"; there are {}", NAMES.join(", ")));
            Shape::orders()
        });
        let new = Self::new(shape);
        let source = Self {
            rate: fields.read("rate", "records per second, or unlimited", rate).unwrap_or(new.rate),
            count: fields.number("count"),
            seed: fields.number("seed").unwrap_or(new.seed),
            partitions: fields.number("partitions").unwrap_or(new.partitions),
            ..new
        };
        fields.finish().map(|()| source)
    }
}

fn rate(text: &str) -> Option<Rate> {
    match text {
        "unlimited" => Some(Rate::Unlimited),
        _ => text.parse().ok().map(Rate::PerSecond),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(url: &str) -> Result<Source> {
        Source::from_url(&url.parse().expect("a URL"))
    }

    #[test]
    fn url_sets_what_setters_set() {
        let made = |url: &str| format!("{:?}", from(url).expect("it is right"));
        let new = |shape| Source::new(shape);
        assert_eq!(made("generator:"), format!("{:?}", new(Shape::orders())));
        assert_eq!(
            made("generator:numbers?rate=0.5&count=9&seed=3&partitions=4"),
            format!(
                "{:?}",
                new(Shape::numbers()).with_rate(0.5).with_count(9).with_seed(3).with_partitions(4)
            )
        );
        let unlimited = format!("{:?}", new(Shape::readings()).unlimited());
        assert_eq!(made("generator:readings?rate=unlimited"), unlimited);
    }

    #[test]
    fn each_wrong_field_is_told() {
        let told = |url: &str| from(url).expect_err("it is wrong").report();
        insta::assert_snapshot!(told("generator://h/order?rate=x&count=x&seed=x&partitions=x&sed=1"), @r#"
        E0201 failed to use the URL generator://h/order?rate=…&count=…&seed=…&partitions=…&sed=…: a generator has no address; write generator:SHAPE; there is no shape "order"; there are orders, readings, numbers; "rate" is not records per second, or unlimited; "count" is not a valid number; "seed" is not a valid number; "partitions" is not a valid number; there is no field "sed" (did you mean "seed"?)
        Its fields are rate, count, seed, partitions.
        "#);
        insta::assert_snapshot!(told("memory:orders"), @r"
        E0201 failed to use the URL memory:orders: it is read by generator, and names memory
        Its fields are rate, count, seed, partitions.
        ");
    }
}
