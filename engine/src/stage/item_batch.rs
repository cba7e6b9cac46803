//! The container of item streams: what edges between operators carry.
//!
//! Invariant: origins follow their items; a container is filled by one operator run, and moves whole.

use std::io::Write;

use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::dataflow::channels::ContainerBytes;

use super::emit::Cx;
use super::kept_origins::KeptOrigins;

/// Items on their way to another operator, with their origins where the program asked to keep them.
#[derive(Clone, Debug)]
pub struct ItemBatch<T> {
    pub(crate) items: Vec<T>,
    /// Empty, and without memory of its own, unless asked for.
    pub(crate) origins: KeptOrigins,
}

impl<T> Default for ItemBatch<T> {
    fn default() -> Self {
        Self { items: Vec::new(), origins: KeptOrigins::default() }
    }
}

impl<T> ItemBatch<T> {
    pub(crate) fn with_capacity(n_items: usize) -> Self {
        Self { items: Vec::with_capacity(n_items), origins: KeptOrigins::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.items.len() == self.items.capacity()
    }

    /// Appends an item, and where it came from if that is to be kept.
    #[inline(always)]
    pub(crate) fn push(&mut self, cx: Cx<'_>, item: T) {
        if let Some((origin, position)) = cx.to_keep() {
            self.origins.note(self.items.len(), origin, position);
        }
        self.items.push(item);
    }

    /// Removes the items and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.origins.clear();
    }
}

impl<T> From<Vec<T>> for ItemBatch<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, origins: KeptOrigins::default() }
    }
}

impl<T: 'static> Accountable for ItemBatch<T> {
    fn record_count(&self) -> i64 {
        self.items.record_count()
    }
}

/// Used between processes alone: the length of the origins as eight bytes, the origins in postcard, then the items as timely
/// writes them.
impl<T: 'static> ContainerBytes for ItemBatch<T>
where
    Vec<T>: ContainerBytes,
{
    /// # Panics
    /// When the bytes are not those of a container. The trait knows no error; a process of another version is turned away before.
    fn from_bytes(mut bytes: Bytes) -> Self {
        let length = bytes.extract_to(8);
        let length = length[..].try_into().map_or(0, u64::from_le_bytes);
        let length = usize::try_from(length).expect("a length written by this program");
        let origins = bytes.extract_to(length);
        let origins = postcard::from_bytes(&origins[..]).expect("origins written by this program");
        Self { items: Vec::from_bytes(bytes), origins }
    }

    fn length_in_bytes(&self) -> usize {
        8 + encoded(&self.origins).len() + self.items.length_in_bytes()
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        let origins = encoded(&self.origins);
        let written = writer
            .write_all(&(origins.len() as u64).to_le_bytes())
            .and_then(|()| writer.write_all(&origins));
        written.expect("timely asked for the length and made room for it");
        self.items.into_bytes(writer);
    }
}

fn encoded(origins: &KeptOrigins) -> Vec<u8> {
    postcard::to_allocvec(origins).expect("numbers and text can be written")
}

#[cfg(test)]
mod tests {
    use timely::bytes::arc::BytesMut;

    use super::*;
    use crate::batch::Origin;

    #[test]
    fn origins_survive_the_way_to_another_process() {
        let mut batch = ItemBatch::from(vec!["a".to_owned(), "b".to_owned()]);
        batch.origins.note(1, &Origin::new("test", "orders", 3), u64::MAX);
        let mut bytes = Vec::new();
        batch.into_bytes(&mut bytes);
        assert!(bytes.len() <= batch.length_in_bytes());
        let back = ItemBatch::<String>::from_bytes(BytesMut::from(bytes).freeze());
        assert_eq!(back.items, batch.items);
        assert_eq!(back.origins.get(0), None);
        assert_eq!(back.origins.get(1), Some((&Origin::new("test", "orders", 3), u64::MAX)));
    }
}
