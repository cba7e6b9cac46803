//! Turns the errors of `serde_json` into ours: the field instead of the value, bytes instead of lines and columns.
//!
//! Invariant: only the cold path comes here, and no value of the input leaves it.

use std::fmt::Write;

use serde_json::error::Category;

use crate::error::{FormatError, FormatErrorKind};

/// Text from a `Deserialize` of the program's own is cut at this length.
const MAX_CUSTOM: usize = 200;

/// Names of fields are shown up to this length.
const MAX_NAME: usize = 64;

pub(crate) fn explain(bytes: &[u8], error: &serde_json::Error, type_name: &str) -> FormatError {
    let position = match error.classify() {
        Category::Eof => bytes.len(),
        _ => position_of(bytes, error.line(), error.column()),
    };
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    if error.classify() != Category::Data {
        let what = format!("not valid JSON: {what}");
        return FormatError::new(FormatErrorKind::NotValid, what).at(position);
    }
    let place = Place { path: path_at(bytes, position), owner: short_type_name(type_name) };
    FormatError::new(FormatErrorKind::WrongShape, shape(what, &place)).at(position)
}

struct Place {
    path: String,
    owner: String,
}

/// What does not fit, without what was found there.
fn shape(what: &str, place: &Place) -> String {
    let owner = &place.owner;
    if let Some(field) = what.strip_prefix("missing field ") {
        return format!("missing field {field} of `{owner}`");
    }
    if let Some(field) = what.strip_prefix("duplicate field ") {
        return format!("duplicate field {field} of `{owner}`");
    }
    let at = match place.path.as_str() {
        "" => format!("`{owner}`"),
        path => format!("field `{path}` of `{owner}`"),
    };
    let (found, expected) = what.rsplit_once(", expected ").unwrap_or((what, "nothing"));
    if found.starts_with("unknown field ") {
        return format!("unknown field of `{owner}`, expected {expected}");
    }
    if found.starts_with("unknown variant ") {
        return format!("{at}: unknown variant, expected {expected}");
    }
    if let Some(found) = found.strip_prefix("invalid type: ") {
        return format!("{at}: expected {expected}, found {}", kind_of(found));
    }
    if let Some(found) = found.strip_prefix("invalid value: ") {
        return format!("{at}: expected {expected}, found {} out of range", kind_of(found));
    }
    format!("{at}: {}", without_quotes(what))
}

/// The kind of what was found, without its value: ``integer `5` `` is an integer.
fn kind_of(found: &str) -> &str {
    found.split(['`', '"', '\'']).next().unwrap_or_default().trim_end()
}

/// A text with everything between quotes or backticks left out, and not longer than a line.
pub(crate) fn without_quotes(text: &str) -> String {
    let mut out = String::new();
    let mut open = None;
    for c in text.chars().take(MAX_CUSTOM) {
        match open {
            Some(quote) if quote == c => {
                open = None;
                out.push('…');
            }
            Some(_) => {}
            None if matches!(c, '"' | '`') => open = Some(c),
            None => out.push(c),
        }
    }
    out
}

/// A type's name without the modules it lies in.
pub(crate) fn short_type_name(full: &str) -> String {
    let mut out = String::with_capacity(full.len());
    for part in full.split_inclusive(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':')) {
        out.push_str(part.rsplit_once(':').map_or(part, |(_, word)| word));
    }
    out
}

/// The byte that a line and a column, both counted from 1, stand for; the column is 0 before the first byte of a line.
fn position_of(bytes: &[u8], line: usize, column: usize) -> usize {
    let mut start = 0;
    for _ in 1..line {
        let rest = bytes.get(start..).unwrap_or_default();
        start += rest.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    }
    (start + column.saturating_sub(1)).min(bytes.len())
}

enum Step<'a> {
    /// A member, by its name as it is written.
    Member(&'a [u8]),
    Element(usize),
}

/// Which member or element the value at `position` is, as a path such as `lines[0].price`; the bytes up to there are JSON.
fn path_at(bytes: &[u8], position: usize) -> String {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut expects_name = false;
    let mut at = 0;
    while at <= position && at < bytes.len() {
        match bytes[at] {
            b'{' if at < position => {
                steps.push(Step::Member(&[]));
                expects_name = true;
            }
            b'[' if at < position => steps.push(Step::Element(0)),
            b'}' | b']' if at < position => drop(steps.pop()),
            b':' => expects_name = false,
            b',' => match steps.last_mut() {
                Some(Step::Element(index)) => *index += 1,
                Some(Step::Member(_)) => expects_name = true,
                None => {}
            },
            b'"' => {
                let end = end_of_string(bytes, at);
                if let (true, Some(Step::Member(name))) = (expects_name, steps.last_mut()) {
                    *name = &bytes[at + 1..end];
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    joined(&steps)
}

/// The closing quote of the string that opens at `at`, or the end of the bytes.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    end.min(bytes.len())
}

/// A member's name where it looks like one; keys of maps may be anything.
fn shown(name: &[u8]) -> &str {
    let like_a_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match str::from_utf8(name) {
        Ok(text) if text.len() <= MAX_NAME && name.iter().all(like_a_name) => text,
        _ => "…",
    }
}

fn joined(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Member(name) if path.is_empty() => path.push_str(shown(name)),
            Step::Member(name) => path.extend([".", shown(name)]),
            // Writing to a string does not fail.
            Step::Element(index) => write!(path, "[{index}]").unwrap_or_default(),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_lose_their_modules() {
        assert_eq!(short_type_name("alloc::vec::Vec<app::model::Order>"), "Vec<Order>");
        assert_eq!(short_type_name("(u8, app::A)"), "(u8, A)");
    }

    #[test]
    fn quoted_parts_are_left_out() {
        assert_eq!(without_quotes("bad id `x1` in \"y\" found"), "bad id … in … found");
        assert_eq!(without_quotes("open `x1"), "open ");
    }

    #[test]
    fn paths_skip_strings_and_nesting() {
        let text = br#"{"a":{"x":[1,{"\"b":2}]},"c":[[],"},{",5]}"#;
        let at = |needle: &[u8]| text.windows(needle.len()).position(|w| w == needle).unwrap();
        assert_eq!(path_at(text, at(b"2}")), "a.x[1].…");
        assert_eq!(path_at(text, at(b"5]")), "c[2]");
    }
}
