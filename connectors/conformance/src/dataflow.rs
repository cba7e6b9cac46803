//! Cases that need a whole dataflow: stop, failure and resume. None yet.
