//! A dataflow as the program writes it: a name, and the closure that builds the graph.

use std::fmt;
use std::sync::Arc;

use super::build::Flow;

/// The closure that builds a graph, shared between the threads that call it.
pub(crate) type BuildFn = Arc<dyn for<'s> Fn(&Flow<'s>) + Send + Sync>;

/// A dataflow: its name and the closure that builds its graph.
///
/// The closure runs once on the thread that starts the dataflow, to find all faults, and then once per worker; it must build the
/// same graph every time, so values it moves into sources, sinks and stages are cloned inside it. The name is an id: of stored
/// positions, consumer groups and metrics.
#[derive(Clone)]
pub struct Dataflow {
    pub(crate) name: Arc<str>,
    pub(crate) build: BuildFn,
}

impl Dataflow {
    /// A dataflow named `name`. Nothing is built or opened yet.
    pub fn new(name: &str, build: impl for<'s> Fn(&Flow<'s>) + Send + Sync + 'static) -> Self {
        Self { name: name.into(), build: Arc::new(build) }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Dataflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataflow").field("name", &self.name).finish_non_exhaustive()
    }
}
