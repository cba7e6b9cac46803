//! A model of brokers for tests: what a partition's leader does with batches, by the rules of Kafka's idempotent producer, and what
//! may go wrong, chosen by a seed.
//!
//! Invariant: whatever goes wrong, a log holds what a real one would, so that what is in it and what was told can be compared.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::scripted::{Reply, State};
use crate::wire::codec::{Reader, put_i16, put_i32, put_n_elements, put_null_str, put_str};
use crate::wire::decode::decode;

/// Batches of a producer that a partition remembers.
const REMEMBERED: usize = 5;

/// Numbers that look random and come again with their seed.
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn choose<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let at = self.roll((from.len() as u64).max(1));
        from.get(usize::try_from(at).ok()?).copied()
    }
}

/// What may go wrong with one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Another broker leads the partition from now on.
    Moved,
    /// The partition is not known for a moment.
    Unknown,
    /// The replicas were too slow, and have the batch or not.
    TimedOut {
        is_written: bool,
    },
    TooFewReplicas,
    /// The topic may not be written for a moment.
    Denied,
    /// The partition has forgotten its producers.
    Forgotten,
    /// The answer leaves this batch out.
    LeftOut {
        is_written: bool,
    },
}

/// What may go wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    HangUp {
        is_written: bool,
    },
    Silence {
        is_written: bool,
    },
    /// The answer cannot be read.
    Garbage {
        is_written: bool,
    },
}

/// What a test has to know, and what it decides.
pub(super) struct Model {
    pub(super) dice: Dice,
    pub(super) faults: Vec<Fault>,
    pub(super) breaks: Vec<Break>,
    /// One batch in so many has a fault, one request in so many a break; 0 is none.
    pub(super) one_in: (u64, u64),
    /// What always goes wrong with requests.
    pub(super) stuck: Option<Break>,
    /// Records of a batch at most.
    pub(super) max_records: usize,
    /// Records that no broker takes.
    pub(super) is_invalid: fn(u64) -> bool,
    /// Records that a broker said it does not take.
    pub(super) refused: BTreeSet<u64>,
    /// Those of them of which the producer knows: they are not sent again.
    told_of: BTreeSet<u64>,
    /// Records that were written, and the producer was not told.
    pub(super) hidden: BTreeSet<u64>,
    pub(super) logs: BTreeMap<(String, u32), Log>,
    pub(super) n_requests: usize,
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) numbers: Vec<u64>,
    producers: BTreeMap<i64, Known>,
}

/// What a partition remembers of a producer.
#[derive(Debug, Default)]
struct Known {
    epoch: i16,
    next: i32,
    last: VecDeque<(i32, usize)>,
}

/// A batch as it came.
struct Batch {
    topic: String,
    partition: u32,
    producer: i64,
    epoch: i16,
    sequence: i32,
    numbers: Vec<u64>,
}

/// What is said of a batch: a code and the records at fault, or nothing.
type Said = Option<(i16, Vec<u32>)>;

impl Model {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed),
            faults: Vec::new(),
            breaks: Vec::new(),
            one_in: (0, 0),
            stuck: None,
            max_records: usize::MAX,
            is_invalid: |_| false,
            refused: BTreeSet::new(),
            told_of: BTreeSet::new(),
            hidden: BTreeSet::new(),
            logs: BTreeMap::new(),
            n_requests: 0,
        }
    }

    /// Takes a produce request.
    pub(super) fn produce(
        &mut self,
        state: &mut State,
        broker: i32,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Reply {
        self.n_requests += 1;
        let batches = read(body);
        let places: BTreeSet<_> = batches.iter().map(|at| (&at.topic, at.partition)).collect();
        assert_eq!(places.len(), batches.len(), "one batch of each partition");
        let fails = self.happens(self.one_in.1).then(|| self.dice.choose(&self.breaks)).flatten();
        let fails = self.stuck.or(fails);
        let (reply, is_written) = match fails {
            None => (Reply::Send, true),
            Some(Break::HangUp { is_written }) => (Reply::HangUp, is_written),
            Some(Break::Silence { is_written }) => (Reply::Silence, is_written),
            Some(Break::Garbage { is_written }) => (Reply::Send, is_written),
        };
        if !is_written {
            out.extend_from_slice(&[0xff; 3]);
            return reply;
        }
        let mut said: Vec<_> = Vec::new();
        for batch in batches {
            let told = self.take(state, broker, &batch);
            if fails.is_some() {
                self.hide(&batch);
            } else if let Some((29 | 87, at_fault)) = &told {
                self.tell_of(&batch, at_fault);
            }
            said.push((batch, told));
        }
        if fails.is_some() {
            out.extend_from_slice(&[0, 0, 0, 9, 0, 1]);
        } else {
            self.shuffle(&mut said);
            answer(&said, out);
        }
        reply
    }

    /// The producer learns which records are not taken: those that are named, or all of the batch.
    fn tell_of(&mut self, batch: &Batch, at_fault: &[u32]) {
        let named = at_fault.iter().filter_map(|index| batch.numbers.get(*index as usize));
        let named: Vec<u64> = named.copied().collect();
        self.told_of.extend(if named.is_empty() { &batch.numbers } else { &named });
    }

    fn happens(&mut self, one_in: u64) -> bool {
        one_in > 0 && self.dice.roll(one_in) == 0
    }

    fn shuffle<T>(&mut self, many: &mut [T]) {
        for at in (1..many.len()).rev() {
            let other = self.dice.roll(at as u64 + 1);
            many.swap(at, usize::try_from(other).expect("an index"));
        }
    }

    /// What of this batch is written is not told.
    fn hide(&mut self, batch: &Batch) {
        let log = self.logs.entry((batch.topic.clone(), batch.partition)).or_default();
        let written: BTreeSet<_> = log.numbers.iter().copied().collect();
        self.hidden.extend(batch.numbers.iter().filter(|number| written.contains(number)));
    }

    fn take(&mut self, state: &mut State, broker: i32, batch: &Batch) -> Said {
        let is_over = batch.numbers.iter().any(|number| self.told_of.contains(number));
        assert!(!is_over, "what was refused is not sent again");
        let leaders = state.topics.get_mut(&batch.topic).and_then(|topic| topic.as_mut().ok());
        let Some(leader) = leaders.and_then(|all| all.get_mut(batch.partition as usize)) else {
            return Some((3, Vec::new()));
        };
        if *leader != broker {
            return Some((6, Vec::new()));
        }
        let fault = self.happens(self.one_in.0).then(|| self.dice.choose(&self.faults)).flatten();
        match fault {
            None => Some(self.append(batch)),
            Some(Fault::Moved) => {
                *leader = *leader % 3 + 1;
                Some((6, Vec::new()))
            }
            Some(Fault::Unknown) => Some((3, Vec::new())),
            Some(Fault::TooFewReplicas) => Some((19, Vec::new())),
            Some(Fault::TimedOut { is_written }) => Some(self.unsaid(batch, is_written, 7)),
            Some(Fault::LeftOut { is_written }) => {
                self.unsaid(batch, is_written, 0);
                None
            }
            Some(Fault::Denied) => {
                self.refused.extend(&batch.numbers);
                Some((29, Vec::new()))
            }
            Some(Fault::Forgotten) => {
                let log = self.logs.entry((batch.topic.clone(), batch.partition)).or_default();
                log.producers.clear();
                Some(self.append(batch))
            }
        }
    }

    /// Writes a batch or not, and says of it what does not tell which.
    fn unsaid(&mut self, batch: &Batch, is_written: bool, code: i16) -> (i16, Vec<u32>) {
        if !is_written {
            return (code, Vec::new());
        }
        let said = self.append(batch);
        match said {
            (0 | 46, _) => {
                self.hide(batch);
                (code, Vec::new())
            }
            said => said,
        }
    }

    /// What a leader does.
    fn append(&mut self, batch: &Batch) -> (i16, Vec<u32>) {
        if batch.numbers.len() > self.max_records {
            if batch.numbers.len() == 1 {
                self.refused.extend(&batch.numbers);
            }
            return (10, Vec::new());
        }
        let invalid = (0..).zip(&batch.numbers).filter(|(_, number)| (self.is_invalid)(**number));
        let invalid: Vec<u32> = invalid.map(|(index, _)| index).collect();
        if !invalid.is_empty() {
            return self.refuse(batch, invalid);
        }
        let log = self.logs.entry((batch.topic.clone(), batch.partition)).or_default();
        let code = log.append(batch);
        // Both are said of a batch that is there already.
        let code = if code == 46 && self.dice.roll(2) == 0 { 0 } else { code };
        (code, Vec::new())
    }

    /// Brokers name the records that they do not take, or take none of a batch.
    fn refuse(&mut self, batch: &Batch, invalid: Vec<u32>) -> (i16, Vec<u32>) {
        let elsewhere = u32::try_from(batch.numbers.len()).expect("few");
        // One that is not in the batch stands for none.
        if let Some(named) =
            [Vec::new(), vec![elsewhere]].get(usize::try_from(self.dice.roll(4)).expect("few"))
        {
            self.refused.extend(&batch.numbers);
            return (87, named.clone());
        }
        self.refused.extend(invalid.iter().map(|index| batch.numbers[*index as usize]));
        (87, invalid)
    }
}

impl Log {
    pub(super) fn has_no_producer(&self) -> bool {
        self.producers.is_empty()
    }

    fn append(&mut self, batch: &Batch) -> i16 {
        let n_records = batch.numbers.len();
        if batch.producer >= 0 {
            let Some(known) = self.producers.get_mut(&batch.producer) else {
                if batch.sequence != 0 {
                    return 59;
                }
                let new = Known { epoch: batch.epoch, ..Known::default() };
                self.producers.insert(batch.producer, new);
                return self.append(batch);
            };
            if batch.epoch < known.epoch {
                return 47;
            }
            if batch.epoch > known.epoch {
                if batch.sequence != 0 {
                    return 45;
                }
                *known = Known { epoch: batch.epoch, ..Known::default() };
            }
            if known.last.contains(&(batch.sequence, n_records)) {
                return 46;
            }
            if batch.sequence != known.next {
                return 45;
            }
            known.next += i32::try_from(n_records).expect("few");
            known.last.push_back((batch.sequence, n_records));
            if known.last.len() > REMEMBERED {
                known.last.pop_front();
            }
        }
        self.numbers.extend(&batch.numbers);
        0
    }
}

/// The batches of a produce request; each record's value is its number.
fn read(body: &[u8]) -> Vec<Batch> {
    let mut reader = Reader::new(body);
    assert_eq!(reader.nullable_str(), Ok(None), "no transaction");
    assert_eq!(reader.i16(), Ok(-1), "all replicas");
    reader.i32().expect("a timeout");
    let mut batches = Vec::new();
    for _ in 0..reader.n_elements().expect("topics") {
        let topic = reader.str().expect("a topic").to_owned();
        for _ in 0..reader.n_elements().expect("partitions") {
            let partition = reader.i32().expect("a partition").unsigned_abs();
            let bytes = reader.nullable_bytes().expect("a length").expect("a batch");
            batches.push(read_batch(&topic, partition, bytes));
        }
    }
    assert!(reader.rest().is_empty(), "nothing is left");
    batches
}

fn read_batch(topic: &str, partition: u32, bytes: &[u8]) -> Batch {
    let checksum = Reader::new(&bytes[17..]).i32().expect("a checksum");
    assert_eq!(checksum.cast_unsigned(), crc32c::crc32c(&bytes[21..]), "it arrives as it left");
    let mut sender = Reader::new(&bytes[43..]);
    let producer = sender.i64().expect("an id");
    let (epoch, sequence) = (sender.i16().expect("an epoch"), sender.i32().expect("a sequence"));
    let mut numbers = Vec::new();
    let mut number = |value: &[u8]| {
        let text = std::str::from_utf8(value).expect("text");
        numbers.push(text.trim_end_matches('.').parse().expect("a number"));
    };
    decode(bytes, 1 << 24, |record| number(record.value.unwrap_or_default())).expect("a batch");
    Batch { topic: topic.to_owned(), partition, producer, epoch, sequence, numbers }
}

/// An answer in the eighth version, a topic and partition at a time.
fn answer(said: &[(Batch, Said)], out: &mut Vec<u8>) {
    let told: Vec<_> = said.iter().filter_map(|(at, said)| Some((at, said.as_ref()?))).collect();
    put_n_elements(out, told.len());
    for (batch, (code, at_fault)) in told {
        put_str(out, &batch.topic);
        put_n_elements(out, 1);
        put_i32(out, batch.partition.cast_signed());
        put_i16(out, *code);
        out.extend_from_slice(&[0; 24]);
        put_n_elements(out, at_fault.len());
        for index in at_fault {
            put_i32(out, index.cast_signed());
            put_str(out, "not this one");
        }
        put_null_str(out);
    }
    put_i32(out, 0);
}
