//! Tokens: 32 random bytes in base64url, kept as SHA-256; and the one [`Verifier`] that every
//! entry point asks. It believes what it found for 2 s at most (decision 28).

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lru::LruCache;
use parlour_ports::accounts::{Accounts, Device, Holder};
use parlour_protocol::error::Code;
use parlour_protocol::frame::client::Token;
use parlour_protocol::id::DeviceId;
use sha2::{Digest as _, Sha256};

use crate::clock;

/// Tokens that are remembered; the least recently used is forgotten first.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();
/// Longer ones are not worth hashing.
const TOKEN_BYTES_MAX: usize = 256;

/// A new token.
#[must_use]
pub fn make() -> Token {
    Token(URL_SAFE_NO_PAD.encode(clock::random::<32>()))
}

/// What is kept of a token.
#[must_use]
pub fn hash(token: &Token) -> [u8; 32] {
    Sha256::digest(token.0.as_bytes()).into()
}

/// Says whose a token is.
pub struct Verifier {
    accounts: Arc<dyn Accounts>,
    known: Mutex<LruCache<[u8; 32], (Device, Instant)>>,
    believed: Duration,
}

impl Verifier {
    /// A verifier over this account store that believes itself for so long, at most 2 s.
    #[must_use]
    pub fn new(accounts: Arc<dyn Accounts>, cache_ms: u64) -> Self {
        Self {
            accounts,
            known: Mutex::new(LruCache::new(REMEMBERED)),
            believed: Duration::from_millis(cache_ms.min(2_000)),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, LruCache<[u8; 32], (Device, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device of a token.
    ///
    /// # Errors
    /// [`Code::BAD_TOKEN`]; [`Code::REVOKED`]; [`Code::UNAVAILABLE`] if the store cannot be asked.
    pub async fn verify(&self, token: &Token) -> Result<Device, Code> {
        if token.0.len() > TOKEN_BYTES_MAX {
            return Err(Code::BAD_TOKEN);
        }
        let hash = hash(token);
        if let Some((device, at)) = self.known().get(&hash)
            && at.elapsed() < self.believed
        {
            return Ok(device.clone());
        }
        // Taken before the question: what is revoked while it is asked is not believed longer.
        let asked = Instant::now();
        match self.accounts.verify(hash).await {
            Ok(Holder::Device(device)) => {
                self.known().put(hash, (device.clone(), asked));
                Ok(device)
            }
            Ok(holder) => {
                self.known().pop(&hash);
                Err(match holder {
                    Holder::Revoked => Code::REVOKED,
                    Holder::Nobody | Holder::Device(_) => Code::BAD_TOKEN,
                })
            }
            Err(error) => Err(crate::gateway::ask::code("accounts", &error)),
        }
    }

    /// These devices were revoked: nothing of them is believed any more.
    pub fn forget(&self, devices: &[DeviceId]) {
        let mut known = self.known();
        let gone: Vec<_> = known
            .iter()
            .filter(|(_, (d, _))| devices.contains(&d.device))
            .map(|(hash, _)| *hash)
            .collect();
        for hash in gone {
            known.pop(&hash);
        }
    }
}
