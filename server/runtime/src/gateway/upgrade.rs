//! From HTTP to WebSocket: who may upgrade, and to which codec.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use sha1::{Digest as _, Sha1};

use crate::http::answer::Failure;

/// RFC 6455, 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

fn has(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    headers.get_all(name).iter().any(|v| {
        v.to_str()
            .is_ok_and(|v| v.split(',').any(|w| w.trim().eq_ignore_ascii_case(word)))
    })
}

/// The codec of the first subprotocol named that is one of ours.
fn codec(headers: &HeaderMap) -> Option<Codec> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .find_map(|name| Codec::of(name.trim()))
}

/// Whether a page of this origin may connect: browsers send one, programs do not.
fn origin(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    if allowed
        .iter()
        .any(|a| a == "*" || a.trim_end_matches('/') == origin)
    {
        return true;
    }
    // A page that this node's own host served.
    let own = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    origin
        .split_once("://")
        .is_some_and(|(scheme, host)| scheme.starts_with("http") && Some(host) == own)
}

/// Checks an upgrade. Answers its codec, and the response that switches protocols.
///
/// # Errors
/// No WebSocket upgrade; an origin that may not; no subprotocol of ours.
pub(crate) fn check(
    headers: &HeaderMap,
    allowed: &[String],
) -> Result<(Codec, Response<Body>), Failure> {
    let bad = |why: &str| Failure::new(Code::BAD_REQUEST).why(why.to_owned());
    if !has(headers, header::CONNECTION, "upgrade") || !has(headers, header::UPGRADE, "websocket") {
        return Err(bad("this path is a WebSocket: upgrade to it"));
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .map(HeaderValue::as_bytes)
        != Some(b"13")
    {
        return Err(bad("`Sec-WebSocket-Version` must be 13"));
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .ok_or_else(|| bad("`Sec-WebSocket-Key` is missing"))?;
    if !origin(headers, allowed) {
        return Err(Code::ORIGIN.into());
    }
    let codec = codec(headers).ok_or(Code::SUBPROTOCOL)?;
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    let accept = STANDARD.encode(hash.finalize());
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .header(header::SEC_WEBSOCKET_PROTOCOL, codec.subprotocol())
        .body(Body::empty())
        .map_err(|_| bad("the upgrade could not be answered"))?;
    Ok((codec, response))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    const UPGRADE: [(&str, &str); 5] = [
        ("host", "chat.example"),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn the_example_of_the_rfc() {
        let mut list = UPGRADE.to_vec();
        list.push((
            "sec-websocket-protocol",
            "chat, parlour.v1.msgpack, parlour.v1.json",
        ));
        let (codec, response) = check(&headers(&list), &[]).unwrap();
        assert_eq!(codec, Codec::MessagePack);
        assert_eq!(
            response.headers()[header::SEC_WEBSOCKET_ACCEPT],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn origins() {
        let of = |o: &'static str| headers(&[("host", "chat.example"), ("origin", o)]);
        assert!(origin(&headers(&[]), &[]));
        assert!(origin(&of("https://chat.example"), &[]));
        assert!(!origin(&of("https://chat.example.evil"), &[]));
        assert!(!origin(&of("null"), &[]));
        assert!(origin(
            &of("https://a.example"),
            &["https://a.example/".into()]
        ));
        assert!(origin(&of("https://b.example"), &["*".into()]));
    }
}
