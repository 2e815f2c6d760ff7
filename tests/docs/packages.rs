//! Holds the packages to the program and to what they promise: the image, the compose file and the service.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use serde_yaml::Value;

use crate::{
    program::{PROGRAM, Running, assert_reads, assert_takes},
    text,
};

/// What `systemd-analyze security` may say at most; ten times its number.
const EXPOSURE_MAX: &str = "15";

/// The Dockerfile's instructions, each in one piece.
fn instructions() -> Vec<(String, String)> {
    let file = text("Dockerfile");
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    let whole = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let lines = whole.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
        .collect()
}

/// What the image's last stage says under a word.
fn of_the_image(word: &str) -> String {
    let instructions = instructions();
    let begin = instructions.iter().rposition(|(word, _)| word == "FROM");
    let stage = &instructions[begin.unwrap()..];
    let found = stage.iter().find(|(found, _)| found == word);
    found.unwrap_or_else(|| panic!("no {word}")).1.clone()
}

/// Pairs of names and values, as they stand in one line.
fn pairs(line: &str) -> Vec<(&str, &str)> {
    line.split_whitespace()
        .map(|pair| pair.split_once('=').unwrap())
        .collect()
}

/// The values that the service's file gives a setting, one after the other.
fn of_the_service<'a>(file: &'a str, setting: &str) -> Vec<&'a str> {
    file.lines()
        .filter_map(|line| line.strip_prefix(setting)?.strip_prefix('='))
        .collect()
}

/// The longest time that a stop takes by itself.
fn longest_stop() -> Duration {
    let help = Command::new(PROGRAM).arg("--help").env_clear().output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let (_, drain) = help.split_once("[env: DRAIN_TIMEOUT=]").unwrap();
    let (_, default) = drain.split_once("[default: ").unwrap();
    let drain = humantime::parse_duration(default.split(']').next().unwrap()).unwrap();
    drain + Duration::from_secs(2)
}

fn outlasts_a_stop(patience: &str) -> bool {
    humantime::parse_duration(patience).unwrap() > longest_stop()
}

#[test]
fn what_packages_set_and_run_is_what_the_program_knows() {
    let environment = of_the_image("ENV");
    let names = pairs(&environment).into_iter().map(|(name, _)| name);
    let service = text("deploy/mcp-gateway.service");
    let set = of_the_service(&service, "Environment");
    let names = names.chain(set.iter().map(|pair| pair.split_once('=').unwrap().0));
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 6 && !names.contains(&"INSECURE"), "{names:?}");
    names.into_iter().for_each(assert_reads);
    let compose: Value = serde_yaml::from_str(&text("deploy/compose.yaml")).unwrap();
    let set = compose["services"]["gateway"]["environment"].as_mapping();
    for (name, _) in set.unwrap() {
        assert_reads(name.as_str().unwrap());
    }
    let words = |line: &str| -> Vec<String> { serde_json::from_str(line).unwrap() };
    let health = of_the_image("HEALTHCHECK");
    let (_, health) = health.split_once(" CMD ").unwrap();
    for command in [words(health), words(&of_the_image("CMD"))] {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let begin = usize::from(words[0].starts_with('/'));
        assert_takes(&words[begin..]);
    }
    let start = of_the_service(&service, "ExecStart")[0];
    assert_takes(&start.split(' ').skip(1).collect::<Vec<_>>());
}

#[test]
fn the_image_runs_as_nobody_and_keeps_what_must_last() {
    let user = of_the_image("USER");
    let numbers: Vec<u32> = user.split(':').map(|id| id.parse().unwrap()).collect();
    assert!(numbers.iter().all(|id| *id > 0), "{user}");
    assert_eq!(of_the_image("STOPSIGNAL"), "SIGTERM");
    let volume = of_the_image("VOLUME");
    let environment = of_the_image("ENV");
    for kept in ["CALLERS_PATH", "DATABASE_URL"] {
        let pairs = pairs(&environment);
        let (_, place) = pairs.iter().find(|(name, _)| *name == kept).unwrap();
        assert!(place.contains(&format!("{volume}/")), "{kept}");
    }
    for (_, image) in instructions().iter().filter(|(word, _)| word == "FROM") {
        let image = image.split(' ').next().unwrap();
        let tag = image.rsplit_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| tag != "latest"), "{image}");
    }
    // What builds it is what the profile fits, and new enough.
    let compiler = text("benches/profile/compiler");
    let mut lines = compiler.lines();
    let release = lines
        .find_map(|line| line.strip_prefix("release: "))
        .unwrap();
    assert!(text("Dockerfile").contains(&format!("FROM rust:{release}-")));
    let manifest = text("Cargo.toml");
    let (_, least) = manifest.split_once("rust-version = \"").unwrap();
    let minor = |version: &str| version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
    assert!(minor(release) >= minor(least.split('"').next().unwrap()));
}

#[test]
fn what_the_image_is_built_of_is_all_that_cargo_wants() {
    let folder = tempfile::tempdir().unwrap();
    let ignored = text(".dockerignore");
    let lines: Vec<&str> = ignored
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert_eq!(lines[0], "*", "nothing else goes to the builder");
    for line in &lines[1..] {
        let path = Path::new(line.strip_prefix('!').unwrap());
        let whither = folder.path().join(path.parent().unwrap());
        fs::create_dir_all(&whither).unwrap();
        let copied = Command::new("cp")
            .arg("-r")
            .args([&Path::new(env!("CARGO_MANIFEST_DIR")).join(path), &whither])
            .status();
        assert!(copied.unwrap().success(), "{line}");
    }
    assert!(
        folder.path().join("registry.yaml").exists(),
        "the image brings it"
    );
    let read = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version=1"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
}

#[test]
fn the_compose_file_gives_the_gateway_little() {
    let file: Value = serde_yaml::from_str(&text("deploy/compose.yaml")).unwrap();
    let gateway = &file["services"]["gateway"];
    let has = |member: &str, wanted: &str| {
        let listed = gateway[member].as_sequence().unwrap();
        listed.iter().any(|one| one.as_str().unwrap() == wanted)
    };
    assert_eq!(gateway["user"].as_str().unwrap(), of_the_image("USER"));
    assert_eq!(gateway["read_only"].as_bool(), Some(true));
    assert!(has("cap_drop", "ALL") && has("security_opt", "no-new-privileges:true"));
    assert!(outlasts_a_stop(
        gateway["stop_grace_period"].as_str().unwrap()
    ));
    // A named volume for what is written, a folder of its own, read-only, for the registry, and nothing else.
    let volume = of_the_image("VOLUME");
    assert!(has("volumes", &format!("state:{volume}")) && file["volumes"].get("state").is_some());
    let others = gateway["volumes"].as_sequence().unwrap().iter().skip(1);
    for mount in others {
        assert!(mount.as_str().unwrap().ends_with(":ro"), "{mount:?}");
    }
    for port in gateway["ports"].as_sequence().unwrap() {
        assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{port:?}");
    }
    let key = gateway["environment"]["GATEWAY_KEY_FILE"].as_str().unwrap();
    let name = key.strip_prefix("/run/secrets/").unwrap();
    assert!(has("secrets", name) && file["secrets"][name]["file"].is_string());
    assert!(gateway["environment"].get("GATEWAY_SECRET_KEY").is_none());
}

/// What `systemd-analyze` says of the service with the program where it is here; nothing, after saying so, where there
/// is none.
fn analyzed(arguments: &[&str]) -> Option<Output> {
    let folder = tempfile::tempdir().unwrap();
    let service = folder.path().join("mcp-gateway.service");
    let file = text("deploy/mcp-gateway.service").replace("/usr/local/bin/mcp-gateway", PROGRAM);
    std::fs::write(&service, file).unwrap();
    let mut command = Command::new("systemd-analyze");
    match command.args(arguments).arg(&service).output() {
        Ok(output) => Some(output),
        Err(error) => {
            let is_needed = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!is_needed, "systemd-analyze: {error}");
            eprintln!("SKIPPED: the service is not looked at without systemd-analyze ({error})");
            None
        }
    }
}

#[test]
fn the_service_is_one_that_systemd_understands_and_holds_to_little() {
    let service = text("deploy/mcp-gateway.service");
    for (setting, value) in [
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("MemoryDenyWriteExecute", "yes"),
        ("SystemCallFilter", "@system-service"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("StateDirectory", "mcp-gateway"),
    ] {
        let found = of_the_service(&service, setting);
        assert_eq!(found.first(), Some(&value), "{setting}");
    }
    assert!(outlasts_a_stop(
        of_the_service(&service, "TimeoutStopSec")[0]
    ));
    let (credential, _) = of_the_service(&service, "LoadCredential")[0]
        .split_once(':')
        .unwrap();
    let key = format!("GATEWAY_KEY_FILE=%d/{credential}");
    assert!(of_the_service(&service, "Environment").contains(&key.as_str()));
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    for arguments in [
        &["verify"][..],
        &["security", "--offline=yes", "--no-pager", &threshold],
    ] {
        let Some(told) = analyzed(arguments) else {
            return;
        };
        let complaints = String::from_utf8_lossy(&told.stderr);
        let is_well = told.status.success() && !complaints.contains("mcp-gateway.service:");
        let shown = String::from_utf8_lossy(&told.stdout);
        assert!(is_well, "{shown}{complaints}");
    }
}

#[test]
fn as_the_image_sets_it_up_it_serves_who_has_a_key_and_says_that_it_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let registry = "providers:\n  docs:\n    url: http://127.0.0.1:9/mcp\n";
    std::fs::write(folder.path().join("registry.yaml"), registry).unwrap();
    let here = folder.path().to_str().unwrap();
    let environment = of_the_image("ENV");
    let placed = |place: &str| {
        let place = place.replace("/var/lib/mcp-gateway", here);
        place.replace("/etc/mcp-gateway", here)
    };
    let variables: Vec<(&str, String)> = pairs(&environment)
        .into_iter()
        .filter(|(name, _)| *name != "PORT")
        .map(|(name, value)| (name, placed(value)))
        .collect();
    let refused = Running::start(folder.path(), &variables).err().unwrap();
    assert!(refused.contains("there is no callers file"), "{refused}");
    let run = |arguments: &[&str], url: &str| {
        let mut command = Command::new(PROGRAM);
        let command = command.args(arguments).current_dir(folder.path());
        let command = command.env_clear().envs(variables.iter().cloned());
        command.env("MCP_GATEWAY_URL", url).output().unwrap()
    };
    let made = run(
        &["keys", "create", "ada-laptop", "--caller=ada"],
        "http://127.0.0.1:1",
    );
    assert!(made.status.success(), "{made:?}");
    let gateway = Running::start(folder.path(), &variables).unwrap();
    let well = run(&["health"], &gateway.url);
    assert_eq!(
        (well.status.code(), &well.stdout[..]),
        (Some(0), &b"ready\n"[..])
    );
    let url = gateway.url.clone();
    drop(gateway);
    assert_eq!(
        run(&["health"], &url).status.code(),
        Some(3),
        "nobody answers"
    );
}
