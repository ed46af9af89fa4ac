//! The development chain as a child process.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use alloy::primitives::{B256, b256};
use alloy::providers::{Provider, RootProvider};

/// Keys of the first accounts that anvil funds. Worth nothing anywhere else.
pub const ACCOUNTS: [B256; 8] = [
    b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    b256!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
    b256!("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
    b256!("7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"),
    b256!("47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a"),
    b256!("8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba"),
    b256!("92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e"),
    b256!("4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356"),
];

/// A running chain; killed when dropped.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    /// Where it listens on loopback.
    pub port: u16,
    args: Vec<String>,
    /// For what a test does to the chain itself.
    pub rpc: RootProvider,
}

impl Anvil {
    /// A chain with id 31337 that mines each transaction at once.
    ///
    /// # Panics
    /// When anvil is not installed or does not start: the test cannot go on.
    #[must_use]
    pub fn start(args: &[&str]) -> Self {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let (child, port) = spawn(0, &args);
        let url = format!("http://127.0.0.1:{port}").parse().expect("an address is a url");
        let rpc = RootProvider::new_http(url);
        rpc.client().set_poll_interval(Duration::from_millis(20));
        Self { child, port, args, rpc }
    }

    /// Its endpoint for polling.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its endpoint for subscriptions.
    #[must_use]
    pub fn ws(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Stops the process. With `--state` among the arguments it keeps its blocks.
    pub fn stop(&mut self) {
        // Anvil writes its state when it is interrupted, not when it is killed.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn resume(&mut self) {
        self.child = spawn(self.port, &self.args).0;
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, args: &[String]) -> (Child, u16) {
    let mut child = Command::new(binary())
        .args(["--port", &port.to_string(), "--host", "127.0.0.1"])
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("anvil starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let port = lines
        .find_map(|line| {
            let line = line.expect("anvil writes text");
            line.strip_prefix("Listening on ")?.rsplit_once(':')?.1.trim().parse().ok()
        })
        .expect("anvil says where it listens");
    // Nobody reads on; a full pipe would stop the chain.
    std::thread::spawn(move || lines.for_each(drop));
    (child, port)
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
