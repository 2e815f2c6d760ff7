//! `mcp-gateway session`: what each verb prints.

use serde_json::Value;

use super::{done, gateway, lasting, run};
use crate::world::{FakeBackend, eventually};

#[tokio::test]
async fn sessions_are_made_listed_shown_changed_and_deleted() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let empty = done(&gateway, &["session", "list"], &[]);
    assert!(
        empty.out.is_empty() && empty.err.contains("session create"),
        "{}",
        empty.err
    );
    let create = [
        "session",
        "create",
        "docs",
        "vault",
        "--name=Team",
        "--credential=vault=env:VAULT",
    ];
    let made = done(&gateway, &create, &[("VAULT", "S3cr3t")]);
    let id = made.out.trim_end();
    assert!(
        uuid::Uuid::try_parse(id).is_ok(),
        "for a script, the id alone: {}",
        made.out
    );
    assert_eq!(
        lasting(&gateway, &made.err, id),
        "made, at URL/session/ID/mcp\n\
         next, what to paste into a client: mcp-gateway config claude-desktop --session ID"
    );
    let listed = done(&gateway, &["session", "list"], &[]);
    assert_eq!(
        lasting(&gateway, &listed.out, id),
        "session name servers last used\nID Team docs, vault DATE TIME"
    );
    assert!(!listed.out.contains('\u{1b}'), "colours for terminals only");
    let json = done(&gateway, &["session", "list", "--json"], &[]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["sessions"][0]["session_id"], id);

    let edit = ["session", "edit", "Team", "--remove=vault", "--name=Docs"];
    let edited = done(&gateway, &edit, &[]);
    let shown = lasting(&gateway, &edited.out, id);
    // What stands behind the state depends on whether it is connected by now.
    let (shown, _) = shown.split_once("docs STATE").unwrap_or_default();
    assert_eq!(
        shown,
        "session ID\nname Docs\nendpoint URL/session/ID/mcp\nnaming auto\ncreated DATE TIME\n\
         last used DATE TIME\n\nserver state revision tools last error\n"
    );
    let edit = [
        "session",
        "edit",
        "Docs",
        "--allow=docs=e*",
        "--deny=docs=*_x",
        "--idle-expiry=30m",
        "--naming=dot",
    ];
    let edited = done(&gateway, &edit, &[]).out;
    for line in [
        "lives      30m",
        "naming     dot",
        "allow      docs: e*",
        "deny       docs: *_x",
    ] {
        assert!(edited.contains(line), "no {line:?} in {edited}");
    }
    let edit = ["session", "edit", "Docs", "--allow=docs=echo"];
    let edited = done(&gateway, &edit, &[]);
    assert!(edited.err.contains("docs: allow was e*"), "{}", edited.err);
    assert!(
        edited.out.contains("deny       docs: *_x"),
        "{}",
        edited.out
    );
    let edit = [
        "session",
        "edit",
        "Docs",
        "--all-tools=docs",
        "--no-idle-expiry",
    ];
    let edited = done(&gateway, &edit, &[]).out;
    assert!(
        !edited.contains("lives") && !edited.contains("allow"),
        "{edited}"
    );
    let shown = done(&gateway, &["session", "show", &id[..8], "--json"], &[]);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(
        (&shown["name"], &shown["session_id"]),
        (&"Docs".into(), &id.into())
    );
    let deleted = done(&gateway, &["session", "delete", "Docs", id, &id[..8]], &[]);
    assert_eq!(deleted.err, format!("deleted {id}\n"));
    assert_eq!(run(&gateway, &["session", "show", id], &[]).code, 5);
}

/// A server whose entry is gone stays in sessions, and can be dealt with there.
#[tokio::test]
async fn a_server_that_the_registry_lost_gets_its_own_remedy() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let create = [
        "session",
        "create",
        "docs",
        "vault",
        "--credential=vault=env:VAULT",
    ];
    let made = done(&gateway, &create, &[("VAULT", "S3cr3t")]);
    let id = made.out.trim_end();
    let registry = format!("providers:\n  docs: {{ url: {} }}\n", backend.url());
    std::fs::write(gateway.folder().join("registry.yaml"), registry).unwrap();
    gateway.hang_up();
    let remedy = format!("mcp-gateway session edit {id} --remove vault");
    eventually("the entry to be missed", async || {
        let shown = done(&gateway, &["session", "show", id], &[]);
        shown.err.contains(&remedy) && !shown.err.contains("--credential")
    })
    .await;
    let edit = ["session", "edit", id, "--deny=vault=x"];
    done(&gateway, &edit, &[]);
}
