//! Accounts, devices, tokens, invitations and revocations. The committer is the only writer, so
//! what it checks holds when it writes.

use async_trait::async_trait;
use minicbor::{Decode, Encode};
use parlour_ports::Error;
use parlour_ports::accounts::{Accounts, Device, Holder, Invitations, Made, NAME_BYTES_MAX, User};
use parlour_protocol::http::{Scope, UserType};
use parlour_protocol::id::{DeviceId, UserId};

use crate::store::Shared;
use crate::table;

#[derive(Encode, Decode)]
pub(crate) struct UserRow {
    #[n(0)]
    pub(crate) user: UserId,
    #[n(1)]
    pub(crate) name: String,
    #[n(2)]
    display: String,
    #[n(3)]
    kind: u8,
    #[n(4)]
    status: Option<String>,
    #[n(5)]
    password: Option<String>,
    #[n(6)]
    version: u64,
}

#[derive(Encode, Decode)]
struct DeviceRow {
    #[n(0)]
    device: DeviceId,
    #[n(1)]
    user: UserId,
    #[n(2)]
    name: String,
    #[cbor(n(3), with = "minicbor::bytes")]
    token_hash: [u8; 32],
    #[n(4)]
    scopes: Vec<u8>,
    #[n(5)]
    created_ms: u64,
}

#[derive(Encode, Decode)]
pub(crate) struct DevicesRow {
    #[n(0)]
    devices: Vec<DeviceRow>,
}

#[derive(Encode, Decode)]
struct InvitationRow {
    #[n(0)]
    left: u32,
    #[n(1)]
    expires_ms: u64,
}

impl DevicesRow {
    /// Each device with the hash of its token.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (DeviceId, [u8; 32])> + '_ {
        self.devices.iter().map(|d| (d.device, d.token_hash))
    }
}

impl From<User> for UserRow {
    fn from(u: User) -> Self {
        Self {
            user: u.user,
            name: u.name,
            display: u.display,
            kind: match u.kind {
                UserType::Person => 0,
                UserType::Bot => 1,
                UserType::System => 2,
            },
            status: u.status,
            password: u.password,
            version: u.version,
        }
    }
}

impl From<UserRow> for User {
    fn from(u: UserRow) -> Self {
        Self {
            user: u.user,
            name: u.name,
            display: u.display,
            kind: match u.kind {
                1 => UserType::Bot,
                2 => UserType::System,
                _ => UserType::Person,
            },
            status: u.status,
            password: u.password,
            version: u.version,
        }
    }
}

const SCOPES: [Scope; 5] = [
    Scope::Full,
    Scope::Read,
    Scope::Send,
    Scope::Import,
    Scope::Admin,
];

impl From<Device> for DeviceRow {
    fn from(d: Device) -> Self {
        let number = |scope: &Scope| SCOPES.iter().position(|s| s == scope);
        Self {
            device: d.device,
            user: d.user,
            name: d.name,
            token_hash: d.token_hash,
            scopes: d
                .scopes
                .iter()
                .filter_map(number)
                .filter_map(|n| u8::try_from(n).ok())
                .collect(),
            created_ms: d.created_ms,
        }
    }
}

impl From<DeviceRow> for Device {
    fn from(d: DeviceRow) -> Self {
        Self {
            device: d.device,
            user: d.user,
            name: d.name,
            token_hash: d.token_hash,
            // A scope that this version does not know allows nothing.
            scopes: d
                .scopes
                .iter()
                .filter_map(|n| SCOPES.get(usize::from(*n)).copied())
                .collect(),
            created_ms: d.created_ms,
        }
    }
}

impl Shared {
    fn devices_row(&self, user: UserId) -> Result<Vec<DeviceRow>, Error> {
        Ok(self
            .get::<DevicesRow>(&table::of_user(b'D', user))?
            .map_or_else(Vec::new, |row| row.devices))
    }
}

#[async_trait]
impl Accounts for Shared {
    async fn create(&self, user: User) -> Result<Made, Error> {
        self.committer
            .run(move |tx| {
                let key = table::of_user(b'U', user.user);
                let name = table::name(&user.name);
                if let Some(owner) = tx.get::<UserId>(&name) {
                    return if owner == user.user {
                        Made::Yes
                    } else {
                        Made::Taken
                    };
                }
                if tx.get_bytes(&key).is_some() {
                    return Made::Taken;
                }
                tx.put(name, &user.user);
                tx.put(key, &UserRow::from(user));
                Made::Yes
            })
            .await
    }

    async fn change(&self, mut user: User) -> Result<bool, Error> {
        self.committer
            .run(move |tx| {
                let key = table::of_user(b'U', user.user);
                let Some(there) = tx.get::<UserRow>(&key) else {
                    return false;
                };
                if there.version != user.version {
                    return false;
                }
                let (old, new) = (table::name(&there.name), table::name(&user.name));
                if old != new {
                    if tx.get_bytes(&new).is_some() {
                        return false;
                    }
                    tx.remove(old);
                    tx.put(new, &user.user);
                }
                user.version += 1;
                tx.put(key, &UserRow::from(user));
                true
            })
            .await
    }

    async fn user(&self, user: UserId) -> Result<Option<User>, Error> {
        Ok(self
            .get::<UserRow>(&table::of_user(b'U', user))?
            .map(User::from))
    }

    async fn find(&self, name: &str, exact: bool, limit: usize) -> Result<Vec<User>, Error> {
        let key = table::name(name);
        if name.len() > NAME_BYTES_MAX || key.len() > NAME_BYTES_MAX + 1 {
            return Ok(Vec::new());
        }
        let view = self.view();
        let mut ids = Vec::new();
        if exact {
            ids.extend(view.get::<UserId>(&key)?);
        } else {
            view.each(view.prefix(&key), |_, id: UserId| {
                ids.push(id);
                ids.len() < limit
            })?;
        }
        let mut users = Vec::with_capacity(ids.len());
        for id in ids {
            users.extend(
                view.get::<UserRow>(&table::of_user(b'U', id))?
                    .map(User::from),
            );
        }
        Ok(users)
    }

    async fn add_device(&self, device: Device, max: usize) -> Result<Made, Error> {
        self.committer
            .run(move |tx| {
                let revoked = table::of_device(b'r', device.device).0;
                if tx.get_bytes(&revoked).is_some() {
                    return Made::Taken;
                }
                let key = table::of_user(b'D', device.user);
                let mut row = tx.get::<DevicesRow>(&key).unwrap_or(DevicesRow {
                    devices: Vec::new(),
                });
                if row.devices.iter().any(|d| d.device == device.device) {
                    return Made::Yes;
                }
                // An id is one user's, and a token one device's: neither leads to another.
                let owner = table::of_device(b'd', device.device).0;
                let token = table::hash(b'T', &device.token_hash).0;
                if tx.get_bytes(&owner).is_some() || tx.get_bytes(&token).is_some() {
                    return Made::Taken;
                }
                if row.devices.len() >= max {
                    return Made::TooMany;
                }
                tx.put(token, &(device.user, device.device));
                tx.put(owner, &device.user);
                row.devices.push(device.into());
                tx.put(key, &row);
                Made::Yes
            })
            .await
    }

    async fn verify(&self, token_hash: [u8; 32]) -> Result<Holder, Error> {
        let key = table::hash(b'T', &token_hash).0;
        let Some((user, device)) = self.get::<(UserId, DeviceId)>(&key)? else {
            return Ok(Holder::Nobody);
        };
        if self
            .get::<u64>(&table::of_device(b'r', device).0)?
            .is_some()
        {
            return Ok(Holder::Revoked);
        }
        let devices = self.devices_row(user)?.into_iter();
        let mut found = devices.filter(|d| d.device == device).map(Device::from);
        Ok(found.next().map_or(Holder::Nobody, Holder::Device))
    }

    async fn devices(&self, user: UserId) -> Result<Vec<Device>, Error> {
        Ok(self
            .devices_row(user)?
            .into_iter()
            .map(Device::from)
            .collect())
    }

    async fn revoke(&self, user: UserId, device: DeviceId) -> Result<bool, Error> {
        self.committer
            .run(move |tx| {
                let key = table::of_user(b'D', user);
                let Some(mut row) = tx.get::<DevicesRow>(&key) else {
                    return false;
                };
                let before = row.devices.len();
                row.devices.retain(|d| d.device != device);
                if row.devices.len() == before {
                    return false;
                }
                let counter = table::meta("revocation");
                let number = tx.get::<u64>(&counter).unwrap_or(0) + 1;
                tx.put(counter, &number);
                tx.put(table::Key::table(b'R').number(number).0, &device);
                tx.put(table::of_device(b'r', device).0, &number);
                tx.put(key, &row);
                true
            })
            .await
    }

    async fn revoked(&self, after: u64, limit: usize) -> Result<Vec<(u64, DeviceId)>, Error> {
        let (view, mut out) = (self.view(), Vec::new());
        let number = |n: u64| table::Key::table(b'R').number(n).0;
        let keys = number(after.saturating_add(1))..=number(u64::MAX);
        view.each(view.range(keys), |key, device: DeviceId| {
            if let Some(n) = key.last_chunk::<8>() {
                out.push((u64::from_be_bytes(*n), device));
            }
            out.len() < limit
        })?;
        Ok(out)
    }
}

#[async_trait]
impl Invitations for Shared {
    async fn invite(&self, hash: [u8; 32], uses: u32, expires_ms: u64) -> Result<(), Error> {
        self.committer
            .run(move |tx| {
                let key = table::hash(b'V', &hash).0;
                if tx.get_bytes(&key).is_none() {
                    tx.put(
                        key,
                        &InvitationRow {
                            left: uses,
                            expires_ms,
                        },
                    );
                }
            })
            .await
    }

    async fn redeem(&self, hash: [u8; 32], user: UserId, now_ms: u64) -> Result<bool, Error> {
        self.committer
            .run(move |tx| {
                let used = table::hash(b'v', &hash).bytes(user.as_bytes()).0;
                if tx.get_bytes(&used).is_some() {
                    return true;
                }
                let key = table::hash(b'V', &hash).0;
                let Some(mut row) = tx.get::<InvitationRow>(&key) else {
                    return false;
                };
                if row.left == 0 || (row.expires_ms != 0 && now_ms >= row.expires_ms) {
                    return false;
                }
                row.left -= 1;
                tx.put(key, &row);
                tx.put(used, &true);
                true
            })
            .await
    }
}
