//! How each stage runs: loops, sockets, HTTP API, telemetry, drain.
