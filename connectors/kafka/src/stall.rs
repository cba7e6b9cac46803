//! Says when a producer's partitions are to rest, because the broker has stopped confirming.
//!
//! As long as a partition has a request under way and records waiting, the idempotent producer of librdkafka (2.12) asks itself
//! without a pause whether it may send the next one (`rd_kafka_toppar_producer_serve` takes "now" as its next wake-up before it
//! looks at what is in flight): a frozen broker costs more than a core. A paused partition is not asked. What is under way stays
//! so, and records still time out.
//!
//! Invariant: nothing stays paused for longer than [`REST`] and the time until the writer is polled next (100 ms at most, see the
//! sink contract), because a request that is to be sent again needs its partition.

use crate::raw::RawProducer;

/// Microseconds without a confirmation after which partitions rest; before the first one, [`REST`].
const PATIENCE: u64 = 250_000;

/// Microseconds that they rest before they may send again what the client took back.
const REST: u64 = 2_000_000;

/// Microseconds that they may then do so.
const BREATH: u64 = 5_000;

/// What is to be done with the partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Pause,
    Resume,
}

/// What the writer has seen of its client.
#[derive(Clone, Copy, Debug)]
struct Seen {
    now_micros: u64,
    /// Records of which the client has told that they are delivered or given up on, ever.
    n_reported: u64,
    /// Whether records are not confirmed yet.
    is_waiting: bool,
    /// Errors of connections, ever. A connection that is gone does not spin, and the next one is to be used at once.
    n_errors: u64,
}

/// Watches the confirmations of one writer.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    n_reported: u64,
    n_errors: u64,
    /// When the partitions may rest, if nothing is confirmed before; while they rest: when they may send again.
    next: u64,
    resting: bool,
}

impl Stall {
    /// Looks at the client, and says when its partitions are to rest or to go on.
    pub(crate) fn watch(&mut self, raw: &RawProducer, now_micros: u64) -> Option<Order> {
        let (n_reported, is_waiting) =
            raw.slots(|slots| (slots.n_reported(), slots.n_records() > 0));
        let n_errors = raw.n_errors();
        self.look(Seen { now_micros, n_reported, is_waiting, n_errors })
    }

    fn look(&mut self, seen: Seen) -> Option<Order> {
        let moves = seen.n_reported != self.n_reported || !seen.is_waiting;
        let broken = seen.n_errors != self.n_errors;
        (self.n_reported, self.n_errors) = (seen.n_reported, seen.n_errors);
        if moves || broken {
            let is_new = seen.n_reported == 0;
            self.next = seen.now_micros + if broken || is_new { REST } else { PATIENCE };
            return std::mem::take(&mut self.resting).then_some(Order::Resume);
        }
        if seen.now_micros < self.next {
            return None;
        }
        self.resting = !self.resting;
        if self.resting {
            self.next = seen.now_micros + REST;
            Some(Order::Pause)
        } else {
            self.next = seen.now_micros + BREATH;
            Some(Order::Resume)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now_micros: u64, n_reported: u64) -> Seen {
        Seen { now_micros, n_reported, is_waiting: true, n_errors: 0 }
    }

    #[test]
    fn silent_broker_lets_partitions_rest_and_breathe() {
        let mut stall = Stall::default();
        assert_eq!(stall.look(at(1000, 7)), None);
        assert_eq!(stall.look(at(200_000, 8)), None);
        assert_eq!(stall.look(at(440_000, 8)), None);
        assert_eq!(stall.look(at(450_000, 8)), Some(Order::Pause));
        assert_eq!(stall.look(at(2_400_000, 8)), None);
        assert_eq!(stall.look(at(2_450_000, 8)), Some(Order::Resume));
        assert_eq!(stall.look(at(2_454_000, 8)), None);
        assert_eq!(stall.look(at(2_460_000, 8)), Some(Order::Pause));
        assert_eq!(stall.look(at(2_500_000, 9)), Some(Order::Resume));
        assert_eq!(stall.look(at(2_600_000, 9)), None);
    }

    #[test]
    fn lost_connection_ends_the_rest() {
        let mut stall = Stall::default();
        assert_eq!(stall.look(at(1000, 1)), None);
        assert_eq!(stall.look(at(300_000, 1)), Some(Order::Pause));
        let broken = Seen { n_errors: 1, ..at(400_000, 1) };
        assert_eq!(stall.look(broken), Some(Order::Resume));
        assert_eq!(stall.look(Seen { now_micros: 2_300_000, ..broken }), None);
        assert_eq!(stall.look(Seen { now_micros: 2_400_000, ..broken }), Some(Order::Pause));
    }

    #[test]
    fn idle_writer_is_left_alone() {
        let mut stall = Stall::default();
        for second in 0..10 {
            let idle = Seen { is_waiting: false, ..at(second * 1_000_000, 5) };
            assert_eq!(stall.look(idle), None);
        }
        assert_eq!(stall.look(at(9_100_000, 5)), None, "patience starts with the first record");
        let mut new = Stall::default();
        assert_eq!(new.look(Seen { is_waiting: false, ..at(0, 0) }), None);
        assert_eq!(new.look(at(1_900_000, 0)), None, "the first connection takes its time");
    }
}
