//! What was handed over is in the files, in order, and they stay as small as they may be.

use std::{fs, path::Path};

use serde_json::Value;

use super::*;
use crate::limits::AUDIT_FILES_MAX;

fn entry(number: u64) -> Entry {
    Entry {
        caller: Some("ada".into()),
        session: Some("fd4bace9".into()),
        client: Some([127, 0, 0, 1].into()),
        method: "tools/call".into(),
        provider: Some("one".parse().unwrap()),
        tool: Some("one.a\n\"b\"".into()),
        outcome: "ok",
        elapsed_ms: number,
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn numbers(path: &Path) -> Vec<u64> {
    let lines = lines(path);
    lines
        .iter()
        .map(|line| line["elapsed_ms"].as_u64().unwrap())
        .collect()
}

fn open(path: &Path, size_bytes_max: u64) -> (AuditLog, Writing) {
    let path = path.to_owned();
    let to = AuditTo::File {
        path,
        size_bytes_max,
    };
    AuditLog::open(to).unwrap()
}

#[test]
fn all_that_was_handed_over_is_written_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let (log, writing) = open(&path, u64::MAX);
    for number in 0..1000 {
        log.write(entry(number));
    }
    log.close(writing);
    assert_eq!(numbers(&path), (0..1000).collect::<Vec<_>>());
    let mut first = lines(&path).swap_remove(0);
    let time = first["time"].take();
    assert!(humantime::parse_rfc3339(time.as_str().unwrap()).is_ok());
    assert_eq!(
        first,
        serde_json::json!({
            "time": null, "caller": "ada", "session": "fd4bace9", "client": "127.0.0.1",
            "method": "tools/call", "provider": "one", "tool": "one.a\n\"b\"", "outcome": "ok", "elapsed_ms": 0,
        })
    );
    // It goes on where it was.
    let (log, writing) = open(&path, u64::MAX);
    log.write(entry(1000));
    log.close(writing);
    assert_eq!(numbers(&path).len(), 1001);
    #[cfg(unix)]
    {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_full_file_is_followed_by_another_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let line_bytes = 200;
    let (log, writing) = open(&path, 2 * line_bytes);
    let count = 4 * AUDIT_FILES_MAX as u64;
    for number in 0..count {
        log.write(entry(number));
    }
    log.close(writing);
    let mut kept = Vec::new();
    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap().path();
        assert!(fs::metadata(&file).unwrap().len() <= 2 * line_bytes);
        kept.extend(numbers(&file));
    }
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        AUDIT_FILES_MAX
    );
    kept.sort_unstable();
    let first = count - kept.len() as u64;
    assert_eq!(
        kept,
        (first..count).collect::<Vec<_>>(),
        "the last ones, without a gap"
    );
    assert_eq!(numbers(&path).last(), Some(&(count - 1)));
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("a"), folder.path().join("b"));
    let (log, writing) = open(&path, u64::MAX);
    log.write(entry(1));
    log.reopen();
    log.write(entry(2));
    fs::rename(&path, &moved).unwrap();
    log.reopen();
    log.write(entry(3));
    log.close(writing);
    assert_eq!([numbers(&moved), numbers(&path)].concat(), [1, 2, 3]);
    assert_eq!(numbers(&path).last(), Some(&3));
}

#[test]
fn lines_for_which_there_is_no_room_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let (orders, received) = sync_channel(2);
    let lost = Arc::new(AtomicU64::new(0));
    let queue = Queue {
        orders,
        lost: Arc::clone(&lost),
    };
    let log = AuditLog(Some(Arc::new(queue)));
    for number in 0..5 {
        log.write(entry(number));
    }
    let to = AuditTo::File {
        path: path.clone(),
        size_bytes_max: u64::MAX,
    };
    let writing = Writing::start(Writer::open(to, lost).unwrap(), received).unwrap();
    log.close(writing);
    let lines = lines(&path);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["lost"], 3);
}

#[test]
fn a_file_that_none_can_follow_goes_on_and_is_followed_once_one_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let numbered = |number: usize| folder.path().join(format!("audit.jsonl.{number}"));
    let (oldest, before) = (numbered(AUDIT_FILES_MAX - 1), numbered(AUDIT_FILES_MAX - 2));
    // No file takes the place of a directory.
    fs::create_dir(&oldest).unwrap();
    fs::write(&before, "").unwrap();
    let (log, writing) = open(&path, 2000);
    for number in 0..1000 {
        log.write(entry(number));
    }
    log.close(writing);
    assert_eq!(
        numbers(&path),
        (0..1000).collect::<Vec<_>>(),
        "none is lost"
    );
    fs::remove_dir(&oldest).unwrap();
    let (log, writing) = open(&path, 2000);
    log.write(entry(1000));
    log.close(writing);
    assert_eq!(numbers(&path), [1000]);
    assert_eq!(numbers(&numbered(1)).len(), 1000);
}

#[test]
fn lines_that_cannot_be_written_are_counted_until_they_can_be() {
    struct Full(bool, Arc<std::sync::Mutex<Vec<u8>>>);
    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = self.1.lock().unwrap();
            self.0 = self.0 && written.is_empty();
            if self.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            written.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let written = Arc::default();
    let lost = Arc::new(AtomicU64::new(0));
    let full = Full(true, Arc::clone(&written));
    let mut writer = Writer::over(AuditTo::Output, Box::new(full), 0, Arc::clone(&lost));
    for number in 0..1000 {
        writer.write(SystemTime::now(), &entry(number));
    }
    writer.tell_missing();
    assert!(written.lock().unwrap().is_empty());
    // There is room again.
    written.lock().unwrap().push(b'\n');
    writer.tell_missing();
    writer.tell_missing();
    let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    let lines: Vec<Value> = lines.map(|it| serde_json::from_str(it).unwrap()).collect();
    let told: u64 = lines.iter().filter_map(|it| it["lost"].as_u64()).sum();
    let kept = lines.iter().filter(|it| it["method"].is_string()).count();
    assert!(told > 0 && kept > 0, "{told} {kept}");
    assert_eq!(told + kept as u64, 1000);
    assert_eq!(lost.load(Ordering::Relaxed), 0);
}
