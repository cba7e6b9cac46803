//! Test data on demand: asks for topic, key, value and how many, and writes them; or takes all of it as arguments.
//!
//! Run it: `cargo run --example interactive_producer`, or without questions: `… -- --topic greetings --value hello --count 3`
//! On a real broker: `cargo run --features kafka --example interactive_producer -- --kafka 127.0.0.1:9092`, or all of it with pulsar and port 6650
//! ci: --topic greetings --key anna --value hello-{n} --count 3
//! ci: --topic greetings --key anna --value hello-{n} --count 3 --kafka {kafka}
//! ci: --topic greetings --key anna --value hello-{n} --count 3 --pulsar {pulsar}
//! ```text
//! 3 records written to greetings.
//! …greetings…
//! Next: leave --value out for generated orders, or --topic to be asked.
//! ```
//! ci: --topic generated --count 100
//! ```text
//! 100 records written to generated.
//! First record of generated: {"id":0,"customer":"customer-0","country":"DE","cents":1}
//! …
//! ```
//! ci: < greetings\nben\ngood morning\nmany\n2\n\n
//! ```text
//! "many" is no whole number.
//! 2 records written to greetings.
//! First record of greetings: good morning
//! …
//! ```
//! ci-fails: --topic greetings --count many
//! ```text
//! Error: E0201 failed to read the arguments: --count wants a whole number, not "many": invalid digit found in string
//! ```
//! ci-fails: --topics greetings
//! ```text
//! Error: E0201 failed to read the arguments: "--topics" is none of them
//! There are: --topic, --key, --value, --count, --kafka HOST:PORT, --pulsar HOST:PORT.
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to people")]

mod support;

use millstream::Result;
use support::{Args, Place, Wanted};

fn main() -> Result<()> {
    let mut args = Args::of_program();
    let (place, at_once) = (Place::from(&mut args)?, Wanted::from_args(&mut args)?);
    args.end("--topic, --key, --value, --count, --kafka HOST:PORT, --pulsar HOST:PORT")?;
    if let Some(wanted) = at_once {
        write(&place, &wanted)?;
    } else {
        while let Some(wanted) = Wanted::ask()? {
            write(&place, &wanted).unwrap_or_else(|error| println!("{}", error.report()));
        }
    }
    println!("Next: leave --value out for generated orders, or --topic to be asked.");
    Ok(())
}

/// Comes back when the broker has confirmed all records.
fn write(place: &Place, wanted: &Wanted) -> Result<()> {
    place.create_topics(&[&wanted.topic], 1)?;
    place.fill(&wanted.topic, wanted.records())?;
    println!("{} records written to {}.", wanted.count, wanted.topic);
    println!("{}", place.how_to_look(&wanted.topic));
    Ok(())
}
