//! One WebSocket: messages in, batches of frames out, and an end with a code of ours.
//!
//! Whatever breaks the protocol becomes a [`Code`]; nothing a peer sends is an error of the node.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_websockets::{CloseCode, Error, Limits, Message, Payload, WebSocketStream};

use crate::telemetry;

/// How long a peer may take to hear that it is closed.
const LINGER: Duration = Duration::from_secs(2);
/// What a peer may still send meanwhile.
const LINGER_BYTES: usize = 1024 * 1024;

/// What came.
pub enum Came {
    /// A frame's bytes, of the codec's own sort.
    Frame(Payload),
    /// A ping or pong of the protocol: the peer lives.
    Alive,
    /// The peer closed it or is gone.
    Gone,
    /// The peer broke a rule: close it with this.
    Breach(Code),
}

/// One WebSocket.
pub struct Wire {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    codec: Codec,
    /// Whether bytes of a frame may still wait to be written.
    written: bool,
    /// Whether the library wants to close in its own words.
    breached: bool,
}

impl Wire {
    /// Takes an upgraded connection over; frames may have so many bytes.
    pub fn new(io: Upgraded, codec: Codec, most: usize) -> Self {
        let limits = Limits::default().max_payload_len(Some(most));
        // Whatever is fed is written by `flush`: one write for what is ready, not one a frame.
        let config = tokio_websockets::Config::default().flush_threshold(usize::MAX);
        Self {
            stream: tokio_websockets::ServerBuilder::new()
                .limits(limits)
                .config(config)
                .serve(TokioIo::new(io)),
            codec,
            written: true,
            breached: false,
        }
    }

    /// Frames may have so many bytes from now on.
    pub fn set_most(&mut self, most: usize) {
        self.stream.limits_mut().set_max_payload_len(Some(most));
    }

    /// The next that comes. Safe to be dropped and called again.
    pub async fn next(&mut self) -> Came {
        let message = match self.stream.next().await {
            None => return Came::Gone,
            Some(Ok(message)) => message,
            Some(Err(error)) => {
                self.breached = true;
                return match error {
                    Error::Protocol(_) => Came::Breach(Code::PROTOCOL),
                    Error::PayloadTooLong { .. } => Came::Breach(Code::FRAME_TOO_LARGE),
                    _ => Came::Gone,
                };
            }
        };
        if message.is_close() {
            return Came::Gone;
        }
        if message.is_ping() || message.is_pong() {
            return Came::Alive;
        }
        metrics::counter!(telemetry::FRAMES_IN).increment(1);
        if message.is_text() == (self.codec == Codec::Json) {
            Came::Frame(message.into_payload())
        } else {
            Came::Breach(Code::PROTOCOL)
        }
    }

    /// Takes a frame to be written with the next `flush`.
    ///
    /// # Errors
    /// The peer is gone.
    pub async fn feed(&mut self, frame: Bytes) -> Result<(), Error> {
        metrics::counter!(telemetry::FRAMES_OUT).increment(1);
        metrics::counter!(telemetry::BYTES_OUT).increment(frame.len() as u64);
        self.written = false;
        let message = match self.codec {
            // Our own JSON is UTF-8; it is looked at once more here, which costs little.
            Codec::Json => Message::text(Payload::from(frame)),
            Codec::MessagePack => Message::binary(Payload::from(frame)),
        };
        self.stream.feed(message).await
    }

    /// Writes what was fed. Safe to be dropped and called again.
    ///
    /// # Errors
    /// The peer is gone.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.stream.flush().await?;
        self.written = true;
        Ok(())
    }

    /// Ends it with a code of ours, within a moment, and waits until the peer has heard it.
    pub async fn close(self, code: Code, reason: &str) {
        let _ = tokio::time::timeout(LINGER, self.say_goodbye(code, reason)).await;
    }

    async fn say_goodbye(mut self, code: Code, reason: &str) {
        let mut io = if self.breached {
            if !self.written {
                return;
            }
            // The library would close with a code of its own: the frame is written by hand.
            let mut io = self.stream.into_inner();
            let reason = &reason.as_bytes()[..reason.len().min(100)];
            let mut frame = vec![0x88, u8::try_from(2 + reason.len()).unwrap_or(2)];
            frame.extend(code.0.to_be_bytes());
            frame.extend(reason);
            if io.write_all(&frame).await.is_err() {
                return;
            }
            io
        } else {
            let close = Message::close(CloseCode::try_from(code.0).ok(), reason);
            if self.stream.send(close).await.is_err() {
                return;
            }
            self.stream.into_inner()
        };
        // Closing with bytes unread would make the kernel take back what was just written.
        if io.shutdown().await.is_err() {
            return;
        }
        let (mut sink, mut total) = ([0; 4096], 0);
        while let Ok(n) = io.read(&mut sink).await {
            total += n;
            if n == 0 || total > LINGER_BYTES {
                return;
            }
        }
    }
}
