//! TLS with a certificate of one's own, for HTTP and for the socket.

use parlour_sdk::{Client, Config, Endpoint, Error, Http, Store};
use parlour_tests::Node;
use parlour_tests::tls::certificate;

use crate::{place, soon, text};

#[tokio::test]
async fn a_certificate_of_one_s_own_is_trusted_where_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path(), false);
    let text_of = |p: &std::path::Path| p.display().to_string();
    let node = Node::with(&["--tls-cert", &text_of(&cert), "--tls-key", &text_of(&key)]);

    let stranger = Endpoint::new(&node.url).unwrap();
    let refused = Http::new(&stranger)
        .log_in("ada", "password of ada", "x")
        .await;
    let Err(error @ Error::Untrusted { .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(error.to_string().contains("--ca FILE"), "{error}");
    let plain = node.url.replace("https://", "http://");
    let refused = Http::new(&Endpoint::new(&plain).unwrap())
        .log_in("ada", "password of ada", "x")
        .await;
    assert!(
        matches!(refused, Err(Error::Unreachable { .. })),
        "{refused:?}"
    );
    let by_name = node.url.replace("127.0.0.1", "localhost");
    let endpoint = Endpoint::with_roots(&by_name, std::slice::from_ref(&cert)).unwrap();
    let refused = Http::new(&endpoint)
        .log_in("ada", "password of ada", "x")
        .await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("another name than localhost"), "{error}");

    let endpoint = Endpoint::with_roots(&node.url, std::slice::from_ref(&cert)).unwrap();
    let request = parlour_protocol::http::SignUp {
        name: "ada".to_owned(),
        password: parlour_protocol::frame::client::Token("password of ada".to_owned()),
        display: None,
        invitation: None,
        device_name: String::new(),
    };
    let session = Http::new(&endpoint).sign_up(&request).await.unwrap();
    // A device that was logged in before remembers whom it is told to trust.
    let folder = dir.path().join("device");
    let mut data = parlour_sdk::Data::open(&folder).unwrap();
    data.keep(&stranger, &session).unwrap();
    data.trust(std::slice::from_ref(&cert)).unwrap();
    drop(data);
    let data = parlour_sdk::Data::open(&folder).unwrap();
    let (kept, _) = data.session().unwrap().unwrap();
    assert_eq!(kept.roots(), std::slice::from_ref(&cert));
    assert_eq!(
        Http::with_token(&kept, &session.token)
            .me()
            .await
            .unwrap()
            .name,
        "ada"
    );
    let client = Client::connect(Config::new(endpoint, session, Store::Memory))
        .await
        .unwrap();
    soon(client.live()).await.unwrap();
    let group = client.create_group("g", &[]).await.unwrap().conversation;
    place(&client, text(group, "over TLS")).await;

    let nowhere = Endpoint::with_roots(&node.url, &[dir.path().join("no.pem")]);
    assert!(
        matches!(nowhere, Err(Error::Certificate { .. })),
        "{nowhere:?}"
    );
    let no_certificate = Endpoint::with_roots(&node.url, std::slice::from_ref(&key));
    assert!(matches!(no_certificate, Err(Error::Certificate { .. })));
}

/// Who shows an authority's certificate as a server's is told what to do about it. The check says
/// it in a type of its own, known here by its words alone: a version with others is seen here.
#[tokio::test]
async fn an_authority_s_certificate_is_named_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path(), true);
    let text_of = |p: &std::path::Path| p.display().to_string();
    let node = Node::with(&["--tls-cert", &text_of(&cert), "--tls-key", &text_of(&key)]);
    let endpoint = Endpoint::with_roots(&node.url, std::slice::from_ref(&cert)).unwrap();
    let refused = Http::new(&endpoint)
        .log_in("ada", "password of ada", "x")
        .await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("authority's (CA:TRUE)"), "{error}");
}
