//! The in-memory reference of waking: it remembers what it was asked for, and answers as told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use parlour_protocol::id::DeviceId;

use crate::wake::{Clear, Wake, WakePort, Woken};

#[derive(Debug, Default)]
struct State {
    asked: Vec<Wake>,
    cleared: Vec<Clear>,
    answers: BTreeMap<DeviceId, Woken>,
}

/// Remembers every wake, in order.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

impl Memory {
    /// Every wake so far, repeated ones too.
    #[must_use]
    pub fn asked(&self) -> Vec<Wake> {
        self.state().asked.clone()
    }

    /// Everything that was cleared so far.
    #[must_use]
    pub fn cleared(&self) -> Vec<Clear> {
        self.state().cleared.clone()
    }

    /// What a device's wakes are answered from now on; otherwise [`Woken::Done`].
    pub fn answer(&self, device: DeviceId, woken: Woken) {
        self.state().answers.insert(device, woken);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl WakePort for Memory {
    async fn wake(&self, wake: Wake) -> Woken {
        let mut state = self.state();
        state.asked.push(wake);
        let answer = state.answers.get(&wake.device).copied();
        answer.unwrap_or(Woken::Done)
    }

    async fn clear(&self, clear: Clear) {
        self.state().cleared.push(clear);
    }
}
