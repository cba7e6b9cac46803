//! What Kafka takes as the name of a topic.

/// Letters of a name at most.
const MAX_LEN: usize = 249;

/// Whether Kafka would take a name, and if not why.
pub(crate) fn name_rule(name: &str) -> Result<(), &'static str> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() {
        Err("a topic's name is not empty")
    } else if name == "." || name == ".." {
        Err("a topic is not named \".\" or \"..\"")
    } else if name.len() > MAX_LEN {
        Err("a topic's name has at most 249 letters")
    } else if !name.bytes().all(is_legal) {
        Err("a topic's name has letters, digits, \".\", \"_\" and \"-\" alone")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kafka() {
        let long = "x".repeat(MAX_LEN);
        for name in ["orders.de", "a_B-9", "...", long.as_str()] {
            assert_eq!(name_rule(name), Ok(()), "{name}");
        }
        for name in ["", ".", "..", "orders de", "orders/de", "über", &format!("{long}x")] {
            assert!(name_rule(name).is_err(), "{name}");
        }
    }
}
