//! What each stage decides: (state, input, now) to outputs.
