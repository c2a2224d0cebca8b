//! A server of one conversation, in a few lines: it places what it is sent and forgets nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::client::{Send as SendFrame, Token};
use parlour_protocol::frame::{Client as Frame, Server, server};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, SessionId, StoreId, UserId};
use parlour_protocol::kind::{Class, Shape};
use parlour_protocol::limits::Limits;
use parlour_protocol::line::{Line, Standing};
use parlour_protocol::seq::{Head, Mark, Seq};
use parlour_sdk::{Endpoint, Session};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio_websockets::{Message, ServerBuilder};

pub(crate) fn room() -> ConversationId {
    ConversationId::derived("room", &[b"one"])
}

pub(crate) const TOKEN: &str = "a-token-that-nobody-may-see";

pub(crate) fn session(device: &str) -> Session {
    Session {
        user: UserId::derived("user", &[b"ada"]),
        name: "ada".to_owned(),
        device: DeviceId::derived("device", &[device.as_bytes()]),
        token: Token(TOKEN.to_owned()),
    }
}

/// Called for every send before it is placed.
pub(crate) type OnSend = Box<dyn Fn(&SendFrame) + Send + Sync>;

pub(crate) struct State {
    log: Mutex<Vec<server::Event>>,
    outcomes: Mutex<BTreeMap<MessageId, Seq>>,
    pub(crate) seen: Mutex<Vec<SendFrame>>,
    on_send: OnSend,
    events: broadcast::Sender<server::Event>,
    /// How many connections there are, and were.
    pub(crate) greeted: watch::Sender<usize>,
    /// Answers sends with nothing, though it places them.
    pub(crate) mute: Mutex<bool>,
    refuse: Option<Code>,
}

pub(crate) struct Peer {
    pub(crate) state: Arc<State>,
    pub(crate) address: SocketAddr,
    sever: broadcast::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
        let _ = self.sever.send(());
    }
}

impl Peer {
    pub(crate) async fn start() -> Self {
        Self::with("127.0.0.1:0", Box::new(|_| {}), None).await
    }

    pub(crate) async fn with(address: &str, on_send: OnSend, refuse: Option<Code>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            log: Mutex::default(),
            outcomes: Mutex::default(),
            seen: Mutex::default(),
            on_send,
            events: broadcast::channel(10_000).0,
            greeted: watch::channel(0).0,
            mute: Mutex::new(false),
            refuse,
        });
        let sever = broadcast::channel(16).0;
        let task = tokio::spawn({
            let (state, sever) = (Arc::clone(&state), sever.clone());
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (state, mut cut) = (Arc::clone(&state), sever.subscribe());
                    tokio::spawn(async move {
                        tokio::select! {
                            _ = cut.recv() => {}
                            () = serve(state, stream) => {}
                        }
                    });
                }
            }
        });
        Self {
            state,
            address,
            sever,
            task,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(&format!("http://{}", self.address)).unwrap()
    }

    /// Cuts every connection, without a word.
    pub(crate) fn sever(&self) {
        let _ = self.sever.send(());
    }

    /// Someone else says something.
    pub(crate) fn say(&self, text: &str) {
        let id = MessageId::derived("theirs", &[text.as_bytes()]);
        let ben = UserId::derived("user", &[b"ben"]);
        self.state
            .place(ben, id, parlour_protocol::body::Body::text(text));
    }
}

impl State {
    fn head(&self) -> Head {
        let log = self.log.lock().unwrap();
        log.last()
            .map_or(Head::default(), |e| Head { seq: e.seq, n: e.n })
    }

    fn place(&self, sender: UserId, id: MessageId, body: parlour_protocol::body::Body) -> Seq {
        if let Some(seq) = self.outcomes.lock().unwrap().get(&id) {
            return *seq;
        }
        let head = self.head();
        let seq = head.seq.next();
        let event = server::Event {
            conversation: room(),
            seq,
            n: head.n + 1,
            prev: head.seq,
            time_ms: seq.0,
            id,
            sender,
            device: DeviceId::NIL,
            class: Class::Content,
            kind: "message".to_owned(),
            target: None,
            key: None,
            value: None,
            on: true,
            base: None,
            named: vec![],
            create: None,
            reply_to: None,
            thread: None,
            mentions: Default::default(),
            quiet: false,
            origin: None,
            expires_after_s: None,
            body: Some(body),
            edited: None,
            deleted: None,
            reactions: vec![],
            reactions_more: 0,
            pinned: None,
        };
        self.outcomes.lock().unwrap().insert(id, seq);
        self.log.lock().unwrap().push(event.clone());
        let _ = self.events.send(event);
        seq
    }

    fn answer(&self, frame: Frame) -> Option<Server> {
        let page = |r#ref| server::Page {
            r#ref,
            lines: vec![],
            about: vec![],
            stretch: None,
            more: false,
            ready: false,
        };
        match frame {
            Frame::Hello(hello) => {
                if let Some(code) = self.refuse {
                    return Some(Server::Error(server::Error::new(0, code)));
                }
                assert_eq!(hello.token.0, TOKEN);
                self.greeted.send_modify(|n| *n += 1);
                Some(Server::Welcome(server::Welcome {
                    session: SessionId::NIL,
                    user: UserId::derived("user", &[b"ada"]),
                    device: hello.device.unwrap(),
                    store: StoreId::derived("store", &[b"one"]),
                    time_ms: 0,
                    limits: Limits::default(),
                    features: vec![],
                }))
            }
            Frame::Sync(sync) => Some(Server::Page(server::Page {
                lines: vec![Line {
                    conversation: room(),
                    head: self.head(),
                    own: Mark::default(),
                    other: None,
                    standing: Standing::Member(Seq(1)),
                }],
                about: vec![server::About {
                    conversation: room(),
                    shape: Shape::Group,
                    history: Default::default(),
                    members: 2,
                    name: Some("one".to_owned()),
                    topic: None,
                    peer: None,
                    role: Default::default(),
                    joined_n: 0,
                    mentions: 0,
                }],
                ready: true,
                ..page(sync.r#ref)
            })),
            Frame::Send(send) => {
                (self.on_send)(&send);
                self.seen.lock().unwrap().push(send.clone());
                let ada = UserId::derived("user", &[b"ada"]);
                let seq = self.place(ada, send.id, send.body);
                (!*self.mute.lock().unwrap()).then(|| {
                    Server::Sent(server::Sent {
                        r#ref: send.r#ref,
                        id: send.id,
                        conversation: room(),
                        seq,
                        n: seq.0,
                        time_ms: seq.0,
                    })
                })
            }
            Frame::History(h) => {
                let log = self.log.lock().unwrap();
                let head = Seq(log.len() as u64);
                let limit = u64::from(h.limit.unwrap());
                let (from, to) = match (h.after, h.before) {
                    (Some(a), _) => (a.next(), Seq((a.0 + limit).min(head.0))),
                    (None, b) => {
                        let to = b.map_or(head, Seq::prev);
                        (Seq(to.0.saturating_sub(limit - 1).max(1)), to)
                    }
                };
                let events = log
                    .iter()
                    .filter(|e| (from..=to).contains(&e.seq))
                    .cloned()
                    .collect();
                Some(Server::Page(server::Page {
                    stretch: Some(server::Stretch {
                        conversation: room(),
                        from,
                        to,
                        events,
                        as_of: head,
                        withheld: vec![],
                        more: false,
                        changes: h.changes_since.is_some(),
                    }),
                    ..page(h.r#ref)
                }))
            }
            Frame::Ping(p) => Some(Server::Pong(server::Pong {
                r#ref: p.r#ref,
                time_ms: 0,
            })),
            _ => None,
        }
    }
}

async fn serve(state: Arc<State>, stream: TcpStream) {
    let protocol = Codec::MessagePack.subprotocol().parse().unwrap();
    let accepted = ServerBuilder::new()
        .add_header("sec-websocket-protocol".parse().unwrap(), protocol)
        .unwrap()
        .accept(stream)
        .await;
    let Ok((_, mut ws)) = accepted else { return };
    let mut events = state.events.subscribe();
    let mut greeted = false;
    loop {
        let out = tokio::select! {
            message = ws.next() => {
                let Some(Ok(message)) = message else { return };
                if !message.is_binary() {
                    continue;
                }
                let frame = Frame::decode(Codec::MessagePack, message.as_payload()).unwrap();
                greeted |= matches!(frame, Frame::Hello(_));
                state.answer(frame)
            }
            event = events.recv() => event.ok().filter(|_| greeted).map(Server::Event),
        };
        if let Some(frame) = out {
            let message = Message::binary(frame.encode(Codec::MessagePack));
            if ws.send(message).await.is_err() {
                return;
            }
        }
    }
}
