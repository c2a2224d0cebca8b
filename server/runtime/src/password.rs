//! Password hashing in threads of its own, so that no number of log-ins can starve the rest.
//!
//! Argon2id, 19 MiB and 2 passes. The queue has a bound; beyond it the caller is told to try
//! again. A name that does not exist is hashed for as well: the answer takes as long either way.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::oneshot;

use crate::telemetry;

/// Memory in KiB and passes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// More wait already than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait to be hashed")]
pub struct Full;

enum Job {
    Hash(String, oneshot::Sender<String>),
    Check(String, Option<String>, oneshot::Sender<bool>),
}

/// The threads. They end when this is dropped.
#[derive(Clone)]
pub struct Pool {
    jobs: SyncSender<Job>,
}

impl Pool {
    /// Starts `threads` with room for `queue` waiting passwords.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        let (jobs, receiver) = sync_channel(queue.max(1));
        let receiver = Arc::new(Mutex::new(receiver));
        for i in 0..threads.max(1) {
            let receiver = receiver.clone();
            std::thread::Builder::new()
                .name(format!("password-{i}"))
                .spawn(move || work(&receiver))?;
        }
        Ok(Self { jobs })
    }

    fn give(&self, job: Job) -> Result<(), Full> {
        self.jobs.try_send(job).map_err(|e| {
            metrics::counter!(telemetry::HASH_REFUSED).increment(1);
            match e {
                TrySendError::Full(_) | TrySendError::Disconnected(_) => Full,
            }
        })
    }

    /// The password as a PHC string with a new salt.
    ///
    /// # Errors
    /// [`Full`]: try again later.
    pub async fn hash(&self, password: String) -> Result<String, Full> {
        let (answer, done) = oneshot::channel();
        self.give(Job::Hash(password, answer))?;
        done.await.map_err(|_| Full)
    }

    /// Whether the password is that of the PHC string. Without one it is false, and takes as long.
    ///
    /// # Errors
    /// [`Full`]: try again later.
    pub async fn check(&self, password: String, phc: Option<String>) -> Result<bool, Full> {
        let (answer, done) = oneshot::channel();
        self.give(Job::Check(password, phc, answer))?;
        done.await.map_err(|_| Full)
    }
}

fn argon() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> String {
    // It fails only for passwords longer than 4 GiB, which no request body can carry.
    argon()
        .hash_password(password.as_bytes())
        .map(|h| h.to_string())
        .unwrap_or_default()
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = {
            let jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.recv()
        };
        // Whoever asked may be gone meanwhile: then nobody wants the answer.
        match job {
            Ok(Job::Hash(password, answer)) => {
                let _ = answer.send(hash(&password));
            }
            Ok(Job::Check(password, phc, answer)) => {
                let _ = answer.send(check(&password, phc.as_deref()));
            }
            Err(_) => return,
        }
    }
}

fn check(password: &str, phc: Option<&str>) -> bool {
    let Some(phc) = phc.filter(|p| !p.is_empty()) else {
        hash(password);
        return false;
    };
    match PasswordHash::new(phc) {
        Ok(parsed) => argon()
            .verify_password(password.as_bytes(), &parsed)
            .is_ok(),
        Err(_) => {
            hash(password);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_another_is_not() {
        let pool = Pool::start(2, 8).unwrap();
        let phc = pool.hash("correct horse".into()).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        let phc = Some(phc);
        assert!(
            pool.check("correct horse".into(), phc.clone())
                .await
                .unwrap()
        );
        assert!(!pool.check("wrong horse".into(), phc).await.unwrap());
        assert!(!pool.check("correct horse".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn beyond_the_queue_the_caller_is_told_to_come_back() {
        let pool = Pool::start(1, 1).unwrap();
        // One in the thread, one in the queue; of ten at once, most find no room.
        let all = futures_util::future::join_all((0..10).map(|_| pool.hash("x".repeat(8)))).await;
        assert!(all.contains(&Err(Full)));
        assert!(all.iter().any(Result::is_ok));
    }
}
