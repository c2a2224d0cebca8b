//! A stand-in for `websocat`, for the test that does what `docs/protocol.md` says on a machine
//! where the real one cannot be had (Debian 12 has no package of it).
//!
//! It does the one thing that the page uses: lines of standard input become text frames, and
//! text frames become lines of standard output. `--protocol NAME` asks for a subprotocol, `-H
//! 'NAME: VALUE'` adds a header, `-n` leaves the connection open when the input ends, `-1` ends
//! after one frame each way; `-t`, `-q` and `-E` change nothing here.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_websockets::{ClientBuilder, CloseCode, Message};

#[derive(Default)]
struct Asked {
    url: String,
    headers: Vec<(String, String)>,
    stay: bool,
    one: bool,
}

fn arguments() -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = |of: &str| args.next().ok_or(format!("{of} takes a value"));
        match arg.as_str() {
            "--protocol" => asked
                .headers
                .push(("sec-websocket-protocol".into(), value("--protocol")?)),
            "-H" | "--header" => {
                let header = value("-H")?;
                let (name, value) = header.split_once(':').ok_or("-H 'NAME: VALUE'")?;
                asked
                    .headers
                    .push((name.trim().into(), value.trim().into()));
            }
            "-n" | "--no-close" => asked.stay = true,
            "-1" | "--one-message" => asked.one = true,
            "-t" | "--text" | "-q" | "-E" | "--exit-on-eof" => {}
            _ if arg.starts_with("--protocol=") => asked.headers.push((
                "sec-websocket-protocol".into(),
                arg["--protocol=".len()..].into(),
            )),
            _ if arg.starts_with('-') => {
                return Err(format!("{arg} is not known to this stand-in"));
            }
            _ => asked.url = arg,
        }
    }
    if asked.url.is_empty() {
        return Err("an address is missing".into());
    }
    Ok(asked)
}

async fn run() -> Result<(), String> {
    let asked = arguments()?;
    let uri = asked
        .url
        .parse()
        .map_err(|e| format!("{}: {e}", asked.url))?;
    let mut builder = ClientBuilder::from_uri(uri);
    for (name, value) in asked.headers {
        builder = builder
            .add_header(
                name.parse().map_err(|_| format!("{name}: no header"))?,
                value.parse().map_err(|_| format!("{value}: no header"))?,
            )
            .map_err(|e| e.to_string())?;
    }
    let (mut socket, _) = builder.connect().await.map_err(|e| e.to_string())?;
    // One line waits at most: a pipe that is faster than the socket is held back.
    let (lines, mut input) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let (mut ended, mut said) = (false, false);
    loop {
        tokio::select! {
            line = input.recv(), if !(ended || asked.one && said) => match line {
                Some(line) => {
                    said = true;
                    socket.send(Message::text(line)).await.map_err(|e| e.to_string())?;
                }
                None => {
                    ended = true;
                    if !asked.stay && !asked.one {
                        let close = Message::close(Some(CloseCode::NORMAL_CLOSURE), "");
                        socket.send(close).await.map_err(|e| e.to_string())?;
                    }
                }
            },
            message = socket.next() => match message {
                None => return Ok(()),
                Some(Err(e)) => return Err(e.to_string()),
                Some(Ok(message)) => {
                    if let Some((code, reason)) = message.as_close() {
                        let code = u16::from(code);
                        if code != 1000 {
                            eprintln!("websocat: closed by the server: {code} {reason}");
                        }
                    } else if let Some(text) = message.as_text() {
                        let mut out = std::io::stdout().lock();
                        writeln!(out, "{text}").map_err(|e| e.to_string())?;
                        out.flush().map_err(|e| e.to_string())?;
                        if asked.one {
                            return Ok(());
                        }
                    }
                }
            },
        }
    }
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("websocat: {e}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(run());
    // The thread that reads the input may still wait for a line: the process does not.
    match done {
        Ok(()) => std::process::exit(0),
        Err(e) => {
            eprintln!("websocat: {e}");
            std::process::exit(1)
        }
    }
}
