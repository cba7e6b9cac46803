//! The embedded broker keeps every promise of the two contracts.

mod subject;

use subject::MemorySubject;

millstream_conformance::conformance!(MemorySubject::default());
