//! Divides the bytes of a file into records.
//!
//! Invariant: what it hands out depends on the bytes from the record's first one on, and on a CSV file's first row, alone.

use memchr::memchr;

use crate::config::Format;
use crate::rows::Rows;

/// A record, or something in its place that is none.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// None: a blank line, or the row that names the columns.
    pub value: Option<&'a [u8]>,
    /// Bytes of the file that it takes, with its line end.
    pub n_bytes: usize,
}

/// What divides the bytes of one file.
///
/// # Examples
/// ```
/// use millstream_file::{Format, divide::Divider};
///
/// let mut divider = Divider::new(Format::Lines);
/// let piece = divider.next(b"one\ntw", false).expect("a whole line");
/// assert_eq!((piece.value, piece.n_bytes), (Some(b"one".as_slice()), 4));
/// assert!(divider.next(b"tw", false).is_none(), "it may go on");
/// ```
#[derive(Debug)]
pub struct Divider(By);

#[derive(Debug)]
enum By {
    Lines,
    JsonLines,
    Csv(Box<Rows>),
}

impl Divider {
    /// For the start of a file.
    pub fn new(format: Format) -> Self {
        Self(match format {
            Format::Lines => By::Lines,
            Format::JsonLines => By::JsonLines,
            Format::Csv => By::Csv(Box::new(Rows::new())),
        })
    }

    /// The first piece of `bytes`; none when it may go on behind them, which it cannot where they are the `last` of the file.
    #[inline]
    pub fn next<'a>(&'a mut self, bytes: &'a [u8], last: bool) -> Option<Piece<'a>> {
        match &mut self.0 {
            By::Lines => {
                let (line, n_bytes) = line(bytes, last)?;
                Some(Piece { value: Some(line), n_bytes })
            }
            By::JsonLines => {
                let (line, n_bytes) = line(bytes, last)?;
                let value = Some(line).filter(|line| !line.trim_ascii().is_empty());
                Some(Piece { value, n_bytes })
            }
            By::Csv(rows) => rows.next(bytes, last),
        }
    }

    /// Whether a file must be read from its first byte before records in its middle can be handed out.
    pub(crate) fn has_header(&self) -> bool {
        matches!(self.0, By::Csv(_))
    }
}

/// The first line without its end, and its length with it.
#[inline]
fn line(bytes: &[u8], last: bool) -> Option<(&[u8], usize)> {
    match memchr(b'\n', bytes) {
        Some(end) => {
            let line = &bytes[..end];
            Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
        }
        None if last && !bytes.is_empty() => Some((bytes, bytes.len())),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(format: Format, mut bytes: &[u8], last: bool) -> (Vec<String>, usize) {
        let (mut divider, mut values, whole) = (Divider::new(format), Vec::new(), bytes.len());
        while let Some(piece) = divider.next(bytes, last) {
            values.extend(piece.value.map(|value| String::from_utf8_lossy(value).into_owned()));
            let n_bytes = piece.n_bytes;
            bytes = &bytes[n_bytes..];
        }
        (values, whole - bytes.len())
    }

    #[test]
    fn lines_end_in_either_way() {
        let (lines, n_bytes) = all(Format::Lines, b"a\r\n\nb\nrest", false);
        assert_eq!((lines, n_bytes), (vec!["a".into(), String::new(), "b".into()], 6));
        assert_eq!(all(Format::Lines, b"a\nrest", true).0, ["a", "rest"]);
        assert_eq!(all(Format::Lines, b"a\n", true).0, ["a"], "no empty record at the end");
    }

    #[test]
    fn blank_lines_are_no_json() {
        let (lines, n_bytes) = all(Format::JsonLines, b"{}\n \n\r\nx\n", false);
        assert_eq!((lines, n_bytes), (vec!["{}".into(), "x".into()], 9));
    }

    #[test]
    fn rows_become_objects_by_their_header() {
        let csv = b"name,said\r\nanna,\"one\n\"\"two\"\"\"\r\nben,\n";
        let (rows, n_bytes) = all(Format::Csv, csv, false);
        assert_eq!(
            rows,
            [r#"{"name":"anna","said":"one\n\"two\""}"#, r#"{"name":"ben","said":""}"#]
        );
        assert_eq!(n_bytes, csv.len());
    }

    #[test]
    fn row_is_not_cut_in_a_quoted_field() {
        let (rows, n_bytes) = all(Format::Csv, b"a\n1\n\"2\n", false);
        assert_eq!((rows, n_bytes), (vec![r#"{"a":"1"}"#.into()], 4));
        assert_eq!(all(Format::Csv, b"a\n1\n2", true).0, [r#"{"a":"1"}"#, r#"{"a":"2"}"#]);
    }

    #[test]
    fn rows_that_do_not_fit_stay_as_they_are() {
        let (rows, _) = all(Format::Csv, b"a,b\n1\n1,2,3\r\n\n1,2\n", false);
        assert_eq!(rows, ["1", "1,2,3", r#"{"a":"1","b":"2"}"#]);
    }
}
