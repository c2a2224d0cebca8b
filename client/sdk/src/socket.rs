//! [`Socket`]: one WebSocket that speaks frames.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Sink as _, Stream as _};
use hyper::header::{HeaderName, HeaderValue};
use parlour_protocol::codec::Codec;
use parlour_protocol::frame::{Client as Outgoing, Server as Incoming};
use tokio_websockets::{ClientBuilder, Limits, Message, WebSocketStream};

use crate::endpoint::{Endpoint, Stream};
use crate::error::Error;

/// The largest frame taken: well above what any server sends.
const FRAME_BYTES: usize = 4 << 20;

/// One WebSocket that speaks frames. Dropping it closes the TCP connection.
#[derive(Debug)]
pub struct Socket {
    ws: WebSocketStream<Stream>,
    codec: Codec,
    unflushed: bool,
}

/// How a socket ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Closed {
    /// The WebSocket close code, if one came.
    pub code: Option<u16>,
    /// What went wrong, for people.
    pub why: String,
}

impl Closed {
    fn why(why: impl std::fmt::Display) -> Self {
        Self {
            code: None,
            why: why.to_string(),
        }
    }
}

impl Socket {
    /// Opens one. The first frame to send is `hello`.
    ///
    /// # Errors
    /// The server cannot be reached, or does not speak this codec.
    pub async fn open(endpoint: &Endpoint, codec: Codec) -> Result<Self, Error> {
        let stream = endpoint.open().await?;
        // The scheme here only chooses a default port for `Host`, which is always given.
        let uri = format!("ws://{}/v1/socket", endpoint.authority());
        let protocol = HeaderValue::from_static(codec.subprotocol());
        let builder = ClientBuilder::new()
            .uri(&uri)
            .map_err(|e| endpoint.unreachable(e))?
            .limits(Limits::default().max_payload_len(Some(FRAME_BYTES)))
            .add_header(
                HeaderName::from_static("sec-websocket-protocol"),
                protocol.clone(),
            )
            .map_err(|e| endpoint.unreachable(e))?;
        let (ws, answer) = tokio::time::timeout(
            std::time::Duration::from_secs(15),
            builder.connect_on(stream),
        )
        .await
        .map_err(|_| endpoint.unreachable("no upgrade in 15 s"))?
        .map_err(|e| endpoint.unreachable(e))?;
        if answer.headers().get("sec-websocket-protocol") != Some(&protocol) {
            return Err(Error::Answer {
                server: endpoint.url().to_owned(),
                why: format!("it does not speak {}", codec.subprotocol()),
            });
        }
        Ok(Self {
            ws,
            codec,
            unflushed: false,
        })
    }

    /// Sends a frame and flushes it.
    ///
    /// # Errors
    /// The socket ended.
    pub async fn send(&mut self, frame: &Outgoing) -> Result<(), Closed> {
        poll_fn(|cx| Pin::new(&mut self.ws).poll_ready(cx))
            .await
            .map_err(Closed::why)?;
        Pin::new(&mut self.ws)
            .start_send(message(self.codec, frame))
            .map_err(Closed::why)?;
        poll_fn(|cx| Pin::new(&mut self.ws).poll_flush(cx))
            .await
            .map_err(Closed::why)
    }

    /// The next frame. Safe to drop while waiting.
    ///
    /// # Errors
    /// The socket ended, or what came is no frame.
    pub async fn recv(&mut self) -> Result<Incoming, Closed> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Sends what waits, as far as the socket takes it, and gives the next frame. Safe to drop
    /// while waiting: what was not taken stays in the queue. So a peer that reads slowly never
    /// keeps us from reading.
    ///
    /// # Errors
    /// The socket ended, or what came is no frame.
    pub async fn drive(&mut self, queue: &mut VecDeque<Outgoing>) -> Result<Incoming, Closed> {
        poll_fn(|cx| {
            self.poll_send(queue, cx)?;
            self.poll_recv(cx)
        })
        .await
    }

    fn poll_send(
        &mut self,
        queue: &mut VecDeque<Outgoing>,
        cx: &mut Context<'_>,
    ) -> Result<(), Closed> {
        while !queue.is_empty() {
            match Pin::new(&mut self.ws).poll_ready(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(e)) => return Err(Closed::why(e)),
                Poll::Ready(Ok(())) => {}
            }
            if let Some(frame) = queue.pop_front() {
                Pin::new(&mut self.ws)
                    .start_send(message(self.codec, &frame))
                    .map_err(Closed::why)?;
                self.unflushed = true;
            }
        }
        if self.unflushed
            && let Poll::Ready(done) = Pin::new(&mut self.ws).poll_flush(cx)
        {
            done.map_err(Closed::why)?;
            self.unflushed = false;
        }
        Ok(())
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, Closed>> {
        loop {
            let message = match Pin::new(&mut self.ws).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Err(Closed::why("the server hung up"))),
                Poll::Ready(Some(Err(e))) => return Poll::Ready(Err(Closed::why(e))),
                Poll::Ready(Some(Ok(message))) => message,
            };
            if let Some((code, reason)) = message.as_close() {
                return Poll::Ready(Err(Closed {
                    code: Some(u16::from(code)),
                    why: if reason.is_empty() {
                        format!("the server closed ({})", u16::from(code))
                    } else {
                        reason.to_owned()
                    },
                }));
            }
            if message.is_text() || message.is_binary() {
                return Poll::Ready(
                    Incoming::decode(self.codec, message.as_payload())
                        .map_err(|e| Closed::why(format!("a frame that cannot be read: {e}"))),
                );
            }
        }
    }

    /// Says goodbye, and waits a moment for the server to hear it.
    pub async fn close(mut self) {
        let bye = poll_fn(|cx| Pin::new(&mut self.ws).poll_close(cx));
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), bye).await;
    }
}

fn message(codec: Codec, frame: &Outgoing) -> Message {
    let bytes = frame.encode(codec);
    match codec {
        // JSON is UTF-8 by construction.
        Codec::Json => Message::text(String::from_utf8(bytes).unwrap_or_default()),
        Codec::MessagePack => Message::binary(bytes),
    }
}
