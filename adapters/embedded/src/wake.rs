//! Wakes go nowhere yet: each is logged at debug.

use async_trait::async_trait;
use parlour_ports::wake::{Clear, Wake, WakePort, Woken};

/// Says what would have been sent.
pub(crate) struct Logged;

#[async_trait]
impl WakePort for Logged {
    async fn wake(&self, wake: Wake) -> Woken {
        tracing::debug!(
            device = %wake.device,
            seq = wake.seq.0,
            mention = wake.mention,
            "a device would be woken"
        );
        Woken::Done
    }

    async fn clear(&self, clear: Clear) {
        tracing::debug!(
            device = %clear.device,
            seq = clear.seq.0,
            "what a device was woken for would be cleared"
        );
    }
}
