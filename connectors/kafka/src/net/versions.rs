//! Which requests a broker takes, asked once per connection (`ApiVersions`).

use std::io;
use std::ops::RangeInclusive;

use super::exchange::{Kind, exchange, malformed};
use super::stream::Stream;
use crate::wire::codec::{Malformed, Reader};

const API_VERSIONS: Kind = Kind { key: 18, version: 0 };

/// The versions that a broker takes, by the key of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Versions(Vec<(i16, RangeInclusive<i16>)>);

impl Versions {
    /// The highest version of a request that the broker takes and is one of ours.
    pub(crate) fn highest(&self, key: i16, ours: RangeInclusive<i16>) -> Option<i16> {
        let (_, theirs) = self.0.iter().find(|(found, _)| *found == key)?;
        let highest = *theirs.end().min(ours.end());
        (highest >= *theirs.start() && highest >= *ours.start()).then_some(highest)
    }

    pub(super) fn ask(stream: &mut Stream, client_id: &str) -> io::Result<Self> {
        let answer = exchange(stream, (API_VERSIONS, 0, client_id), |_| {})?;
        Self::read(&answer).map_err(malformed)
    }

    fn read(answer: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(answer);
        if reader.i16()? != 0 {
            return Err(Malformed);
        }
        let n_kinds = reader.n_elements()?;
        let read = |_| Ok((reader.i16()?, reader.i16()?..=reader.i16()?));
        (0..n_kinds).map(read).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn highest_common_version_is_found() {
        let answer = [0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 11, 0, 18, 0, 0, 0, 4];
        let versions = Versions::read(&answer).expect("an answer");
        assert_eq!(versions.highest(0, 3..=9), Some(9));
        assert_eq!(versions.highest(0, 3..=12), Some(11));
        assert_eq!(versions.highest(0, 0..=2), None);
        assert_eq!(versions.highest(0, 12..=13), None);
        assert_eq!(versions.highest(1, 0..=9), None);
        assert_eq!(Versions::read(&answer[..17]), Err(Malformed));
        assert_eq!(Versions::read(&[0, 35, 0, 0, 0, 0]), Err(Malformed));
    }
}
