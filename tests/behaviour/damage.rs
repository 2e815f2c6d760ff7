//! A database that must not be used: the program says why, ends with an error, and leaves every file
//! as it was.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Instant,
};

use sea_orm::{
    ConnectionTrait, Database, DatabaseConnection,
    sea_query::{ColumnDef, Query, Table},
};
use serde_json::json;
use tempfile::TempDir;

use crate::world::{Client, FakeBackend, Gateway, PATIENCE};

/// How the program ends when it cannot start.
const FAILURE: i32 = 1;
/// Somebody who is not root: whom permissions hold.
const NOBODY: u32 = 65534;

const PAGE: usize = 4096;
const LISTENING: &str = "listening on";

/// A folder as a gateway left it: with a database of many pages, its key and its registry.
struct Home {
    folder: TempDir,
}

impl Home {
    async fn new() -> Self {
        let backend = FakeBackend::modern().start();
        let mut gateway = Gateway::setup()
            .provider_with("it", &backend, "auth: { type: bearer }")
            .start();
        let name = "n".repeat(100);
        for _ in 0..100 {
            let request = json!({"servers": ["it"], "name": name,
                "credentials": {"it": {"token": "secret"}}});
            gateway.create_session(&request).await;
        }
        gateway.stop();
        let home = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (name, bytes) in contents(gateway.folder()) {
            fs::write(home.file(&name), bytes).unwrap();
            let private = fs::Permissions::from_mode(0o600);
            fs::set_permissions(home.file(&name), private).unwrap();
        }
        home
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn database(&self) -> Vec<u8> {
        fs::read(self.file("gateway.db")).unwrap()
    }

    async fn intruder(&self) -> DatabaseConnection {
        let url = format!("sqlite://{}?mode=rwc", self.file("gateway.db").display());
        Database::connect(url).await.unwrap()
    }

    fn program(&self, database: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
        command
            .args(["--port=0", "--database-url"])
            .arg(format!("sqlite://{database}?mode=rwc"))
            .current_dir(self.folder.path())
            .env_clear();
        command
    }

    /// Fails unless the program refuses to start, says all of `words`, and changes no file.
    fn assert_refused(&self, words: &[&str]) {
        self.assert_ends(self.program("gateway.db"), words);
    }

    fn assert_ends(&self, mut command: Command, words: &[&str]) {
        let before = contents(self.folder.path());
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = process.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                process.kill().unwrap();
            }
            thread::sleep(std::time::Duration::from_millis(10));
        };
        let told = std::io::read_to_string(process.stderr.take().unwrap()).unwrap();
        assert_eq!(status.code(), Some(FAILURE), "{words:?}: {told}");
        let last = told.lines().last().unwrap();
        assert!(last.starts_with("mcp-gateway: "), "{told}");
        for word in words {
            assert!(last.contains(word), "no {word} in: {told}");
        }
        assert!(!told.contains("panicked"), "{told}");
        assert!(contents(self.folder.path()) == before, "{words:?}: changed");
    }

    /// Starts the program and kills it if it listens; gives its exit code and what it said.
    fn start(&self) -> (Option<i32>, String) {
        let mut process = self
            .program("gateway.db")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let (says, said) = mpsc::channel();
        let reader = thread::spawn(move || {
            let lines = stderr.lines().map_while(Result::ok);
            // Nobody listens any more once the program was given up.
            lines.map(|line| says.send(line)).all(|sent| sent.is_ok());
        });
        let (begun, mut told) = (Instant::now(), String::new());
        let gives_up = loop {
            match said.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                Ok(line) => {
                    told.push_str(&line);
                    told.push('\n');
                    if line.contains(LISTENING) {
                        process.kill().unwrap();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break false,
                Err(RecvTimeoutError::Timeout) => break true,
            }
        };
        if gives_up {
            process.kill().unwrap();
        }
        let status = process.wait().unwrap();
        reader.join().unwrap();
        assert!(!gives_up, "it neither listened nor ended: {told}");
        (status.code(), told)
    }
}

/// What stands in the files of a folder. An index that SQLite makes out of the rest does not count,
/// nor does a log without anything in it.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_none_or(|it| it != "db-shm"));
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .filter(|(name, bytes)| !name.ends_with("-wal") || !bytes.is_empty())
        .collect()
}

#[tokio::test]
async fn a_damaged_database_stops_the_start_and_stays_as_it_is() {
    let home = Home::new().await;
    let whole = home.database();
    assert!(whole.len() > 12 * PAGE, "{} bytes", whole.len());
    let mut no_database = whole.clone();
    no_database[..16].copy_from_slice(b"something else!!");
    let mut torn = whole.clone();
    torn[whole.len() - 3 * PAGE..][..PAGE].fill(0x5a);
    let mut other_size = whole.clone();
    other_size[16..18].copy_from_slice(&[3, 3]);
    let cut = whole[..whole.len() / 2].to_vec();
    let letter = b"this is a letter, not a database".repeat(40);
    for damaged in [no_database, torn, other_size, cut, letter] {
        fs::write(home.file("gateway.db"), damaged).unwrap();
        home.assert_refused(&["is damaged", "restore a backup", "nothing was changed"]);
    }
}

/// A byte here or there may mean nothing; whatever it does, it ends in no panic and no half start.
#[tokio::test]
async fn flipped_bytes_are_survived_or_refused() {
    let home = Home::new().await;
    let whole = home.database();
    let mut refused = 0;
    for place in [18, 20, 21, 28, 44, 52, 56, 100, 103, 105, 108] {
        let mut flipped = whole.clone();
        flipped[place] ^= 0xff;
        fs::write(home.file("gateway.db"), &flipped).unwrap();
        let (code, told) = home.start();
        assert!(!told.contains("panicked"), "{place}: {told}");
        if code == Some(FAILURE) {
            refused += 1;
            assert!(home.database() == flipped, "{place}: changed: {told}");
        }
    }
    assert!(refused >= 5, "{refused} refused");
}

#[tokio::test]
async fn a_database_of_somebody_else_stops_the_start_and_stays_as_it_is() {
    let home = Home::new().await;
    let intruder = home.intruder().await;
    let later = Query::insert()
        .into_table("seaql_migrations")
        .columns(["version", "applied_at"])
        .values_panic(["m9999_later".into(), 0.into()])
        .to_owned();
    intruder.execute(&later).await.unwrap();
    intruder.close().await.unwrap();
    home.assert_refused(&["newer gateway", "m9999_later", "nothing was changed"]);

    fs::remove_file(home.file("gateway.db")).unwrap();
    let songs = Table::create()
        .table("songs")
        .col(ColumnDef::new("title").text())
        .to_owned();
    let intruder = home.intruder().await;
    intruder.execute(&songs).await.unwrap();
    intruder.close().await.unwrap();
    home.assert_refused(&["another program", "songs", "nothing was changed"]);
}

#[tokio::test]
async fn a_second_gateway_on_one_database_ends_and_the_first_goes_on() {
    let backend = FakeBackend::modern().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let link = gateway.folder().join("link.db");
    std::os::unix::fs::symlink("gateway.db", &link).unwrap();
    // The same key, so that only the lock tells.
    let same_key = gateway.folder().join("gateway.db.key");
    for database in ["gateway.db", "./gateway.db", "link.db"] {
        let output = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
            .args(["--port=0", "--key-file"])
            .arg(&same_key)
            .arg("--database-url")
            .arg(format!("sqlite://{database}?mode=rwc"))
            .current_dir(gateway.folder())
            .env_clear()
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(FAILURE), "{told}");
        assert!(told.contains("another gateway process has"), "{told}");
        let client = Client::modern(&session.endpoint);
        client.call("it.echo", json!({})).await.result();
        gateway.session(&["it"]).await;
    }
    let sessions = gateway.get("/sessions").await.json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_missing_key_file_stops_the_start_and_no_new_key_is_made() {
    let home = Home::new().await;
    let key = fs::read(home.file("gateway.db.key")).unwrap();
    fs::remove_file(home.file("gateway.db.key")).unwrap();
    home.assert_refused(&["gateway.db.key is missing", "bring the key file back"]);
    assert!(!home.file("gateway.db.key").exists());
    fs::write(home.file("gateway.db.key"), key).unwrap();
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(home.file("gateway.db.key"), private).unwrap();
    let (_, told) = home.start();
    assert!(told.contains(LISTENING), "{told}");
}

/// Permissions hold everybody but root, so that root has somebody else try.
#[tokio::test]
async fn a_database_that_may_only_be_read_stops_the_start() {
    let home = Home::new().await;
    fs::set_permissions(home.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
    // Wherever the program lies, others may not reach it there.
    let program = home.file("program");
    fs::copy(env!("CARGO_BIN_EXE_mcp-gateway"), &program).unwrap();
    let others = tempfile::tempdir().unwrap();
    fs::rename(&program, others.path().join("program")).unwrap();
    fs::set_permissions(others.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let attempt = || {
        let mut command = Command::new(others.path().join("program"));
        command
            .args(["--port=0", "--database-url=sqlite://gateway.db?mode=rwc"])
            .current_dir(home.folder.path())
            .env_clear();
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    for name in ["", "gateway.db", "gateway.db.key", "gateway.db.lock"] {
        if is_root {
            std::os::unix::fs::chown(home.file(name), Some(NOBODY), None).unwrap();
        }
    }
    fs::set_permissions(
        home.file("registry.yaml"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let only_read = fs::Permissions::from_mode(0o400);
    fs::set_permissions(home.file("gateway.db"), only_read).unwrap();
    let words = ["gateway.db cannot be written to", "nothing was changed"];
    home.assert_ends(attempt(), &words);

    // A folder in which nothing can be made.
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(home.file("gateway.db"), private).unwrap();
    fs::remove_file(home.file("gateway.db.lock")).unwrap();
    fs::set_permissions(home.folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    home.assert_ends(attempt(), &["gateway.db.lock", "Permission denied"]);
    fs::set_permissions(home.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_log_that_was_taken_away_is_told_of() {
    let backend = FakeBackend::modern().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    gateway.session(&["it"]).await;
    let lost = "gateway.db-wal is gone since";
    gateway.kill();
    gateway.restart();
    assert!(!gateway.logs().contains(lost), "a kill loses nothing");
    gateway.kill();
    fs::remove_file(gateway.folder().join("gateway.db-wal")).unwrap();
    gateway.restart();
    assert!(gateway.logs().contains(lost), "{}", gateway.logs());
    let told = gateway.logs().matches(lost).count();
    gateway.stop();
    gateway.restart();
    assert_eq!(gateway.logs().matches(lost).count(), told, "told once");
}
