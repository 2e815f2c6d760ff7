//! HTTPS: real clients, certificates that change while the gateway serves, and pairs that do not fit.

use std::{fs, process::Command};

use http::Version;
use serde_json::json;

use crate::world::{Authority, Client, FakeBackend, Gateway, Raw, eventually, within};

/// The certificate that a new connection is served with, and the HTTP it speaks.
async fn served(gateway: &Gateway, authority: &Authority, only_http1: bool) -> (Vec<u8>, Version) {
    let mut client = reqwest::Client::builder()
        .tls_certs_only([authority.trusted()])
        .tls_info(true)
        .no_proxy();
    if only_http1 {
        client = client.http1_only();
    }
    let request = client.build().unwrap().get(gateway.url("/healthz")).send();
    let response = within("an answer over TLS", request).await.unwrap();
    assert_eq!(response.status(), 200);
    let tls = response
        .extensions()
        .get::<reqwest::tls::TlsInfo>()
        .unwrap();
    (tls.peer_certificate().unwrap().to_vec(), response.version())
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let authority = Authority::new();
    let backend = FakeBackend::both().start();
    let gateway = Gateway::setup()
        .provider("it", &backend)
        .https(&authority)
        .start();
    assert_eq!(served(&gateway, &authority, false).await.1, Version::HTTP_2);
    assert_eq!(served(&gateway, &authority, true).await.1, Version::HTTP_11);
    let session = gateway.session(&["it"]).await;
    assert!(session.endpoint.starts_with("https://"));
    for revision in ["2025-11-25", "2026-07-28"] {
        let client = Client::trusting(&authority, revision, &session.endpoint).await;
        client.call("it.echo", json!({"a": 1})).await.result();
    }
    let logs = gateway.logs();
    assert!(logs.contains("listening on https://127.0.0.1"), "{logs}");
}

#[tokio::test]
async fn strangers_and_plain_text_are_not_served_and_hold_nobody_up() {
    let authority = Authority::new();
    let gateway = Gateway::setup()
        .provider("it", &FakeBackend::legacy().start())
        .https(&authority)
        .start();
    // Handshakes that are never begun, or never finished.
    let mut hanging = Vec::new();
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00", b"\x16"] {
        for _ in 0..20 {
            hanging.push(Raw::send_to(gateway.address(), bytes).await);
        }
    }
    let plain = Raw::send_to(
        gateway.address(),
        "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    .await;
    assert!(!plain.rest().await.contains("HTTP"));
    let stranger = reqwest::Client::builder().no_proxy().build().unwrap();
    let refused = stranger.get(gateway.url("/healthz")).send().await;
    refused.unwrap_err();
    served(&gateway, &authority, false).await;
}

#[tokio::test]
async fn a_certificate_is_replaced_without_a_restart_and_only_by_one_that_can_be_used() {
    let authority = Authority::new();
    let backend = FakeBackend::legacy().start();
    let mut gateway = Gateway::setup()
        .provider("it", &backend)
        .https(&authority)
        .start();
    let (first, _) = served(&gateway, &authority, false).await;
    let session = gateway.session(&["it"]).await;
    let client = Client::trusting(&authority, "2025-11-25", &session.endpoint).await;
    let params = r#"{"name":"it.progress","arguments":{"steps":1,"gated":true},"_meta":{"progressToken":1}}"#;
    let mut open = client.open("tools/call", params).await;
    open.next().await.unwrap();
    let told = async |gateway: &Gateway, words: &str| {
        eventually(words, async || gateway.logs().contains(words)).await;
    };
    authority.issue_expired();
    gateway.hang_up();
    told(&gateway, "has expired; renew it").await;
    fs::write(authority.certificate_path(), "nothing like it").unwrap();
    told(&gateway, "holds no certificate").await;
    fs::remove_file(authority.key_path()).unwrap();
    told(&gateway, "key.pem").await;
    assert_eq!(served(&gateway, &authority, false).await.0, first);
    let second = authority.issue();
    assert_ne!(first, second);
    eventually("the new certificate", async || {
        served(&gateway, &authority, true).await.0 == second
    })
    .await;
    backend.step();
    assert_eq!(open.finish().await.text(), "1 steps");
    gateway.stop();
    let logs = gateway.logs();
    assert!(logs.contains("read the TLS certificate again"), "{logs}");
    assert!(!logs.contains("PRIVATE KEY"), "{logs}");
}

#[tokio::test]
async fn a_key_that_everybody_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let authority = Authority::new();
    let start = || {
        let setup = Gateway::setup().provider("it", &FakeBackend::legacy().start());
        setup.https(&authority).start().logs()
    };
    let warning = "every user of this machine can read the TLS key";
    let mode = |mode| fs::set_permissions(authority.key_path(), fs::Permissions::from_mode(mode));
    mode(0o644).unwrap();
    assert!(start().contains(warning));
    mode(0o640).unwrap();
    assert!(!start().contains(warning));
}

#[test]
fn a_start_with_half_a_pair_or_a_wrong_one_says_what_is_wrong() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("registry.yaml"),
        "providers:\n  it: { url: http://127.0.0.1:9/mcp }\n",
    )
    .unwrap();
    let start = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
            .current_dir(folder.path())
            .env_clear()
            .arg("--port=0")
            .args(arguments)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{error}");
        error
    };
    let certificate = format!("--tls-cert={}", authority.certificate_path().display());
    let key = format!("--tls-key={}", authority.key_path().display());
    assert!(start(&[&certificate]).contains("give --tls-key"));
    assert!(start(&[&key]).contains("give --tls-cert"));
    let nothing = start(&[&certificate, "--tls-key=nothing.pem"]);
    assert!(nothing.contains("nothing.pem cannot be read"), "{nothing}");
    let other = Authority::new();
    let other = format!("--tls-key={}", other.key_path().display());
    let wrong = start(&[&certificate, &other]);
    assert!(wrong.contains("is not that of the certificate"), "{wrong}");
    authority.issue_expired();
    let expired = start(&[&certificate, &key]);
    assert!(expired.contains("has expired"), "{expired}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "a start that fails leaves nothing behind");
}
