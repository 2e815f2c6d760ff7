//! At a terminal: colours, a bar for what takes its time, and credentials that are asked for unseen.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::TcpListener,
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};
use serde_json::Value;

use super::{done, gateway};
use crate::world::{FakeBackend, Fault, Gateway, eventually};

/// Takes a line of the terminal away.
const CLEARED: &str = "\u{1b}[2K";

/// A terminal with a program at it.
struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    program: Child,
    watcher: JoinHandle<()>,
}

impl Terminal {
    /// Starts a command without any but the given variables.
    fn new(gateway: &Gateway, command: &str, variables: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let open = || rustix::fs::open(path.as_c_str(), flags, Mode::empty()).unwrap();
        let program = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
            .args(command.split_whitespace())
            .current_dir(gateway.folder())
            .env_clear()
            .env("TERM", "xterm")
            .env("MCP_GATEWAY_URL", gateway.url(""))
            .envs(variables.iter().copied())
            .stdin(open())
            .stdout(open())
            .stderr(open())
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let mut printed = keyboard.try_clone().unwrap();
        let fills = Arc::clone(&screen);
        let watcher = thread::spawn(move || {
            let mut part = [0; 4096];
            // It fails when the last program has left.
            while let Ok(read @ 1..) = printed.read(&mut part) {
                fills.lock().unwrap().extend_from_slice(&part[..read]);
            }
        });
        Self {
            keyboard,
            screen,
            program,
            watcher,
        }
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    async fn shows(&self, words: &str) {
        eventually(words, async || self.screen().contains(words)).await;
    }

    /// Whether it shows what is typed.
    fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    }

    fn type_line(&mut self, line: &str) {
        self.keyboard
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    /// Waits for the program's end: its code, and all that was shown.
    fn ended(mut self) -> (i32, String) {
        let code = self.program.wait().unwrap().code().unwrap();
        self.watcher.join().unwrap();
        let shown = self.screen.lock().unwrap();
        (code, String::from_utf8_lossy(&shown).into_owned())
    }
}

#[tokio::test]
async fn colours_are_for_terminals_and_not_for_those_who_want_none() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    done(&gateway, &["session", "create", "docs", "--name=team"], &[]);
    for (command, title) in [
        ("session list", "\u{1b}[1msession"),
        ("check --connect", "\u{1b}[32mok"),
    ] {
        let (_, coloured) = Terminal::new(&gateway, command, &[]).ended();
        assert!(coloured.contains(title), "{coloured:?}");
    }
    let (_, plain) = Terminal::new(&gateway, "session list", &[("NO_COLOR", "1")]).ended();
    assert!(
        plain.contains("team") && !plain.contains('\u{1b}'),
        "{plain:?}"
    );
    let (_, json) = Terminal::new(&gateway, "session list --json", &[]).ended();
    assert!(serde_json::from_str::<Value>(&json).is_ok(), "{json:?}");
}

#[tokio::test]
async fn what_takes_its_time_shows_how_far_it_is_and_leaves_nothing_behind() {
    let (quick, slow) = (FakeBackend::legacy().start(), FakeBackend::legacy().start());
    slow.inject(Fault::Hold);
    let gateway = Gateway::setup()
        .provider_with("slow", &slow, "timeouts: { handshake: 5m, call: 5m }")
        .provider("quick", &quick)
        .start();
    let terminal = Terminal::new(&gateway, "check --connect", &[]);
    terminal.shows("asking providers").await;
    terminal.shows(" 1/2").await;
    slow.release();
    let (code, shown) = terminal.ended();
    assert_eq!(code, 0, "{shown}");
    let (before, table) = shown.rsplit_once(CLEARED).unwrap();
    assert!(before.contains("asking providers"), "{shown:?}");
    assert!(
        !table.contains("asking providers") && table.contains("says"),
        "{table:?}"
    );
}

#[tokio::test]
async fn a_gateway_that_takes_its_time_is_waited_for_in_sight() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", busy.local_addr().unwrap());
    let variables = [("MCP_GATEWAY_URL", url.as_str())];
    let terminal = Terminal::new(&gateway, "session list", &variables);
    let connected = busy.accept().unwrap();
    terminal.shows(&format!("waiting for {url}, for")).await;
    drop((busy, connected));
    let (code, shown) = terminal.ended();
    let (_, said) = shown.rsplit_once(CLEARED).unwrap();
    assert!(said.contains("no gateway answers"), "{shown:?}");
    assert_eq!(code, 3);
}

#[tokio::test]
async fn a_credential_is_asked_for_unseen() {
    const SECRET: &str = "hf_S3cr3t";
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let mut terminal = Terminal::new(&gateway, "session create docs vault", &[]);
    terminal.shows("Credential of vault (not shown): ").await;
    // From then on it is read, and not shown.
    eventually("the terminal to hide what is typed", async || {
        !terminal.echoes()
    })
    .await;
    terminal.type_line(SECRET);
    let keyboard = terminal.keyboard.try_clone().unwrap();
    let (code, shown) = terminal.ended();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("made, at"), "{shown:?}");
    assert!(!shown.contains(SECRET), "{shown:?}");
    let modes = tcgetattr(&keyboard).unwrap().local_modes;
    assert!(modes.contains(LocalModes::ECHO), "as it was before");
    backend
        .until("the credential", |it| {
            let requests = it.requests_of("initialize");
            let shown = requests.iter().map(|it| it.header("authorization"));
            shown.flatten().any(|it| it == format!("Bearer {SECRET}"))
        })
        .await;
}
