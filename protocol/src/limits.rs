//! Every limit of the wire, in one table ([`Limits`]). Sizes in bytes, times in milliseconds.

use serde::{Deserialize, Serialize};

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident: $default:literal;)*) => {
        /// The limits that a node holds its clients to; sent in `welcome`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        pub struct Limits {
            $($(#[doc = $doc])* #[cfg_attr(feature = "schema", ts(type = "number"))] pub $name: u64,)*
        }
        impl Default for Limits {
            fn default() -> Self { Self { $($name: $default,)* } }
        }
        /// Name and default of each limit, for the docs.
        pub const LIMITS: &[(&str, u64, &str)] = &[$((stringify!($name), $default, concat!($($doc),*)),)*];
    };
}

limits! {
    /// A message body, measured in its JSON encoding.
    body_bytes: 65_536;
    /// A frame from a client.
    client_frame_bytes: 131_072;
    /// A frame from a server.
    server_frame_bytes: 262_144;
    /// Where a page is cut.
    page_bytes: 196_608;
    /// The `hello` frame.
    hello_bytes: 4_096;
    /// How long a connection may wait before its `hello`.
    hello_ms: 5_000;
    /// How often a client sends `ping`.
    ping_ms: 30_000;
    /// After how long without a frame a connection is closed.
    idle_ms: 90_000;
    /// Frames that wait for a slow reader before it is disconnected.
    outbound_frames: 256;
    /// Bytes that wait for a slow reader before it is disconnected. One frame always fits.
    outbound_bytes: 262_144;
    /// Sends at once per device.
    sends_burst: 60;
    /// Sends sustained per device, per minute.
    sends_per_min: 60;
    /// Other requests at once per device.
    requests_burst: 200;
    /// Other requests sustained per device, per minute.
    requests_per_min: 1_200;
    /// Requests of one connection that wait for their answer.
    requests_open: 256;
    /// Members of a group.
    group_members: 500;
    /// Users named in one membership event.
    named_users: 500;
    /// Users mentioned in one event.
    mentions: 50;
    /// Devices of a user.
    devices: 10;
    /// Users whose presence one connection watches.
    watched_users: 500;
    /// Events in one page.
    page_events: 200;
    /// Marks in one frame.
    marks: 500;
    /// Single devices that one send carries keys for, as far as they fit into its frame.
    mail_devices: 5_000;
    /// A setting's or reaction's key.
    key_bytes: 256;
    /// A conversation's name.
    name_bytes: 256;
    /// Nesting of a plain body.
    body_depth: 16;
}

/// Bytes that may lie around an event's body: users named and mentioned, keys, what came from
/// where, and reactions folded in.
const AROUND_BODY: u64 = 131_072;
/// Bytes that may lie around a page's events.
const AROUND_PAGE: u64 = 65_536;
/// Members of a group by the rules of acceptance, which no configuration changes.
const GROUP_MEMBERS: u64 = 500;

impl Limits {
    /// Whether these limits can hold together: what one lets in, the others let out.
    ///
    /// # Errors
    /// The name of one that does not, and what to do, in a sentence.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let Self {
            body_bytes,
            client_frame_bytes,
            server_frame_bytes,
            page_bytes,
            ..
        } = *self;
        let at_least_1 = [
            ("requests_burst", self.requests_burst),
            ("requests_per_min", self.requests_per_min),
            ("sends_burst", self.sends_burst),
            ("sends_per_min", self.sends_per_min),
            ("requests_open", self.requests_open),
            ("outbound_frames", self.outbound_frames),
            ("page_events", self.page_events),
            ("page_bytes", page_bytes),
            ("marks", self.marks),
            ("devices", self.devices),
            ("body_bytes", body_bytes),
            ("body_depth", self.body_depth),
            ("hello_bytes", self.hello_bytes),
            ("hello_ms", self.hello_ms),
            ("ping_ms", self.ping_ms),
        ];
        if let Some((name, _)) = at_least_1.iter().find(|(_, limit)| *limit == 0) {
            return Err((name, "must be above 0".to_owned()));
        }
        // The smaller, the greater, and what lies between them.
        let fits = [
            (
                ("body_bytes", body_bytes),
                ("client_frame_bytes", client_frame_bytes),
                1_024,
            ),
            (
                ("body_bytes", body_bytes),
                ("server_frame_bytes", server_frame_bytes),
                AROUND_BODY,
            ),
            (
                ("page_bytes", page_bytes),
                ("server_frame_bytes", server_frame_bytes),
                AROUND_PAGE,
            ),
            (
                ("page_bytes", page_bytes),
                ("outbound_bytes", self.outbound_bytes),
                0,
            ),
            (
                ("hello_bytes", self.hello_bytes),
                ("client_frame_bytes", client_frame_bytes),
                0,
            ),
            (("ping_ms", self.ping_ms), ("idle_ms", self.idle_ms), 1),
        ];
        for ((less, is), (more, has), between) in fits {
            if is.saturating_add(between) > has {
                return Err((
                    less,
                    format!(
                        "it is {is}, and limits.{more} {has}: make that {} at least, or this {} \
                         at most",
                        is.saturating_add(between),
                        has.saturating_sub(between),
                    ),
                ));
            }
        }
        // Keys of a store have room for so much, and a `hello` for a token.
        for (name, is, from, to) in [
            ("hello_bytes", self.hello_bytes, 256, u64::MAX),
            ("key_bytes", self.key_bytes, 1, 4_096),
            ("name_bytes", self.name_bytes, 1, 4_096),
            (
                "body_depth",
                self.body_depth,
                1,
                crate::check::BODY_DEPTH_MAX,
            ),
        ] {
            if is < from || is > to {
                let most = if to == u64::MAX {
                    String::new()
                } else {
                    format!(", and {to} at most")
                };
                return Err((
                    name,
                    format!("it is {is}, and has to be {from} at least{most}"),
                ));
            }
        }
        if self.group_members == 0 || self.group_members > GROUP_MEMBERS {
            let why =
                format!("a group has from 1 to {GROUP_MEMBERS} members; make channels for more");
            return Err(("group_members", why));
        }
        Ok(())
    }
}
