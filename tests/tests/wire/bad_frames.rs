//! Frames as they must not be, and what each gets.

use std::time::Duration;

use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, Server, client};
use parlour_tests::socket::Came;
use parlour_tests::{Node, PATIENCE, Socket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::CODECS;

#[tokio::test]
async fn the_first_frame_is_hello() {
    let node = Node::start();
    for codec in CODECS {
        let mut socket = Socket::open(&node.url, codec).await;
        socket.send(&Client::Ping(client::Ping { r#ref: 1 })).await;
        assert_eq!(socket.closed().await, Came::Closed(Code::HELLO_FIRST.0));
    }
    // Whatever is unknown before hello is refused as well.
    let mut socket = Socket::open(&node.url, Codec::Json).await;
    socket.send_text(r#"{"type":"shutdown"}"#).await;
    assert_eq!(socket.closed().await, Came::Closed(Code::HELLO_FIRST.0));
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let node = Node::start();
    for codec in CODECS {
        for token in ["", "made up", &"x".repeat(300)] {
            let mut socket = Socket::open(&node.url, codec).await;
            socket.hello(token).await;
            assert_eq!(socket.closed().await, Came::Closed(Code::BAD_TOKEN.0));
        }
    }
}

#[tokio::test]
async fn a_token_of_another_device_is_refused() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let mut socket = Socket::open(&node.url, Codec::Json).await;
    socket
        .send(&Client::Hello(client::Hello {
            token: ada.token,
            device: Some(bob.device),
            client: String::new(),
            features: Vec::new(),
        }))
        .await;
    assert_eq!(socket.closed().await, Came::Closed(Code::BAD_TOKEN.0));
}

#[tokio::test]
async fn hello_is_bounded_in_time_and_bytes() {
    let node = Node::with(&["--set", "limits.hello_ms=300"]);
    let mut silent = Socket::open(&node.url, Codec::Json).await;
    assert_eq!(silent.closed().await, Came::Closed(Code::HELLO_TIMEOUT.0));

    let mut large = Socket::open(&node.url, Codec::Json).await;
    large.hello(&"x".repeat(4_096)).await;
    assert_eq!(large.closed().await, Came::Closed(Code::FRAME_TOO_LARGE.0));
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_and_the_connection_stays() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    for (text, code, r#ref) in [
        (r#"{"type":"shutdown","ref":7}"#, Code::UNKNOWN_FRAME, 7),
        (r#"{"ref":7}"#, Code::BAD_FRAME, 7),
        ("[]", Code::BAD_FRAME, 0),
        ("[7]", Code::BAD_FRAME, 0),
        ("", Code::BAD_FRAME, 0),
        ("{\"type\":\"ping\"", Code::BAD_FRAME, 0),
        (r#"{"type":"ping","ref":"seven"}"#, Code::BAD_FRAME, 0),
        (r#"{"type":"send","ref":7}"#, Code::BAD_FRAME, 7),
        (r#"{"type":"send","id":"not an id"}"#, Code::BAD_FRAME, 0),
        (r#"{"type":"read","marks":{"x":1}}"#, Code::BAD_FRAME, 0),
        (
            r#"{"type":"history","conversation":5,"ref":8}"#,
            Code::BAD_FRAME,
            8,
        ),
    ] {
        socket.send_text(text).await;
        let told = socket
            .expect(|f| match f {
                Server::Error(e) => Some(e.clone()),
                _ => None,
            })
            .await;
        assert_eq!(told.code, code, "{text}");
        assert_eq!(told.r#ref, r#ref, "{text}");
        assert_eq!(told.name, code.name());
    }
    let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
    socket.send_text(&deep).await;
    assert_eq!(socket.error(0).await, Code::BAD_FRAME);
    // It still lives.
    socket.send(&Client::Ping(client::Ping { r#ref: 9 })).await;
    socket
        .expect(|f| match f {
            Server::Pong(p) if p.r#ref == 9 => Some(()),
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn what_follows_hello_without_waiting_is_answered_behind_welcome() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    for codec in CODECS {
        let mut socket = Socket::open(&node.url, codec).await;
        socket.hello(&ada.token.0).await;
        // More than may be held of one who is not known yet: it waits at the peer.
        for i in 1..=8 {
            let mut send = parlour_tests::socket::plain(&"x".repeat(60_000));
            send.to = Some(ada.user);
            send.r#ref = i;
            socket.send(&Client::Send(send)).await;
        }
        assert!(matches!(
            socket.next().await,
            Came::Frame(Server::Welcome(_))
        ));
        for i in 1..=8 {
            let answered = |f: &Server| match f {
                Server::Sent(s) if s.r#ref == i => Some(()),
                _ => None,
            };
            socket.expect(answered).await;
        }
    }
    // Of one whose token is wrong none of it is looked at.
    let mut socket = Socket::open(&node.url, Codec::Json).await;
    socket.hello("made up").await;
    socket.send_text(&"x".repeat(100_000)).await;
    assert_eq!(socket.closed().await, Came::Closed(Code::BAD_TOKEN.0));
}

#[tokio::test]
async fn unknown_fields_are_passed_over() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    socket
        .send_text(r#"{"type":"ping","ref":3,"of_a_later_version":{"a":[1,2,3]}}"#)
        .await;
    socket
        .expect(|f| match f {
            Server::Pong(p) if p.r#ref == 3 => Some(()),
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn an_oversized_frame_ends_the_connection() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    for codec in CODECS {
        let (mut socket, welcome) = Socket::connect(&node.url, &ada.token.0, codec).await;
        let most = usize::try_from(welcome.limits.client_frame_bytes).unwrap();
        match codec {
            Codec::Json => socket.send_text(&" ".repeat(most + 1)).await,
            Codec::MessagePack => socket.send_binary(vec![0; most + 1]).await,
        }
        assert_eq!(socket.closed().await, Came::Closed(Code::FRAME_TOO_LARGE.0));
    }
}

#[tokio::test]
async fn the_wrong_sort_of_message_is_a_breach() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    socket.send_binary(vec![1, 2, 3]).await;
    assert_eq!(socket.closed().await, Came::Closed(Code::PROTOCOL.0));
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::MessagePack).await;
    socket.send_text("{}").await;
    assert_eq!(socket.closed().await, Came::Closed(Code::PROTOCOL.0));
}

/// Upgrades by hand and gives the open socket.
async fn raw(url: &str, headers: &str) -> (TcpStream, String) {
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "GET /v1/socket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

/// The code of the close frame that comes next, other frames passed over.
async fn close_code(stream: &mut TcpStream) -> Option<u16> {
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await.ok()?;
        let mut len = u64::from(head[1] & 0x7f);
        if len == 126 {
            len = u64::from(stream.read_u16().await.ok()?);
        }
        let mut payload = vec![0; usize::try_from(len).ok()?];
        stream.read_exact(&mut payload).await.ok()?;
        if head[0] & 0x0f == 8 {
            return Some(u16::from_be_bytes([payload[0], payload[1]]));
        }
    }
}

#[tokio::test]
async fn bytes_that_break_the_protocol_end_the_connection() {
    let node = Node::start();
    let json = "Sec-WebSocket-Protocol: parlour.v1.json\r\n";
    // FIN + text, masked with zeros: text that is not UTF-8. Then: not masked; a reserved bit; a
    // reserved opcode; a ping of 126 bytes; a continuation of nothing.
    let cases: [&[u8]; 6] = [
        &[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe],
        &[0x81, 0x02, b'{', b'}'],
        &[0xc1, 0x80, 0, 0, 0, 0],
        &[0x83, 0x80, 0, 0, 0, 0],
        &[0x89, 0xfe, 0, 126, 0, 0, 0, 0],
        &[0x80, 0x80, 0, 0, 0, 0],
    ];
    for bytes in cases {
        let (mut stream, head) = raw(&node.url, json).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        stream.write_all(bytes).await.unwrap();
        let code = tokio::time::timeout(PATIENCE, close_code(&mut stream))
            .await
            .unwrap();
        assert_eq!(code, Some(Code::PROTOCOL.0), "{bytes:x?}");
    }
}

#[tokio::test]
async fn a_fragmented_frame_is_one_frame_and_is_bounded() {
    let node = Node::start();
    let (mut stream, _) = raw(&node.url, "Sec-WebSocket-Protocol: parlour.v1.json\r\n").await;
    // `{"type":"ping"}` before hello, in fragments with empty ones between: one frame, 4004.
    let text = br#"{"type":"ping"}"#;
    let mut bytes = Vec::new();
    for (i, part) in text.chunks(4).enumerate() {
        bytes.push(if i == 0 { 0x01 } else { 0x00 });
        bytes.push(0x80 | u8::try_from(part.len()).unwrap());
        bytes.extend([0; 4]);
        bytes.extend(part);
        bytes.extend([0x00, 0x80, 0, 0, 0, 0]);
    }
    bytes.extend([0x80, 0x80, 0, 0, 0, 0]);
    stream.write_all(&bytes).await.unwrap();
    let code = tokio::time::timeout(PATIENCE, close_code(&mut stream))
        .await
        .unwrap();
    assert_eq!(code, Some(Code::HELLO_FIRST.0));
}

#[tokio::test]
async fn upgrades_are_checked() {
    let node = Node::with(&["--set", "http.origins=https://chat.example"]);
    let host = node.url.strip_prefix("http://").unwrap().to_owned();
    let json = "Sec-WebSocket-Protocol: parlour.v1.json\r\n";
    for (headers, status, code) in [
        (String::new(), "400", "4009"),
        ("Sec-WebSocket-Protocol: chat\r\n".into(), "400", "4009"),
        (
            format!("{json}Origin: https://evil.example\r\n"),
            "403",
            "4008",
        ),
        (format!("{json}Origin: null\r\n"), "403", "4008"),
    ] {
        let (mut stream, head) = raw(&node.url, &headers).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{headers}: {head}"
        );
        let len = head
            .lines()
            .find_map(|l| {
                l.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap();
        let mut body = vec![0; len];
        stream.read_exact(&mut body).await.unwrap();
        assert!(String::from_utf8(body).unwrap().contains(code), "{headers}");
    }
    for good in [
        json.to_owned(),
        format!("{json}Origin: https://chat.example\r\n"),
        format!("{json}Origin: http://{host}\r\n"),
        "Sec-WebSocket-Protocol: chat, parlour.v1.msgpack\r\n".into(),
    ] {
        let (_, head) = raw(&node.url, &good).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{good}: {head}");
    }
    // No upgrade at all.
    let answer = node.http().get("/v1/socket").await;
    assert_eq!(answer.status, 400, "{}", answer.body);
}

#[tokio::test]
async fn a_request_that_never_ends_is_given_up() {
    let node = Node::with(&["--set", "http.upgrade_ms=300"]);
    let host = node.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "it was left open");
}

#[tokio::test]
async fn sockets_without_a_word_are_bounded_by_address() {
    let node = Node::with(&["--set", "http.unauthenticated_per_address=4"]);
    let ada = {
        // Signing up takes a socket too, and leaves it idle for a moment.
        let ada = node.sign_up("ada").await;
        let (socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
        drop(socket);
        ada
    };
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..12 {
        match Socket::try_open(&node.url, Codec::Json).await {
            Ok(socket) => held.push(socket),
            Err(_) => refused += 1,
        }
    }
    assert!(refused >= 8, "{refused} of 12 were refused");
    // Those who say who they are make room.
    for socket in &mut held {
        socket.hello(&ada.token.0).await;
        assert!(matches!(
            socket.next().await,
            Came::Frame(Server::Welcome(_)) | Came::Closed(_)
        ));
    }
    let room = tokio::time::timeout(Duration::from_secs(10), async {
        while Socket::try_open(&node.url, Codec::Json).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    assert!(room.await.is_ok(), "no room was made");
}
