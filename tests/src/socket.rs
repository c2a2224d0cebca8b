//! A WebSocket that speaks frames in either codec, or raw bytes.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::server::{Sent, Welcome};
use parlour_protocol::frame::{Client, Server, client};
use parlour_protocol::id::ConversationId;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_websockets::{MaybeTlsStream, Message, WebSocketStream};

use crate::{PATIENCE, message_id};

/// What came over a socket.
// Short-lived, and nearly always a frame: a box would save nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq)]
pub enum Came {
    /// A frame.
    Frame(Server),
    /// The server closed it, with this code.
    Closed(u16),
    /// It ended without a word.
    Gone,
}

/// One WebSocket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Its codec.
    pub codec: Codec,
    /// Frames that came while another was waited for.
    kept: VecDeque<Server>,
    next_ref: u64,
}

impl Socket {
    /// Opens a socket and says nothing yet.
    pub async fn open(url: &str, codec: Codec) -> Self {
        Self::try_open(url, codec).await.expect("a WebSocket")
    }

    /// The same, where it may be refused.
    pub async fn try_open(url: &str, codec: Codec) -> Result<Self, tokio_websockets::Error> {
        let uri = format!("{}/v1/socket", url.replacen("http", "ws", 1))
            .parse()
            .expect("an address");
        let (stream, _) = tokio_websockets::ClientBuilder::from_uri(uri)
            .add_header(
                "sec-websocket-protocol".parse().expect("a header"),
                codec.subprotocol().parse().expect("a value"),
            )
            .expect("a header that may be set")
            .connect()
            .await?;
        Ok(Self {
            stream,
            codec,
            kept: VecDeque::new(),
            next_ref: 0,
        })
    }

    /// Opens a socket, says `hello` and waits for `welcome`.
    pub async fn connect(url: &str, token: &str, codec: Codec) -> (Self, Welcome) {
        let mut socket = Self::open(url, codec).await;
        socket.hello(token).await;
        match socket.next().await {
            Came::Frame(Server::Welcome(welcome)) => (socket, welcome),
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// Says `hello`.
    pub async fn hello(&mut self, token: &str) {
        self.send(&Client::Hello(client::Hello {
            token: client::Token(token.to_owned()),
            device: None,
            client: "parlour-tests".to_owned(),
            features: Vec::new(),
        }))
        .await;
    }

    /// A `ref` not used before on this socket.
    pub fn next_ref(&mut self) -> u64 {
        self.next_ref += 1;
        self.next_ref
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &Client) {
        let bytes = frame.encode(self.codec);
        match self.codec {
            Codec::Json => {
                self.send_text(&String::from_utf8(bytes).expect("text"))
                    .await
            }
            Codec::MessagePack => self.send_binary(bytes).await,
        }
    }

    /// Sends text as it is. A server that has closed meanwhile is seen at the next read.
    pub async fn send_text(&mut self, text: &str) {
        let _ = self.stream.send(Message::text(text.to_owned())).await;
    }

    /// Sends bytes as they are.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        let _ = self.stream.send(Message::binary(Bytes::from(bytes))).await;
    }

    /// The next that comes over the wire, kept frames first.
    pub async fn next(&mut self) -> Came {
        match self.kept.pop_front() {
            Some(frame) => Came::Frame(frame),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Came {
        loop {
            let message = match timeout(PATIENCE, self.stream.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(_)) | None) => return Came::Gone,
                Err(_) => panic!("nothing came in time; kept: {:?}", self.kept),
            };
            if let Some((code, _)) = message.as_close() {
                return Came::Closed(code.into());
            }
            if message.is_text() || message.is_binary() {
                assert_eq!(
                    message.is_text(),
                    self.codec == Codec::Json,
                    "the codec's opcode"
                );
                let frame = Server::decode(self.codec, message.as_payload()).expect("a frame");
                return Came::Frame(frame);
            }
        }
    }

    /// Waits for a frame that `pick` takes. Others are kept for later, in their order.
    pub async fn expect<T>(&mut self, mut pick: impl FnMut(&Server) -> Option<T>) -> T {
        for i in 0..self.kept.len() {
            if let Some(found) = pick(&self.kept[i]) {
                self.kept.remove(i);
                return found;
            }
        }
        loop {
            match self.read().await {
                Came::Frame(frame) => match pick(&frame) {
                    Some(found) => return found,
                    None => self.kept.push_back(frame),
                },
                ended => panic!(
                    "{ended:?} while a frame was waited for; kept: {:?}",
                    self.kept
                ),
            }
        }
    }

    /// Waits for the error that answers this `ref`.
    pub async fn error(&mut self, r#ref: u64) -> Code {
        self.expect(|f| match f {
            Server::Error(e) if e.r#ref == r#ref => Some(e.code),
            _ => None,
        })
        .await
    }

    /// Waits until the server closes it; whatever comes before is passed over.
    pub async fn closed(&mut self) -> Came {
        loop {
            match self.next().await {
                Came::Frame(_) => {}
                ended => return ended,
            }
        }
    }

    /// Sends a plain text message, and waits for its place.
    pub async fn say(&mut self, conversation: ConversationId, text: &str) -> Sent {
        let mut send = plain(text);
        send.conversation = Some(conversation);
        self.place(send).await
    }

    /// Sends this, and waits for its place.
    pub async fn place(&mut self, mut send: client::Send) -> Sent {
        send.r#ref = self.next_ref();
        let (id, at) = (send.id, send.r#ref);
        self.send(&Client::Send(send)).await;
        self.expect(|f| match f {
            Server::Sent(sent) if sent.id == id => Some(sent.clone()),
            Server::Error(e) if e.r#ref == at => panic!("refused: {e:?}"),
            _ => None,
        })
        .await
    }

    /// Sends this, and waits for its refusal.
    pub async fn refused(&mut self, mut send: client::Send) -> Code {
        send.r#ref = self.next_ref();
        let (id, at) = (send.id, send.r#ref);
        self.send(&Client::Send(send)).await;
        self.expect(|f| match f {
            Server::Sent(sent) if sent.id == id => panic!("it was placed: {sent:?}"),
            Server::Error(e) if e.r#ref == at || e.id == Some(id) => Some(e.code),
            _ => None,
        })
        .await
    }
}

/// A plain text message with a new id, for nobody yet.
#[must_use]
pub fn plain(text: &str) -> client::Send {
    client::Send {
        retry: false,
        body: parlour_protocol::body::Body::text(text),
        ..client::Send::empty(message_id())
    }
}
