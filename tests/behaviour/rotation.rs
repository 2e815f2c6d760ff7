//! Another sealing key: by command, cut short at any moment, and one that is lost.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use mcp_gateway::store::{KeyRing, LinkRecord, ServerRecord, SessionRecord, Store};
use secrecy::ExposeSecret as _;
use serde_json::{json, value::RawValue};
use uuid::Uuid;

use crate::{
    LATEST_LEGACY, MODERN,
    world::{Client, FakeBackend, Gateway, spellings::found},
};

const TOKEN: &str = "tok+5e2f/1c9a8b7d6e4f";
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

const ROTATE: [&str; 2] = ["keys", "rotate"];

fn rotate(gateway: &Gateway) -> Output {
    gateway.command(&ROTATE).output().unwrap()
}

/// Runs it to a good end and gives what it printed.
fn rotated(gateway: &Gateway) -> String {
    let output = rotate(gateway);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn key_file(gateway: &Gateway) -> PathBuf {
    gateway.folder().join("gateway.db.key")
}

fn keys(gateway: &Gateway) -> Vec<String> {
    let text = std::fs::read_to_string(key_file(gateway)).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// A backend that wants a token, and a gateway with a session that has it.
async fn stand(environment: &[(&str, &str)]) -> (FakeBackend, Gateway, String) {
    let backend = FakeBackend::legacy().demands_bearer(TOKEN).start();
    let setup = Gateway::setup().provider_with("it", &backend, "auth: { type: bearer }");
    let setup = environment
        .iter()
        .fold(setup, |setup, (name, value)| setup.environment(name, value));
    let gateway = setup.start();
    let request = json!({"servers": ["it"], "credentials": {"it": {"token": TOKEN}}});
    let session = gateway.create_session(&request).await;
    (backend, gateway, session.endpoint)
}

#[tokio::test]
async fn clients_and_backends_notice_nothing_of_another_key() {
    let (backend, mut gateway, endpoint) = stand(&[]).await;
    let clients = [
        Client::legacy(&endpoint, LATEST_LEGACY).await,
        Client::modern(&endpoint),
    ];
    for client in &clients {
        client.call("it.echo", json!({})).await.result();
    }
    let opened = backend.initializations();
    let before = keys(&gateway);
    gateway.stop();
    let told = rotated(&gateway);
    assert!(told.contains("sealed 3 secrets anew"), "{told}");
    assert!(told.contains("holds the new key alone"), "{told}");
    let after = keys(&gateway);
    assert_eq!((after.len(), after == before), (1, false));
    gateway.restart();
    for client in &clients {
        client.call("it.echo", json!({})).await.result();
    }
    assert_eq!(
        backend.initializations(),
        opened,
        "their MCP sessions opened, too"
    );
    gateway.stop();
    for entry in std::fs::read_dir(gateway.folder()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let secrets = [TOKEN, before[0].as_str()];
        assert_eq!(found(&secrets, &bytes), None, "{}", path.display());
    }
}

#[tokio::test]
async fn a_key_is_not_changed_under_a_gateway_that_runs() {
    let (_backend, mut gateway, endpoint) = stand(&[]).await;
    let before = keys(&gateway);
    let output = rotate(&gateway);
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("stop it, run this again, then start it"),
        "{told}"
    );
    assert_eq!(keys(&gateway), before);
    gateway.restart();
    let client = Client::modern(&endpoint);
    client.call("it.echo", json!({})).await.result();
}

#[tokio::test]
async fn a_key_of_the_environment_is_changed_in_three_steps() {
    let (_backend, mut gateway, endpoint) = stand(&[("GATEWAY_SECRET_KEY", KEY)]).await;
    let client = Client::modern(&endpoint);
    gateway.set_environment("GATEWAY_SECRET_KEY", OTHER_KEY);
    gateway.set_environment("GATEWAY_OLD_SECRET_KEYS", KEY);
    // The old key opens what it sealed, before anything is sealed anew.
    gateway.restart();
    client.call("it.echo", json!({})).await.result();
    gateway.stop();
    let told = rotated(&gateway);
    assert!(
        told.contains("GATEWAY_OLD_SECRET_KEYS may be removed"),
        "{told}"
    );
    assert!(!key_file(&gateway).exists());
    gateway.unset_environment("GATEWAY_OLD_SECRET_KEYS");
    gateway.restart();
    client.call("it.echo", json!({})).await.result();
    gateway.stop();
    // Nothing is left to do, and it says so.
    let told = rotated(&gateway);
    assert!(told.starts_with("sealed 0 secrets anew; 2 had"), "{told}");
}

#[tokio::test]
async fn a_session_whose_key_is_lost_says_so_and_is_mended() {
    for revision in [LATEST_LEGACY, MODERN] {
        let (backend, mut gateway, endpoint) = stand(&[("GATEWAY_SECRET_KEY", KEY)]).await;
        let client = Client::speaking(revision, &endpoint).await;
        client.call("it.echo", json!({})).await.result();
        gateway.stop();
        backend.hear_out().await;
        let before = backend.requests().len();
        gateway.set_environment("GATEWAY_SECRET_KEY", OTHER_KEY);
        gateway.restart();
        let message = client.call("it.echo", json!({})).await.error().message;
        for part in [
            "sealed with another key",
            "GATEWAY_OLD_SECRET_KEYS",
            "with PATCH",
        ] {
            assert!(message.contains(part), "{message}");
        }
        let path = endpoint.split("/session/").nth(1).unwrap();
        let path = format!("/session/{}", path.replace("/mcp", ""));
        let described = gateway.get(&path).await.json();
        assert_eq!(described["servers"][0]["state"], "refused");
        let told = described["servers"][0]["last_error"].as_str().unwrap();
        assert!(told.contains("with PATCH"), "{described}");
        let sent = backend.requests().split_off(before);
        assert_eq!(sent.len(), 0, "no garbage is sent: {sent:?}");

        // What no key opens is reported, and is no reason to lose the rest.
        gateway.stop();
        let output = rotate(&gateway);
        assert!(!output.status.success());
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(
            told.contains("not opened, left as it is: session "),
            "{told}"
        );
        assert!(told.contains("keep GATEWAY_OLD_SECRET_KEYS"), "{told}");
        gateway.restart();
        let mended = json!({"credentials": {"it": {"token": TOKEN}}});
        assert_eq!(gateway.patch(&path, &mended).await.status, 200);
        client.call("it.echo", json!({})).await.result();
        gateway.stop();
        rotated(&gateway);
    }
}

/// Enough that a key is changed in many transactions.
const SESSIONS: usize = 1_500;

#[tokio::test]
async fn a_change_of_the_key_that_is_killed_again_and_again_loses_nothing() {
    let (_backend, mut gateway, endpoint) = stand(&[]).await;
    gateway.stop();
    let ids = fill(&gateway).await;
    let first = keys(&gateway);
    let mut random = 0x9e37_79b9_u64;
    for round in 0..16_u32 {
        let mut command = quiet(gateway.command(&ROTATE));
        let mut process = command.spawn().unwrap();
        // From the moment on in which there are two keys, or in which something is sealed anew.
        let is_time = |gateway: &Gateway| match round % 2 {
            0 => keys(gateway).len() == 2,
            _ => std::fs::metadata(gateway.folder().join("gateway.db-wal"))
                .is_ok_and(|log| log.len() > 0),
        };
        while !is_time(&gateway) && process.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(200));
        }
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // Not to wait for anything: to strike at another moment each time.
        thread::sleep(Duration::from_micros((random >> 33) % 60_000));
        // It may have ended before.
        let _ = process.kill();
        process.wait().unwrap();
        assert!((1..=2).contains(&keys(&gateway).len()), "round {round}");
        assert_all_open(&gateway, &ids).await;
    }
    rotated(&gateway);
    let last = keys(&gateway);
    assert_eq!((last.len(), last == first), (1, false));
    assert_all_open(&gateway, &ids).await;
    let drafts = std::fs::read_dir(gateway.folder()).unwrap();
    let names = drafts.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| name.contains(".new")).collect();
    assert_eq!(left, [""; 0], "no key lies about");
    gateway.restart();
    let client = Client::modern(&endpoint);
    client.call("it.echo", json!({})).await.result();
}

fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

async fn open(gateway: &Gateway) -> Store {
    let url = format!("sqlite://{}", gateway.folder().join("gateway.db").display());
    let keys = KeyRing::from_file_or_new(&key_file(gateway), None).unwrap();
    Store::open(&url, keys).await.unwrap()
}

fn token_of(id: Uuid) -> String {
    format!("tok-{}", id.simple())
}

/// Stores sessions, each with a credential of its own and a link.
async fn fill(gateway: &Gateway) -> Vec<Uuid> {
    let store = open(gateway).await;
    let backend: mcp_gateway::mcp::name::BackendName = "it".parse().unwrap();
    let ids: Vec<Uuid> = (0..SESSIONS).map(|_| Uuid::new_v4()).collect();
    let creating = ids.iter().map(|id| {
        let (store, backend) = (store.clone(), backend.clone());
        async move {
            let server = ServerRecord {
                backend: backend.clone(),
                credential: Some(token_of(*id).into()),
                tools: None,
            };
            let session = SessionRecord {
                id: *id,
                owner: None,
                name: None,
                naming: mcp_gateway::mcp::name::Naming::Auto,
                idle_expiry: None,
                servers: vec![server],
                created_ms: 1,
                last_used_ms: 1,
            };
            store.create_session(session).await.unwrap();
            let link = LinkRecord {
                session: *id,
                mcp_session: None,
                backend,
                revision: mcp_gateway::mcp::version::Revision::LATEST_LEGACY,
                provider: "fingerprint".into(),
                backend_session: Some(id.to_string().into()),
                discovery: RawValue::from_string("{}".to_owned()).unwrap(),
            };
            store.put_link(link).await.unwrap();
        }
    });
    futures_util::future::join_all(creating).await;
    store.close().await;
    ids
}

async fn assert_all_open(gateway: &Gateway, ids: &[Uuid]) {
    let store = open(gateway).await;
    for id in ids {
        let session = store.session(*id).await.unwrap().unwrap();
        let token = session.servers[0].credential.as_ref().unwrap();
        let token = token.as_ref().unwrap().expose_secret();
        assert_eq!(token, token_of(*id));
        let link = session.links[0].backend_session.as_ref().unwrap();
        assert_eq!(link.expose_secret(), id.to_string());
    }
    store.close().await;
}
