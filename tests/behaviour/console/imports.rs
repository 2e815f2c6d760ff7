//! `mcp-gateway import`: what comes of a client's file.

use super::{done, gateway, run};
use crate::world::FakeBackend;

#[tokio::test]
async fn import_brings_servers_into_the_registry_and_keeps_what_is_there() {
    const SECRET: &str = "hf_S3cr3t";
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let folder = gateway.folder();
    let path = folder.join("registry.yaml");
    let before = format!("# Ours.\n{}", std::fs::read_to_string(&path).unwrap());
    let before = format!("{before}  # the end of ours\n");
    std::fs::write(&path, &before).unwrap();
    let file = format!(
        r#"{{"mcpServers": {{
            // Comments are no mistake.
            "hub": {{"url": "https://hub.example.com/mcp", "headers": {{"Authorization": "Bearer {SECRET}"}}}},
            "docs": {{"url": "https://docs.example.com/mcp"}},
            "same": {{"url": "{}"}},
            "local": {{"command": "uvx", "args": ["mcp-server-git"], "env": {{"TOKEN": "{SECRET}"}}}},
        }}}}"#,
        backend.url()
    );
    std::fs::write(folder.join("mcp.json"), file).unwrap();
    let told = "left out local: it is started by a command and speaks over stdio";
    let put = "into HUB_TOKEN where the gateway is started";
    let entries = "  docs-2:\n    url: https://docs.example.com/mcp\n    auth: { type: none }\n  \
         hub:\n    url: https://hub.example.com/mcp\n    auth: { type: bearer, default: env:HUB_TOKEN }\n";
    let printed = done(&gateway, &["import", "mcp.json"], &[]);
    assert_eq!(printed.out, format!("providers:\n{entries}"));
    let wrote = done(&gateway, &["import", "mcp.json", "--write"], &[]);
    for part in [
        told,
        put,
        "left out same",
        "wrote 2 servers into registry.yaml",
    ] {
        assert!(wrote.err.contains(part), "no {part} in {}", wrote.err);
    }
    let after = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        after,
        format!("{before}\n{entries}"),
        "all that was there, comments, too"
    );
    assert!(
        ![printed.out, printed.err, wrote.err, after]
            .concat()
            .contains(SECRET)
    );
    done(&gateway, &["check"], &[("HUB_TOKEN", SECRET)]);
    let again = done(&gateway, &["import", "mcp.json", "--write"], &[]);
    assert!(again.err.contains("nothing to bring"), "{}", again.err);

    std::fs::write(
        &path,
        "providers: { docs: { url: 'http://127.0.0.1:9/mcp' } }\n",
    )
    .unwrap();
    let refused = run(&gateway, &["import", "mcp.json", "--write"], &[]);
    assert_eq!(refused.code, 6, "{}", refused.err);
    assert!(
        refused.err.contains("nothing was written"),
        "{}",
        refused.err
    );
    std::fs::write(folder.join("other.json"), "{}").unwrap();
    assert_eq!(run(&gateway, &["import", "other.json"], &[]).code, 2);
}
