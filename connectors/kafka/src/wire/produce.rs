//! Produce requests: batches of records to partitions that one broker leads.

use super::codec::{Malformed, Reader, put_i16, put_i32, put_n_elements, put_null_str, put_str};

/// The key of the request.
pub(crate) const KEY: i16 = 0;

/// The versions that we write: the first with batches of the second form, and the last without tagged fields.
pub(crate) const VERSIONS: std::ops::RangeInclusive<i16> = 3..=8;

/// All in-sync replicas are to have a batch before it counts as written.
const ALL_REPLICAS: i16 = -1;

/// Appends what comes before the topics. Then, for each topic, [`put_topic`] and for each of its partitions the number, the length
/// of the batch and the batch.
pub(crate) fn put_start(out: &mut Vec<u8>, timeout_millis: i32, n_topics: usize) {
    put_null_str(out);
    put_i16(out, ALL_REPLICAS);
    put_i32(out, timeout_millis);
    put_n_elements(out, n_topics);
}

/// Appends the head of a topic.
pub(crate) fn put_topic(out: &mut Vec<u8>, name: &str, n_partitions: usize) {
    put_str(out, name);
    put_n_elements(out, n_partitions);
}

/// What a broker says of one batch.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    /// 0 where it was written.
    pub(crate) code: i16,
    /// The records that are at fault, by their index in the batch; none where the broker does not tell.
    pub(crate) at_fault: Vec<u32>,
}

/// Reads an answer, batch by batch.
pub(crate) fn read(
    answer: &[u8],
    version: i16,
    mut each: impl FnMut(Outcome<'_>),
) -> Result<(), Malformed> {
    let mut reader = Reader::new(answer);
    for _ in 0..reader.n_elements()? {
        let topic = reader.str()?;
        for _ in 0..reader.n_elements()? {
            each(read_partition(&mut reader, topic, version)?);
        }
    }
    Ok(())
}

fn read_partition<'a>(
    reader: &mut Reader<'a>,
    topic: &'a str,
    version: i16,
) -> Result<Outcome<'a>, Malformed> {
    let (partition, code) = (reader.i32()?, reader.i16()?);
    // Where it was written, and the time that the broker gave it.
    reader.take(16)?;
    if version >= 5 {
        // Where the partition begins.
        reader.take(8)?;
    }
    let mut at_fault = Vec::new();
    if version >= 8 {
        for _ in 0..reader.n_elements()? {
            at_fault.extend(u32::try_from(reader.i32()?));
            reader.nullable_str()?;
        }
        reader.nullable_str()?;
    }
    Ok(Outcome { topic, partition, code, at_fault })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_read_batch_by_batch() {
        let mut answer = vec![0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2];
        answer.extend([0, 0, 0, 3, 0, 0]);
        answer.extend([0; 24]);
        answer.extend([0, 0, 0, 0, 0xff, 0xff]);
        answer.extend([0, 0, 0, 4, 0, 87]);
        answer.extend([0xff; 24]);
        answer.extend([0, 0, 0, 1, 0, 0, 0, 5, 0, 2, b'n', b'o', 0xff, 0xff]);
        answer.extend([0, 0, 0, 0]);
        let mut seen = Vec::new();
        let mut each = |at: Outcome<'_>| {
            seen.push((at.topic.to_owned(), at.partition, at.code, at.at_fault));
        };
        read(&answer, 8, &mut each).expect("it is well-formed");
        for end in 0..answer.len() - 4 {
            assert_eq!(read(&answer[..end], 8, |_| ()), Err(Malformed), "cut at {end}");
        }
        let expected = [("t".to_owned(), 3, 0, vec![]), ("t".to_owned(), 4, 87, vec![5])];
        assert_eq!(seen, expected);
    }
}
