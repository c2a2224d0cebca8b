//! What a client decides: outbox, cursors, gaps, backoff, timeline.
