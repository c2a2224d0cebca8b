//! Device lists, one-time keys and mailboxes.

use async_trait::async_trait;
use parlour_ports::Error;
use parlour_ports::keys::Keys;
use parlour_protocol::bytes::Bytes;
use parlour_protocol::id::{DeviceId, UserId};
use parlour_protocol::node::Mail;
use parlour_protocol::seq::Seq;

use crate::store::Shared;
use crate::table;

fn mailbox(to: DeviceId, from: DeviceId) -> table::Key {
    table::of_device(b'Q', to).bytes(from.as_bytes())
}

fn acknowledged(to: DeviceId, from: DeviceId) -> Vec<u8> {
    table::of_device(b'q', to).bytes(from.as_bytes()).0
}

#[async_trait]
impl Keys for Shared {
    async fn put(&self, mail: Vec<(DeviceId, Mail)>) -> Result<(), Error> {
        self.committer
            .run(move |tx| {
                for (to, mail) in mail {
                    let done = tx.get::<u64>(&acknowledged(to, mail.from));
                    let key = mailbox(to, mail.from).number(mail.k).0;
                    // What was forgotten stays so, and what is there stays as it was.
                    if done.is_none_or(|done| mail.k > done) && tx.get_bytes(&key).is_none() {
                        tx.put(key, &mail);
                    }
                }
            })
            .await
    }

    async fn mail(
        &self,
        device: DeviceId,
        after: Option<(DeviceId, u64)>,
        limit: usize,
    ) -> Result<Vec<Mail>, Error> {
        let from = match after {
            Some((from, k)) => mailbox(device, from).number(k.saturating_add(1)).0,
            None => table::of_device(b'Q', device).0,
        };
        let mut to = table::of_device(b'Q', device).0;
        to.extend_from_slice(&[0xff; 25]);
        let (view, mut out) = (self.view(), Vec::new());
        view.each(view.range(from..to), |_, mail: Mail| {
            out.push(mail);
            out.len() < limit
        })?;
        Ok(out)
    }

    async fn acknowledge(&self, device: DeviceId, from: DeviceId, k: u64) -> Result<(), Error> {
        self.committer
            .run(move |tx| {
                let key = acknowledged(device, from);
                if tx.get::<u64>(&key).is_none_or(|done| k > done) {
                    tx.put(key, &k);
                }
                for key in tx.keys(&mailbox(device, from).0) {
                    let number = key
                        .last_chunk::<8>()
                        .map_or(u64::MAX, |n| u64::from_be_bytes(*n));
                    if number <= k {
                        tx.remove(key);
                    }
                }
            })
            .await
    }

    async fn set_list(&self, user: UserId, version: Seq, list: Bytes) -> Result<(), Error> {
        self.committer
            .run(move |tx| {
                let key = table::of_user(b'Y', user);
                let newer = tx
                    .get::<(Seq, Bytes)>(&key)
                    .is_some_and(|(there, _)| there >= version);
                if !newer {
                    tx.put(key, &(version, list));
                }
            })
            .await
    }

    async fn lists(&self, users: Vec<UserId>) -> Result<Vec<(UserId, Seq, Bytes)>, Error> {
        let mut out = Vec::new();
        for user in users {
            if let Some((version, list)) = self.get::<(Seq, Bytes)>(&table::of_user(b'Y', user))? {
                out.push((user, version, list));
            }
        }
        Ok(out)
    }

    async fn add_one_time(&self, device: DeviceId, keys: Vec<(u64, Bytes)>) -> Result<(), Error> {
        self.committer
            .run(move |tx| {
                for (number, bytes) in keys {
                    let key = table::of_device(b'W', device).number(number).0;
                    // A claimed one leaves an empty value behind: it is never given out again.
                    if tx.get_bytes(&key).is_none() {
                        tx.put(key, &bytes);
                    }
                }
            })
            .await
    }

    async fn claim(
        &self,
        device: DeviceId,
        claim: DeviceId,
    ) -> Result<Option<(u64, Bytes)>, Error> {
        self.committer
            .run(move |tx| {
                let claimed = table::of_device(b'w', device).bytes(claim.as_bytes()).0;
                if let Some(had) = tx.get::<(u64, Bytes)>(&claimed) {
                    return Some(had);
                }
                for key in tx.keys(&table::of_device(b'W', device).0) {
                    let Some(bytes) = tx.get::<Bytes>(&key).filter(|b| !b.is_empty()) else {
                        continue;
                    };
                    let number = key.last_chunk::<8>().map_or(0, |n| u64::from_be_bytes(*n));
                    tx.put(key, &Bytes::default());
                    tx.put(claimed, &(number, bytes.clone()));
                    return Some((number, bytes));
                }
                None
            })
            .await
    }
}
