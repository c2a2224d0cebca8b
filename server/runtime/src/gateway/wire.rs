//! One WebSocket: messages in, batches of frames out, and an end with a code of ours.
//!
//! Whatever breaks the protocol becomes a [`Code`]; nothing a peer sends is an error of the node.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink as _, SinkExt as _, Stream as _};
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

/// Bytes handed to the socket at once. What waits behind them is still ours, and counted.
const BATCH_BYTES: usize = 64 * 1024;

/// What happened at the socket.
pub(crate) enum Turn {
    /// A batch was written.
    Wrote {
        /// Frames.
        frames: u64,
        /// Bytes.
        bytes: u64,
    },
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
pub(crate) struct Wire {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    codec: Codec,
    /// Frames that are not handed to the socket yet. The connection's machine bounds them.
    waiting: VecDeque<Arc<[u8]>>,
    /// Frames and bytes of the batch that is being written.
    batch: (u64, u64),
    /// Whether the library wants to close in its own words.
    breached: bool,
    /// Whether anything is read. What is not waits at the peer, once the kernel's buffers are full.
    reading: bool,
}

impl Wire {
    /// Takes an upgraded connection over; frames may have so many bytes.
    pub(crate) fn new(io: Upgraded, codec: Codec, most: usize) -> Self {
        let limits = Limits::default().max_payload_len(Some(most));
        // What is queued is written when it is flushed: one write for a batch, not one a frame.
        let config = tokio_websockets::Config::default().flush_threshold(usize::MAX);
        Self {
            stream: tokio_websockets::ServerBuilder::new()
                .limits(limits)
                .config(config)
                .serve(TokioIo::new(io)),
            codec,
            waiting: VecDeque::new(),
            batch: (0, 0),
            breached: false,
            reading: true,
        }
    }

    /// Whether anything is read from now on.
    pub(crate) fn set_reading(&mut self, reading: bool) {
        self.reading = reading;
    }

    /// Frames may have so many bytes from now on.
    pub(crate) fn set_most(&mut self, most: usize) {
        self.stream.limits_mut().set_max_payload_len(Some(most));
    }

    /// Takes a frame to be written.
    pub(crate) fn push(&mut self, frame: Arc<[u8]>) {
        self.waiting.push_back(frame);
    }

    /// The next thing that happens: a batch was written, or something came. Writing goes on while
    /// nothing comes, and reading while nothing is taken. Safe to be dropped and called again.
    pub(crate) async fn turn(&mut self) -> Turn {
        poll_fn(|cx| self.poll_turn(cx)).await
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        match self.poll_write(cx) {
            Poll::Ready(Some((frames, bytes))) => {
                return Poll::Ready(Turn::Wrote { frames, bytes });
            }
            Poll::Ready(None) => return Poll::Ready(Turn::Gone),
            Poll::Pending => {}
        }
        if !self.reading {
            return Poll::Pending;
        }
        let message = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
            None => return Poll::Ready(Turn::Gone),
            Some(Ok(message)) => message,
            Some(Err(error)) => {
                self.breached = true;
                return Poll::Ready(match error {
                    Error::Protocol(_) => Turn::Breach(Code::PROTOCOL),
                    Error::PayloadTooLong { .. } => Turn::Breach(Code::FRAME_TOO_LARGE),
                    _ => Turn::Gone,
                });
            }
        };
        Poll::Ready(if message.is_close() {
            Turn::Gone
        } else if message.is_ping() || message.is_pong() {
            Turn::Alive
        } else {
            metrics::counter!(telemetry::FRAMES_IN).increment(1);
            if message.is_text() == (self.codec == Codec::Json) {
                Turn::Frame(message.into_payload())
            } else {
                Turn::Breach(Code::PROTOCOL)
            }
        })
    }

    /// Writes the batch that is under way, or begins one. Pending as well if there is none.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Option<(u64, u64)>> {
        while self.batch.1 < BATCH_BYTES as u64
            && let Some(frame) = self.waiting.pop_front()
        {
            self.batch.0 += 1;
            self.batch.1 += frame.len() as u64;
            let payload = Payload::from(Bytes::from_owner(frame));
            let message = match self.codec {
                Codec::Json => Message::text(payload),
                Codec::MessagePack => Message::binary(payload),
            };
            if Pin::new(&mut self.stream).start_send(message).is_err() {
                return Poll::Ready(None);
            }
        }
        if self.batch.0 == 0 {
            return Poll::Pending;
        }
        match ready!(Pin::new(&mut self.stream).poll_flush(cx)) {
            Ok(()) => {
                let wrote = std::mem::take(&mut self.batch);
                metrics::counter!(telemetry::FRAMES_OUT).increment(wrote.0);
                metrics::counter!(telemetry::BYTES_OUT).increment(wrote.1);
                Poll::Ready(Some(wrote))
            }
            Err(_) => Poll::Ready(None),
        }
    }

    /// Writes all that waits.
    async fn drain(&mut self) -> bool {
        while self.batch.0 > 0 || !self.waiting.is_empty() {
            if poll_fn(|cx| self.poll_write(cx)).await.is_none() {
                return false;
            }
        }
        true
    }

    /// Ends it with a code of ours, within a moment, and waits until the peer has heard it.
    pub(crate) async fn close(self, code: Code, reason: &str) {
        let _ = tokio::time::timeout(LINGER, self.say_goodbye(code, reason)).await;
    }

    async fn say_goodbye(mut self, code: Code, reason: &str) {
        let mut io = if self.breached {
            // Amid a frame that is half written nothing more can be said.
            if self.batch.0 > 0 {
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
            if !self.drain().await {
                return;
            }
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
