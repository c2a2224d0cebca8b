//! What each stage needs: traits, in-memory references, conformance suites.
