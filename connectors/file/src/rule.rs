//! Which values can be written so that reading gives the same records back.
//!
//! Invariant: a value that is written is one record of its format.

use csv_core::{ReadRecordResult, Reader};

use crate::config::Format;

/// Why a value cannot be written; none when it can.
pub(crate) fn refusal(format: Format, value: Option<&[u8]>) -> Option<&'static str> {
    let Some(value) = value else {
        return Some("it has no value, and a file cannot tell that from an empty one");
    };
    match format {
        Format::JsonLines if value.trim_ascii().is_empty() => {
            Some("it is blank, and would not be read back")
        }
        Format::Lines | Format::JsonLines => line_refusal(value),
        Format::Csv if is_one_row(value) => None,
        Format::Csv => Some("it is not one row: empty, or with a line break that is not quoted"),
    }
}

fn line_refusal(value: &[u8]) -> Option<&'static str> {
    if memchr::memchr(b'\n', value).is_some() {
        return Some("it has a line break, and would be several records");
    }
    value.ends_with(b"\r").then_some("it ends with a part of a line end")
}

fn is_one_row(value: &[u8]) -> bool {
    if memchr::memchr3(b'\n', b'\r', b'"', value).is_none() {
        return !value.is_empty();
    }
    // Wherever the row ends, nothing may follow: with a line end behind it, it takes everything.
    let line = [value, b"\n"].concat();
    let (mut fields, mut ends) = (vec![0; line.len() + 1], vec![0; line.len() + 1]);
    let (result, n_read, ..) = Reader::new().read_record(&line, &mut fields, &mut ends);
    let starts_at_once = !value.starts_with(b"\n") && !value.starts_with(b"\r");
    result == ReadRecordResult::Record && n_read == line.len() && starts_at_once
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_of_several_records_is_refused() {
        let good: [(Format, &[u8]); 7] = [
            (Format::Lines, b"a b"),
            (Format::Lines, b""),
            (Format::Lines, b"a\rb"),
            (Format::JsonLines, b"{}"),
            (Format::Csv, b"a,b"),
            (Format::Csv, b"a,\"b\nc\"\"d\""),
            (Format::Csv, b"\"\""),
        ];
        for (format, value) in good {
            assert_eq!(refusal(format, Some(value)), None, "{format:?} {value:?}");
        }
        let bad: [(Format, &[u8]); 9] = [
            (Format::Lines, b"a\nb"),
            (Format::Lines, b"a\n"),
            (Format::Lines, b"a\r"),
            (Format::JsonLines, b" "),
            (Format::JsonLines, b"{\n}"),
            (Format::Csv, b""),
            (Format::Csv, b"a\nb"),
            (Format::Csv, b"a,\"b"),
            (Format::Csv, b"\na"),
        ];
        for (format, value) in bad {
            assert!(refusal(format, Some(value)).is_some(), "{format:?} {value:?}");
        }
        assert!(refusal(Format::Lines, None).is_some(), "null is not empty");
    }
}
