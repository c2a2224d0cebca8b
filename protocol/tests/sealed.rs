//! Sealed messages through these very frames: nothing of the wire need change for encryption.
//!
//! Ann writes to Bob from her phone, sealed by Olm in a direct conversation and by Megolm in a
//! group. Bob links a tablet in between: it is sent the group's session through `mail`, and reads
//! on from there. The server's part is played here by what it does with a frame: it takes header
//! and payload apart, keeps both byte for byte, and gives them out again; at the end, everything
//! that it ever held is searched for what was said.
//!
//! Sessions are of version 2, whose MACs are whole, not cut to eight bytes.

use std::collections::BTreeMap;

use parlour_protocol::body::{Body, Sealed};
use parlour_protocol::bytes::Bytes;
use parlour_protocol::check::check;
use parlour_protocol::codec::Codec;
use parlour_protocol::frame::{Client, Server, client, server};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::kind::{self, Class};
use parlour_protocol::limits::Limits;
use parlour_protocol::record::{Header, Mentions, Record};
use parlour_protocol::seq::Seq;
use serde_json::{Value, json};
use vodozemac::megolm::{
    GroupSession, InboundGroupSession, MegolmMessage, SessionConfig as MegolmConfig, SessionKey,
};
use vodozemac::olm::{Account, OlmMessage, Session, SessionConfig as OlmConfig};
use vodozemac::{Curve25519PublicKey, Ed25519PublicKey, Ed25519Signature};

const OLM: &str = "olm.v2";
const MEGOLM: &str = "megolm.v2";

/// What a key directory tells of a device.
#[derive(Clone, Copy)]
struct Published {
    device: DeviceId,
    identity: Curve25519PublicKey,
    signing: Ed25519PublicKey,
    one_time: Curve25519PublicKey,
    /// By the device's signing key, over the one-time key.
    signature: Ed25519Signature,
}

/// A device with what it holds.
struct Device {
    user: UserId,
    device: DeviceId,
    codec: Codec,
    account: Account,
    olm: BTreeMap<DeviceId, Session>,
    counters: BTreeMap<DeviceId, u64>,
    received: BTreeMap<DeviceId, u64>,
    outbound: Option<GroupSession>,
    inbound: BTreeMap<String, InboundGroupSession>,
    read: Vec<String>,
}

impl Device {
    fn new(user: UserId, n: u8, codec: Codec) -> (Self, Published) {
        let device = DeviceId::v7(1, [n; 10]);
        let mut account = Account::new();
        account.generate_one_time_keys(1);
        let one_time = *account.one_time_keys().values().next().expect("a key");
        let signature = account.sign(one_time.as_bytes());
        let signing = account.ed25519_key();
        let identity = account.curve25519_key();
        account.mark_keys_as_published();
        let this = Self {
            user,
            device,
            codec,
            account,
            olm: BTreeMap::new(),
            counters: BTreeMap::new(),
            received: BTreeMap::new(),
            outbound: None,
            inbound: BTreeMap::new(),
            read: Vec::new(),
        };
        (
            this,
            Published {
                device,
                identity,
                signing,
                one_time,
                signature,
            },
        )
    }

    fn olm_to(&mut self, to: &Published) -> &mut Session {
        // A directory's answer is believed for its signature alone.
        let signed = to.signing.verify(to.one_time.as_bytes(), &to.signature);
        assert!(signed.is_ok(), "{} signed its key", to.device);
        let account = &self.account;
        self.olm.entry(to.device).or_insert_with(|| {
            account
                .create_outbound_session(OlmConfig::version_2(), to.identity, to.one_time)
                .expect("a session")
        })
    }

    /// Sealed for one device, as `mail` carries it: numbered by the sender.
    fn post(&mut self, to: &Published, plain: &Value) -> (DeviceId, client::MailItem) {
        let sealed = self.olm_to(to).encrypt(plain.to_string()).expect("sealed");
        let k = self.counters.entry(to.device).or_default();
        *k += 1;
        let item = client::MailItem {
            k: *k,
            bytes: olm_bytes(&sealed),
        };
        (to.device, item)
    }

    /// Opens what came for this device alone.
    fn open(&mut self, from: &Published, bytes: &[u8]) -> Value {
        let sealed = olm_message(bytes);
        let plain = match (self.olm.get_mut(&from.device), &sealed) {
            (Some(session), _) => session.decrypt(&sealed).expect("opened"),
            (None, OlmMessage::PreKey(first)) => {
                let made = self
                    .account
                    .create_inbound_session(OlmConfig::version_2(), from.identity, first)
                    .expect("a session");
                self.olm.insert(from.device, made.session);
                made.plaintext
            }
            (None, OlmMessage::Normal(_)) => panic!("no session with {}", from.device),
        };
        let plain: Value = serde_json::from_slice(&plain).expect("JSON");
        // One function binds a sender to a session: whoever says they sent it holds these keys.
        assert_eq!(plain["sender_device"], json!(from.device));
        assert_eq!(plain["sender_signing"], json!(from.signing.to_base64()));
        plain
    }

    /// One frame from the node.
    fn take(&mut self, bytes: &[u8], directory: &BTreeMap<DeviceId, Published>) {
        match Server::decode(self.codec, bytes).expect("a frame") {
            Server::Mail(mail) => {
                let next = self.received.entry(mail.from).or_default();
                *next += 1;
                assert_eq!(mail.k, *next, "mail comes in the order of its counter");
                let plain = self.open(&directory[&mail.from], &mail.bytes);
                if plain["type"] == "group_session" {
                    let key = plain["key"].as_str().expect("a key");
                    let key = SessionKey::from_base64(key).expect("a key");
                    let session = InboundGroupSession::new(&key, MegolmConfig::version_2());
                    self.inbound.insert(session.session_id(), session);
                } else {
                    self.keep(&plain, mail.from_user);
                }
            }
            Server::Event(event) => {
                let Some(Body::Sealed(sealed)) = event.body else {
                    panic!("a sealed body");
                };
                if sealed.alg == OLM {
                    // Its keys, by device, come as mail.
                    assert!(sealed.bytes.is_empty());
                    return;
                }
                assert_eq!(sealed.alg, MEGOLM);
                let message = MegolmMessage::from_bytes(&sealed.bytes).expect("a message");
                let opened = self
                    .inbound
                    .values_mut()
                    .find_map(|session| session.decrypt(&message).ok());
                match opened {
                    Some(opened) => {
                        let plain: Value = serde_json::from_slice(&opened.plaintext).expect("JSON");
                        // What is inside is compared with what the server said.
                        assert_eq!(plain["conversation"], json!(event.conversation));
                        assert_eq!(plain["id"], json!(event.id));
                        self.keep(&plain, event.sender);
                    }
                    None => self.read.push("(cannot be read here)".into()),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn keep(&mut self, plain: &Value, sender: UserId) {
        assert_eq!(plain["sender"], json!(sender));
        self.read.push(plain["text"].as_str().expect("text").into());
    }
}

fn olm_bytes(message: &OlmMessage) -> Bytes {
    let (kind, mut bytes) = message.to_parts();
    bytes.insert(0, kind as u8);
    bytes.into()
}

fn olm_message(bytes: &[u8]) -> OlmMessage {
    let (kind, bytes) = bytes.split_first().expect("not empty");
    OlmMessage::from_parts(usize::from(*kind), bytes).expect("a message")
}

/// What a node does with sealed sends: everything that it ever held is in `held`.
#[derive(Default)]
struct Node {
    heads: BTreeMap<ConversationId, u64>,
    held: Vec<u8>,
}

impl Node {
    /// Takes a frame from a device, and gives what goes to each of these.
    fn take(
        &mut self,
        from: &Device,
        bytes: &[u8],
        to: &[(DeviceId, Codec)],
    ) -> Vec<(DeviceId, Vec<u8>)> {
        self.held.extend(bytes);
        let frame = Client::decode(from.codec, bytes).expect("a frame");
        assert_eq!(check(&frame, from.user, &Limits::default()), Ok(()));
        let Client::Send(send) = frame else {
            panic!("a send");
        };
        let conversation = send
            .conversation
            .unwrap_or_else(|| ConversationId::direct(from.user, send.to.expect("one says where")));
        let (class, kind) = (Class::Content, kind::MESSAGE);
        let mut header = Header::new(
            conversation,
            send.id,
            from.user,
            from.device,
            class,
            kind,
            1_000,
        );
        header.peer = send.to;
        // Through the log: header and payload lie there, and in the row, byte for byte.
        let record = Record::new(&header, send.body.to_payload()).to_bytes();
        self.held.extend(&record);
        let record = Record::from_bytes(&record).expect("a record");
        let header = Header::from_bytes(&record.header).expect("a header");

        let head = self.heads.entry(conversation).or_default();
        *head += 1;
        let event = server::Event {
            conversation,
            seq: Seq(*head),
            n: *head,
            prev: Seq(*head - 1),
            time_ms: header.time_ms,
            id: header.id,
            sender: header.sender,
            device: header.device,
            class: header.class,
            kind: header.kind,
            target: None,
            key: None,
            value: None,
            on: true,
            base: None,
            named: Vec::new(),
            create: None,
            reply_to: None,
            thread: None,
            mentions: Mentions::default(),
            quiet: false,
            origin: None,
            expires_after_s: None,
            body: Some(Body::from_payload(&record.payload).expect("a body")),
            edited: None,
            deleted: None,
            reactions: Vec::new(),
            reactions_more: 0,
            pinned: None,
        };
        let event = Server::Event(event);
        let mut out = Vec::new();
        for (device, codec) in to {
            // Keys come before what they open.
            if let Some(item) = send.mail.get(device) {
                let mail = server::Mail {
                    from_user: from.user,
                    from: from.device,
                    k: item.k,
                    bytes: item.bytes.clone(),
                };
                out.push((*device, Server::Mail(mail).encode(*codec)));
            }
            out.push((*device, event.encode(*codec)));
        }
        for (_, bytes) in &out {
            self.held.extend(bytes);
        }
        out
    }
}

fn send(id: MessageId, body: Body) -> client::Send {
    client::Send {
        r#ref: 1,
        conversation: None,
        to: None,
        id,
        retry: false,
        after: None,
        kind: None,
        class: None,
        mentions: Mentions::default(),
        reply_to: None,
        thread: None,
        target: None,
        key: None,
        value: None,
        on: true,
        base: None,
        named: Vec::new(),
        create: None,
        origin: None,
        expires_after_s: None,
        body,
        mail: BTreeMap::new(),
        lists: BTreeMap::new(),
    }
}

fn sealed(alg: &str, bytes: Bytes) -> Body {
    let alg = alg.to_owned();
    Body::Sealed(Sealed {
        alg,
        epoch: 1,
        bytes,
    })
}

struct World {
    node: Node,
    ann: Device,
    bob: Vec<Device>,
    directory: BTreeMap<DeviceId, Published>,
    lists: BTreeMap<UserId, Seq>,
}

impl World {
    /// Ann's send goes through the node to all of Bob's devices.
    fn deliver(&mut self, mut send: client::Send) {
        send.lists = self.lists.clone();
        let bytes = Client::Send(send).encode(self.ann.codec);
        let to: Vec<_> = self.bob.iter().map(|d| (d.device, d.codec)).collect();
        for (device, bytes) in self.node.take(&self.ann, &bytes, &to) {
            let device = self.bob.iter_mut().find(|d| d.device == device);
            device.expect("Bob's").take(&bytes, &self.directory);
        }
    }

    fn inside(&self, kind: &str) -> Value {
        json!({
            "type": kind,
            "sender": self.ann.user,
            "sender_device": self.ann.device,
            "sender_signing": self.ann.account.ed25519_key().to_base64(),
        })
    }

    fn bobs(&self) -> Vec<Published> {
        self.bob.iter().map(|d| self.directory[&d.device]).collect()
    }

    /// A direct message: sealed for each device, under its counter.
    fn say_directly(&mut self, n: u8, text: &str) {
        let to = self.bob[0].user;
        let id = MessageId::v7(1, [n; 10]);
        let mut inside = self.inside("message");
        inside["id"] = json!(id);
        inside["conversation"] = json!(ConversationId::direct(self.ann.user, to));
        inside["text"] = json!(text);
        let mut send = send(id, sealed(OLM, Bytes::default()));
        send.to = Some(to);
        send.mail = self
            .bobs()
            .iter()
            .map(|to| self.ann.post(to, &inside))
            .collect();
        self.deliver(send);
    }

    /// A group message: sealed once; the session's key goes to these devices with it.
    fn say_in(&mut self, group: ConversationId, n: u8, text: &str, keys_to: &[Published]) {
        let id = MessageId::v7(1, [n; 10]);
        let mut inside = self.inside("message");
        inside["id"] = json!(id);
        inside["conversation"] = json!(group);
        inside["text"] = json!(text);
        let mut key = self.inside("group_session");
        let session = self
            .ann
            .outbound
            .get_or_insert_with(|| GroupSession::new(MegolmConfig::version_2()));
        key["conversation"] = json!(group);
        key["key"] = json!(session.session_key().to_base64());
        let message = session.encrypt(inside.to_string());
        let mut send = send(id, sealed(MEGOLM, message.to_bytes().into()));
        send.conversation = Some(group);
        send.mail = keys_to.iter().map(|to| self.ann.post(to, &key)).collect();
        self.deliver(send);
    }
}

fn story(ann_codec: Codec, phone_codec: Codec, tablet_codec: Codec) {
    let (ann, bob) = (UserId::v7(1, [1; 10]), UserId::v7(1, [2; 10]));
    let group = ConversationId::v7(1, [3; 10]);
    let (ann_phone, ann_keys) = Device::new(ann, 11, ann_codec);
    let (bob_phone, bob_keys) = Device::new(bob, 21, phone_codec);
    let mut world = World {
        node: Node::default(),
        ann: ann_phone,
        bob: vec![bob_phone],
        directory: [(ann_keys.device, ann_keys), (bob_keys.device, bob_keys)].into(),
        lists: [(ann, Seq(1)), (bob, Seq(1))].into(),
    };

    world.say_directly(1, "the door code is 4711");
    world.say_in(group, 2, "the key lies under the mat", &[bob_keys]);

    // Bob links a tablet: his list of devices gets its next version, and the tablet is in it.
    let (tablet, tablet_keys) = Device::new(bob, 22, tablet_codec);
    world.bob.push(tablet);
    world.directory.insert(tablet_keys.device, tablet_keys);
    world.lists.insert(bob, Seq(2));

    // The tablet gets the group's session as it now stands, and reads on from there.
    world.say_in(group, 3, "the cat is called Miau", &[tablet_keys]);
    world.say_directly(4, "bring the blue umbrella");
    world.say_in(group, 5, "see you at nine", &[]);

    let everything = [
        "the door code is 4711",
        "the key lies under the mat",
        "the cat is called Miau",
        "bring the blue umbrella",
        "see you at nine",
    ];
    assert_eq!(world.bob[0].read, everything);
    assert_eq!(world.bob[1].read, everything[2..]);
    assert_eq!(world.bob[0].received[&ann_keys.device], 3);
    assert_eq!(world.bob[1].received[&ann_keys.device], 2);

    // The node held all of it and could read none.
    let held = |text: &str| {
        world
            .node
            .held
            .windows(text.len())
            .any(|w| w == text.as_bytes())
    };
    assert!(everything.iter().all(|text| !held(text)));
    assert!(held(MEGOLM), "and what is to be seen is seen");
}

#[test]
fn sealed_messages_pass_in_either_codec_and_a_device_is_linked_in_between() {
    use Codec::{Json, MessagePack};
    for ann in [Json, MessagePack] {
        for phone in [Json, MessagePack] {
            for tablet in [Json, MessagePack] {
                story(ann, phone, tablet);
            }
        }
    }
}

#[test]
fn a_sealed_body_is_opened_by_no_other_device_and_not_when_damaged() {
    let (ann, bob) = (UserId::v7(1, [1; 10]), UserId::v7(1, [2; 10]));
    let (mut from, from_keys) = Device::new(ann, 11, Codec::Json);
    let (mut to, to_keys) = Device::new(bob, 21, Codec::Json);
    let (mut other, _) = Device::new(bob, 22, Codec::Json);
    let inside = json!({
        "type": "message",
        "sender_device": from.device,
        "sender_signing": from.account.ed25519_key().to_base64(),
    });
    let (_, item) = from.post(&to_keys, &inside);
    let OlmMessage::PreKey(first) = olm_message(&item.bytes) else {
        panic!("the first message of a session");
    };
    let config = OlmConfig::version_2();
    let stolen = other
        .account
        .create_inbound_session(config, from_keys.identity, &first);
    assert!(stolen.is_err());
    let mut bytes = item.bytes.to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let OlmMessage::PreKey(damaged) = olm_message(&bytes) else {
        panic!("still the first message");
    };
    assert!(
        to.account
            .create_inbound_session(config, from_keys.identity, &damaged)
            .is_err()
    );
    assert_eq!(to.open(&from_keys, &item.bytes), inside);
}
