//! Containers for reuse, between operators of one worker: malloc and free of them would cost half as much again as the work.

use std::cell::RefCell;
use std::rc::Rc;

use crate::batch::RecordBatch;
use crate::stage::ItemBatch;

/// A bounded stack of emptied containers. Clones share it.
#[derive(Debug)]
pub struct Pool<C> {
    stack: Rc<RefCell<Vec<C>>>,
    limit: usize,
}

impl<C> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self { stack: Rc::clone(&self.stack), limit: self.limit }
    }
}

/// A container that can be emptied and filled again.
#[doc(hidden)]
pub trait Reusable {
    /// Whether there is anything to reuse.
    fn has_memory(&self) -> bool;
    /// Removes the contents and keeps the memory.
    fn empty(&mut self);
}

impl Reusable for RecordBatch {
    fn has_memory(&self) -> bool {
        self.is_allocated()
    }

    fn empty(&mut self) {
        self.clear();
    }
}

impl<T> Reusable for ItemBatch<T> {
    fn has_memory(&self) -> bool {
        self.items.capacity() > 0
    }

    fn empty(&mut self) {
        self.clear();
    }
}

impl<C: Reusable> Pool<C> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { stack: Rc::default(), limit }
    }

    pub(crate) fn take(&self) -> Option<C> {
        self.stack.borrow_mut().pop()
    }

    /// Keeps a container for reuse; one without memory, or above the limit, is dropped.
    pub(crate) fn put(&self, mut container: C) {
        if container.has_memory() && self.stack.borrow().len() < self.limit {
            container.empty();
            self.stack.borrow_mut().push(container);
        }
    }
}
