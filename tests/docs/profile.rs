//! Holds the profile by which a release is built to the program that it was counted of.

use std::{fs, path::Path, process::Command};

use toml_edit::DocumentMut;

use crate::text;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/profile");

/// How cargo calls a compiler for a release, as far as it matters here.
const RELEASE: [&str; 4] = ["--crate-name", "a b", "-C", "codegen-units=1"];

/// What a compiler of that name is called with, in another folder, as cargo builds dependencies.
fn arguments(name: &str, given: &[&str]) -> Vec<String> {
    let output = Command::new(Path::new(FOLDER).join("rustc"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/compiler"))
        .args(given)
        .env("IS", name)
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn a_release_is_built_by_the_profile() {
    let found = arguments(&text("benches/profile/compiler"), &RELEASE);
    assert_eq!(found[..4], RELEASE);
    let profile = found[4].strip_prefix("-Cprofile-use=").unwrap();
    let begin = fs::read(profile).unwrap();
    assert!(
        begin.starts_with(b"\xfflprofi\x81"),
        "no profile of LLVM's: {profile}"
    );
    for asked in [
        "-enable-split-machine-functions",
        "-enable-ext-tsp-block-placement",
    ] {
        let asked = format!("-Cllvm-args={asked}");
        assert!(found.contains(&asked), "{asked}");
    }
}

#[test]
fn another_compiler_and_other_builds_get_none() {
    assert_eq!(arguments("rustc 1.0.0\n", &RELEASE), RELEASE);
    let fitting = text("benches/profile/compiler");
    let debug = ["--crate-name", "a b", "-C", "opt-level=3"];
    assert_eq!(arguments(&fitting, &debug), debug);
    let several = ["-C", "codegen-units=16"];
    assert_eq!(arguments(&fitting, &several), several);
}

#[test]
fn cargo_asks_for_it() {
    let config: DocumentMut = text(".cargo/config.toml").parse().unwrap();
    let wrapper = config["build"]["rustc-wrapper"].as_str().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(root.join(wrapper), Path::new(FOLDER).join("rustc"));
}

/// It depends on a variable that only SQLite's build script reads.
#[test]
#[cfg(target_os = "linux")]
fn sqlite_waits_for_its_data_and_not_for_the_time_of_a_change() {
    let here = std::env::current_exe().unwrap();
    // As cargo lays it out: `debug/deps` is this program's, `debug/build` that of build scripts.
    let built = here.ancestors().nth(2).unwrap().join("build");
    let libraries = fs::read_dir(&built).unwrap().filter_map(|entry| {
        let library = entry.unwrap().path().join("out/libsqlite3.a");
        let written = fs::metadata(&library).and_then(|it| it.modified()).ok()?;
        Some((written, library))
    });
    let (_, library) = libraries.max().expect("SQLite was built");
    let library = fs::read(library).unwrap();
    assert!(
        library.windows(9).any(|it| it == b"fdatasync"),
        "LIBSQLITE3_FLAGS of .cargo/config.toml does not reach SQLite; is it set in the environment?"
    );
}

#[test]
fn the_profile_is_of_what_a_release_is_built_of() {
    let listed = Command::new("bash")
        .arg(Path::new(FOLDER).join("dependencies"))
        .env("CARGO", env!("CARGO"))
        .output()
        .unwrap();
    assert!(listed.status.success(), "{listed:?}");
    assert!(
        String::from_utf8(listed.stdout).unwrap() == text("benches/profile/dependencies.txt"),
        "the profile was counted with other dependencies, whose functions have other names: run benches/profile/make and \
         commit what it writes"
    );
}
