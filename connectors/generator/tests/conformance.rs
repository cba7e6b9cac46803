//! The generator keeps the source's half of the contracts: a shape that makes what each case wants to read stands for a topic.

mod subject;

use subject::GeneratorSubject;

millstream_conformance::conformance!(GeneratorSubject::default());
