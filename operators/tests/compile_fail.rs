//! Typical mistakes do not compile, and the messages say what to do.

#[test]
fn mistakes_are_refused_with_our_words() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
