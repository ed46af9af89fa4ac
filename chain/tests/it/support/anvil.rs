//! The anvil binary as a child process.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use alloy::primitives::{B256, b256};
use alloy::providers::{Provider, RootProvider};

/// Keys of the first accounts that anvil funds. Worth nothing anywhere else.
pub(crate) const KEYS: [B256; 3] = [
    b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    b256!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
    b256!("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
];

/// A running chain; killed when dropped.
pub(crate) struct Anvil {
    child: Child,
    pub(crate) port: u16,
    /// For what a test does to the chain itself.
    pub(crate) rpc: RootProvider,
}

impl Anvil {
    /// A chain with id 31337 that mines each transaction at once.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = Command::new(binary())
            .args(["--port", "0", "--host", "127.0.0.1"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let port = lines
            .find_map(|line| listening_port(&line.expect("anvil writes text")))
            .expect("anvil says where it listens");
        // Nobody reads on; a full pipe would stop the chain.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://127.0.0.1:{port}").parse().expect("an address is a url");
        let rpc = RootProvider::new_http(url);
        rpc.client().set_poll_interval(std::time::Duration::from_millis(20));
        Self { child, port, rpc }
    }

    pub(crate) fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn ws(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listening_port(line: &str) -> Option<u16> {
    line.strip_prefix("Listening on ")?.rsplit_once(':')?.1.trim().parse().ok()
}

/// `ANVIL`, else what `scripts/tools/install.sh` has installed, else the one on the path.
fn binary() -> PathBuf {
    if let Some(path) = env::var_os("ANVIL") {
        return path.into();
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/tools/node_modules");
    let installed = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"]
        .map(|arch| tools.join(format!("@foundry-rs/anvil-{arch}/bin/anvil")));
    let on_path = env::var_os("PATH").unwrap_or_default();
    installed
        .into_iter()
        .chain(env::split_paths(&on_path).map(|folder| folder.join("anvil")))
        .find(|path| path.is_file())
        .expect("there is no anvil: run scripts/tools/install.sh, or set ANVIL to the binary")
}
