//! nginx as a plain reverse proxy: what carrying the bytes costs without knowing what they say.
//!
//! It gets what it needs to be fast: a process a core, connections kept alive on both sides, no access log, no file
//! for what it holds. The rest is as it comes.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tempfile::TempDir;

use super::{LOG, Side, direct, new_folder, with_log};
use crate::backends::Backends;
use crate::child::{Running, free_address};
use crate::endpoint::Endpoint;
use crate::fault::RunError;
use crate::options::{Framing, Options};

const PROGRAM: &str = "nginx";

/// Where systems put it outside of what users search.
const ELSEWHERE: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// Idle connections that each of its processes keeps to a backend, and connections each takes in all.
const KEPT: usize = 256;
const CONNECTIONS: usize = 8192;

/// Requests after which it would close a connection: more than a run has.
const FOREVER: u32 = 100_000_000;

pub(super) async fn set(options: &Options, backends: &Backends) -> Result<Side, RunError> {
    let program = find().ok_or_else(|| {
        RunError::Absent("nginx is not on this machine: apt-get install nginx".to_owned())
    })?;
    let folder = new_folder()?;
    let authority = free_address().await?;
    let addresses = direct::addresses(options, backends);
    let settings = settings(folder.path(), &authority, addresses, options);
    let running = start(program, &folder, &authority, &settings).await?;
    let names = direct::names(options);
    let path = |place: usize| format!("/{place}/mcp");
    let era = options.direct_era();
    let endpoint = |place| {
        Endpoint::new(
            &running.authorities[0],
            &path(place),
            era,
            Arc::clone(&names),
        )
    };
    let endpoints = (0..addresses.len()).map(endpoint);
    Ok(Side::of(endpoints.collect(), running, folder))
}

async fn start(
    program: PathBuf,
    folder: &TempDir,
    authority: &str,
    settings: &str,
) -> Result<Running, RunError> {
    let path = folder.path().join("nginx.conf");
    fs::write(&path, settings)?;
    let log = File::create(folder.path().join(LOG))?;
    let set_up = |command: &mut tokio::process::Command| {
        command.arg("-p").arg(folder.path()).arg("-c").arg(&path);
        command.stdout(Stdio::null()).stderr(log);
    };
    let started = Running::start_at(authority.to_owned(), program, set_up).await;
    started.map_err(|source| with_log(source, folder.path()))
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let elsewhere = ELSEWHERE.into_iter().map(PathBuf::from);
    let mut places = std::env::split_paths(&path).chain(elsewhere);
    places.find_map(|place| Some(place.join(PROGRAM)).filter(|program| program.is_file()))
}

/// Its configuration: a location for each backend.
fn settings(folder: &Path, authority: &str, addresses: &[String], options: &Options) -> String {
    // Events must not wait for a buffer to fill.
    let buffering = match options.answers {
        Framing::Json => "on",
        Framing::Sse => "off",
    };
    let (mut pools, mut locations) = (String::new(), String::new());
    for (place, address) in addresses.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            pools,
            "  upstream b{place} {{ server {address}; keepalive {KEPT}; keepalive_requests {FOREVER}; }}"
        );
        let _ = writeln!(
            locations,
            "    location = /{place}/mcp {{ proxy_pass http://b{place}/mcp; }}"
        );
    }
    let folder = folder.display();
    format!(
        "daemon off;\n\
         worker_processes auto;\n\
         pid {folder}/nginx.pid;\n\
         error_log stderr warn;\n\
         events {{ worker_connections {CONNECTIONS}; }}\n\
         http {{\n\
         \x20 access_log off;\n\
         \x20 client_body_temp_path {folder}/body;\n\
         \x20 proxy_temp_path {folder}/proxy;\n\
         \x20 fastcgi_temp_path {folder}/fastcgi;\n\
         \x20 uwsgi_temp_path {folder}/uwsgi;\n\
         \x20 scgi_temp_path {folder}/scgi;\n\
         \x20 keepalive_requests {FOREVER};\n\
         \x20 keepalive_timeout 1h;\n\
         \x20 client_max_body_size 64m;\n\
         \x20 proxy_http_version 1.1;\n\
         \x20 proxy_set_header Connection \"\";\n\
         \x20 proxy_buffering {buffering};\n\
         \x20 proxy_max_temp_file_size 0;\n\
         {pools}\
         \x20 server {{\n\
         \x20   listen {authority};\n\
         {locations}\
         \x20 }}\n\
         }}\n"
    )
}
