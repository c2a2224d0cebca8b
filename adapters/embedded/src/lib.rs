//! One machine: the ports over fjall and memory.
