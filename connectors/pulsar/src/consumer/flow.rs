//! Permits: how many messages the broker may send before the reader has taken some.
//!
//! Invariant: the permits that are out never exceed the window, and are given back in halves; the window follows the size of the messages
//! that came, so that what waits here is bounded in bytes too. A batch counts as its messages, and may exceed what was permitted once.

/// The size that messages are taken to have before one came: the most that a broker takes by default.
const UNKNOWN_BYTES: usize = 5 << 20;

/// How much of the mean the last entry is.
const WEIGHT: usize = 8;

/// The permits of one consumer.
#[derive(Debug)]
pub(crate) struct Flow {
    most: u32,
    bytes: usize,
    /// Bytes of a message, on average of those that came last; never 0.
    mean_bytes: usize,
    /// Given, and not used up. Below 0 where a batch was larger than what was left.
    outstanding: i64,
}

impl Flow {
    /// For at most `most` messages, and about so many bytes, that wait to be read.
    pub(crate) fn new(most: u32, bytes: usize) -> Self {
        Self { most: most.max(1), bytes, mean_bytes: UNKNOWN_BYTES, outstanding: 0 }
    }

    /// The bounds have changed, because the reader has more consumers, or fewer.
    pub(crate) fn bound(&mut self, most: u32, bytes: usize) {
        (self.most, self.bytes) = (most.max(1), bytes);
    }

    /// The consumer is a new one, which has no permits yet.
    pub(crate) fn start_again(&mut self) {
        self.outstanding = 0;
    }

    /// An entry was taken: the permits of its messages are used up.
    pub(crate) fn took(&mut self, n_messages: u32, n_bytes: usize) {
        self.outstanding -= i64::from(n_messages);
        let mean = n_bytes / (n_messages as usize).max(1);
        let before = if self.mean_bytes == UNKNOWN_BYTES { mean } else { self.mean_bytes };
        self.mean_bytes = ((before * (WEIGHT - 1) + mean) / WEIGHT).max(1);
    }

    /// An entry was taken whose messages cannot be counted: the broker may think that all permits are used up.
    pub(crate) fn took_unknown(&mut self) {
        self.outstanding = 0;
    }

    /// The permits to give now: none while half of the window is out.
    pub(crate) fn due(&mut self) -> u32 {
        let window = self.window();
        if self.outstanding * 2 > window {
            return 0;
        }
        let due = window - self.outstanding;
        self.outstanding = window;
        u32::try_from(due).unwrap_or(u32::MAX)
    }

    fn window(&self) -> i64 {
        let by_bytes = u32::try_from(self.bytes / self.mean_bytes).unwrap_or(u32::MAX);
        i64::from(by_bytes.clamp(1, self.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_given_back_in_halves() {
        let mut flow = Flow::new(10, usize::MAX);
        assert_eq!((flow.due(), flow.due()), (10, 0));
        flow.took(4, 4);
        assert_eq!(flow.due(), 0);
        flow.took(1, 1);
        assert_eq!(flow.due(), 5);
        flow.took(30, 30);
        assert_eq!(flow.due(), 30, "a batch may be larger than the window");
        flow.start_again();
        assert_eq!(flow.due(), 10);
    }

    #[test]
    fn window_follows_the_size_of_messages() {
        let mut flow = Flow::new(1_000, 16 << 20);
        assert_eq!(flow.due(), 3, "of messages as large as they may be");
        flow.took(3, 300);
        assert_eq!(flow.due(), 1_000);
        for _ in 0..100 {
            flow.took(10, 10 << 20);
        }
        flow.start_again();
        let due = flow.due();
        assert!((16..=20).contains(&due), "messages of a mebibyte: {due}");
    }

    #[test]
    fn lost_count_never_ends_the_flow() {
        let mut flow = Flow::new(10, usize::MAX);
        assert_eq!(flow.due(), 10);
        flow.took_unknown();
        assert_eq!(flow.due(), 10);
    }
}
