//! What the records look like: a key and a value made of a number and of luck.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

use millstream_engine::batch::RecordWriter;

use crate::random::Random;

type Write = Arc<dyn Fn(u64, &mut Random, &mut RecordWriter<'_>) + Send + Sync>;

/// How a record is made of its number.
///
/// The numbers go from 0 on over all partitions. A record has the time at which it was made, unless the shape sets another. What a shape writes depends on nothing but the number and [`Random`], which is
/// the same for the same seed and number.
#[derive(Clone)]
pub struct Shape {
    name: Arc<str>,
    write: Write,
}

/// Names that a URL may say.
pub(crate) const NAMES: [&str; 3] = ["orders", "readings", "numbers"];

impl Shape {
    /// Orders as JSON, under the customer's key: `{"id":17,"customer":"customer-3","country":"FR","cents":5990}`.
    ///
    /// A hundred customers, five countries, up to 1000.00.
    pub fn orders() -> Self {
        Self::from_fn("orders", |number, random, out| {
            let customer = random.below(100);
            let country = random.choose(&["DE", "FR", "JP", "NZ", "US"]);
            let cents = 1 + random.below(100_000);
            write_key(out, format_args!("customer-{customer}"));
            write_value(
                out,
                format_args!(
                    r#"{{"id":{number},"customer":"customer-{customer}","country":"{country}","cents":{cents}}}"#
                ),
            );
        })
    }

    /// Readings of sensors as JSON, under the sensor's key: `{"id":17,"sensor":"sensor-3","celsius":21.4}`.
    ///
    /// A thousand sensors at 15.0 to 24.9 degrees; one reading in a hundred is an outlier at 80.0 to 99.9.
    pub fn readings() -> Self {
        Self::from_fn("readings", |number, random, out| {
            let sensor = random.below(1000);
            let tenths = if random.below(100) == 0 {
                800 + random.below(200)
            } else {
                150 + random.below(100)
            };
            let (whole, tenth) = (tenths / 10, tenths % 10);
            write_key(out, format_args!("sensor-{sensor}"));
            write_value(
                out,
                format_args!(
                    r#"{{"id":{number},"sensor":"sensor-{sensor}","celsius":{whole}.{tenth}}}"#
                ),
            );
        })
    }

    /// The number itself as text, without a key.
    pub fn numbers() -> Self {
        Self::from_fn("numbers", |number, _, out| write_value(out, format_args!("{number}")))
    }

    /// A shape of your own; `name` is the topic that records say they are from.
    ///
    /// # Examples
    /// ```
    /// use millstream_generator::Shape;
    ///
    /// let pings = Shape::from_fn("pings", |number, random, out| {
    ///     out.key(format!("host-{}", random.below(10)).as_bytes());
    ///     out.value(format!("ping {number}").as_bytes());
    /// });
    /// assert_eq!(pings.name(), "pings");
    /// ```
    pub fn from_fn(
        name: &str,
        write: impl Fn(u64, &mut Random, &mut RecordWriter<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), write: Arc::new(write) }
    }

    /// The shape of this name, among those that the connector brings along.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "orders" => Some(Self::orders()),
            "readings" => Some(Self::readings()),
            "numbers" => Some(Self::numbers()),
            _ => None,
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn write(&self, seed: u64, number: u64, out: &mut RecordWriter<'_>) {
        (self.write)(number, &mut Random::new(seed, number), out);
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shape").field(&self.name).finish()
    }
}

/// Room for the longest key: a name and a number.
const KEY_BYTES: usize = 40;

fn write_key(out: &mut RecordWriter<'_>, key: fmt::Arguments<'_>) {
    let mut bytes = [0; KEY_BYTES];
    let mut rest = &mut bytes[..];
    rest.write_fmt(key).expect("the shapes here write short keys");
    let n_left = rest.len();
    out.key(&bytes[..KEY_BYTES - n_left]);
}

fn write_value(out: &mut RecordWriter<'_>, value: fmt::Arguments<'_>) {
    out.value_buffer().write_fmt(value).expect("a vector takes everything");
    out.end_value();
}

#[cfg(test)]
mod tests {
    use millstream_engine::batch::RecordBatch;

    use super::*;

    fn made(shape: &Shape, n: u64) -> Vec<(String, String)> {
        let mut batch = RecordBatch::default();
        for number in 0..n {
            let mut writer = batch.writer();
            shape.write(42, number, &mut writer);
            writer.finish();
        }
        let text =
            |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"-")).into_owned();
        batch.iter().map(|record| (text(record.key()), text(record.value()))).collect()
    }

    #[test]
    fn shapes_are_the_same_in_every_release() {
        let first = |shape: Shape| format!("{} {:?}", shape.name(), made(&shape, 2));
        insta::assert_snapshot!(first(Shape::orders()), @r#"orders [("customer-34", "{\"id\":0,\"customer\":\"customer-34\",\"country\":\"US\",\"cents\":48635}"), ("customer-23", "{\"id\":1,\"customer\":\"customer-23\",\"country\":\"US\",\"cents\":56451}")]"#);
        insta::assert_snapshot!(first(Shape::readings()), @r#"readings [("sensor-343", "{\"id\":0,\"sensor\":\"sensor-343\",\"celsius\":19.8}"), ("sensor-233", "{\"id\":1,\"sensor\":\"sensor-233\",\"celsius\":20.6}")]"#);
        insta::assert_snapshot!(first(Shape::numbers()), @r#"numbers [("-", "0"), ("-", "1")]"#);
    }

    #[test]
    fn shapes_say_what_they_promise() {
        let readings = made(&Shape::readings(), 10_000);
        let parsed = readings.iter().map(|(key, value)| {
            let reading: serde_json::Value = serde_json::from_str(value).expect("it is JSON");
            assert_eq!(reading["sensor"], **key);
            reading["celsius"].as_f64().expect("a number")
        });
        let hot = parsed.filter(|celsius| *celsius >= 80.0).count();
        assert!((50..150).contains(&hot), "{hot} outliers");
        for (key, value) in made(&Shape::orders(), 1000) {
            let order: serde_json::Value = serde_json::from_str(&value).expect("it is JSON");
            assert_eq!(order["customer"], *key);
            assert!((1..=100_000).contains(&order["cents"].as_u64().expect("a number")));
        }
    }

    #[test]
    fn every_name_is_a_shape() {
        assert!(NAMES.iter().all(|name| Shape::named(name).is_some_and(|s| s.name() == *name)));
        assert!(Shape::named("order").is_none());
    }
}
