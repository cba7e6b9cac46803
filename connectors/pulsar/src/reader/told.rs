//! What the reader does when a subscription was made, and the errors of partitions.

use millstream_engine::error::{Error, ErrorKind, codes};

use super::{Lane, Reader};
use crate::config::Expired;
use crate::consumer::{Ends, Kind, Unreadable};
use crate::position::{EntryId, Position};

impl Reader {
    /// What came before was taken in by now: the broker may send, and it is known where reading ends.
    pub(super) fn on_opened(&mut self, at: usize, ends: Option<Ends>) {
        if let Some(ends) = ends {
            self.check_expired(at, ends);
        }
        let lane = &mut self.lanes[at];
        if let Some(ends) = ends.filter(|_| !lane.was_opened && !lane.has_ended) {
            lane.settle_end(&self.config.end, ends);
        }
        lane.was_opened = true;
        if !lane.has_ended {
            lane.flow.start_again();
            let due = lane.flow.due();
            lane.link.permit(due);
        }
    }

    /// A position of ours that the broker has passed over has expired.
    fn check_expired(&mut self, at: usize, ends: Ends) {
        let lane = &mut self.lanes[at];
        let done = lane.done.entry;
        // compaction takes entries out, and the broker passes over them
        let is_ours = self.terms.kind == Kind::Reader && !self.config.read_compacted;
        let Some(mark) = ends.mark.filter(|mark| is_ours && *mark > done) else { return };
        if done == EntryId::START || ends.last == done {
            return;
        }
        let error = expired(lane.done, mark);
        let error = place(lane, error);
        match self.config.expired {
            Expired::Stop => {
                lane.has_ended = true;
                self.failed.push_back(error);
                return;
            }
            Expired::Earliest => lane.done = Position::behind(mark),
            Expired::Latest => lane.done = Position::behind(ends.last.max(mark)),
        }
        let (partition, on_at) = (&lane.partition, lane.done);
        tracing::warn!(%partition, %on_at, "{}; reading goes on", error.report());
    }
}

/// The error for a position that has expired; it names the choices.
pub(crate) fn expired(position: Position, low: EntryId) -> Error {
    let what = format!("go on behind the position {position}");
    Error::new(ErrorKind::Corrupt, codes::EXPIRED_POSITION, what)
        .with_source(format!("it has expired: the broker has nothing up to {low} any more"))
        .with_hint(
            "Messages may have been deleted before they were read. Choose with `with_expired`: `Expired::Earliest` goes on at the \
             oldest message, `Expired::Latest` at the end, `Expired::Stop` stops as it did now. A topic that is read by \
             `Mode::Reader` needs retention.",
        )
}

/// The error for an entry that cannot be read.
pub(super) fn unreadable(lane: &Lane, id: EntryId, why: Unreadable) -> Error {
    let error = match why {
        Unreadable::Encrypted(why) => why.into_error(),
        why => Error::new(ErrorKind::Corrupt, codes::BAD_RECORD, "read an entry of the topic")
            .with_source(why.reason()),
    };
    place(lane, error).at_position(id)
}

pub(super) fn place(lane: &Lane, error: Error) -> Error {
    error.at_partition(&lane.partition.topic, lane.partition.index)
}
