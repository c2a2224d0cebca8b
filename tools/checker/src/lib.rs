//! The history checker: judges a record of calls and receives.
