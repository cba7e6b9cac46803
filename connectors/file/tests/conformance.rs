//! Files keep every promise of the two contracts that can concern them.

mod subject;

use subject::FileSubject;

millstream_conformance::conformance!(FileSubject::default());
