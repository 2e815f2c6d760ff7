//! What goes wrong: the code that the program ends with, and the remedy it names.

use super::{gateway, run};
use crate::world::{FakeBackend, Gateway};

#[tokio::test]
async fn what_goes_wrong_has_its_code_and_its_remedy() {
    let backend = FakeBackend::legacy().start();
    let open = gateway(&backend);
    let closed = Gateway::setup()
        .provider("docs", &backend)
        .caller("ada")
        .start();
    let secret = "hf_S3cr3t";
    let given = format!("--credential=vault={secret}");
    let absent = "3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11";
    for (arguments, code, parts) in [
        (
            &["session", "list", "--url=http://127.0.0.1:9"][..],
            3,
            &["127.0.0.1:9", "refused", "--url"][..],
        ),
        (&["session", "show", absent], 5, &[absent, "session list"]),
        (
            &["session", "delete", "nobody"],
            5,
            &["nobody", "session list"],
        ),
        (
            &["session", "create", "dosc"],
            6,
            &["\"dosc\"", "did you mean docs?"],
        ),
        (&["session", "create", "zzzzzzz"], 6, &["docs, vault"]),
        (
            &["session", "create", "vault"],
            2,
            &["vault needs a credential", "--credential vault=env:NAME"],
        ),
        (
            &[
                "session",
                "create",
                "vault",
                "--credential=vault=env:NOT_SET",
            ],
            2,
            &["NOT_SET is not set"],
        ),
        (
            &["session", "create", "vault", &given],
            2,
            &["env:NAME", "file:PATH"],
        ),
        (
            &["session", "create", "docs", "--allow=docs"],
            2,
            &["--allow docs names no pattern", "docs=search_*"],
        ),
        (&["session", "create"], 2, &["<SERVER>"]),
        (
            &["session", "create", "docs", "--name="],
            6,
            &["name is blank"],
        ),
    ] {
        let ended = run(&open, arguments, &[]);
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.err);
        for part in parts {
            assert!(
                ended.err.contains(part),
                "{arguments:?}: no {part} in {}",
                ended.err
            );
        }
        assert!(
            ended.out.is_empty() && !ended.err.contains(secret),
            "{}",
            ended.err
        );
    }
    let list = ["session", "list"];
    let refused = run(&closed, &list, &[]);
    assert_eq!(refused.code, 4, "{}", refused.err);
    assert!(refused.err.contains("MCP_GATEWAY_KEY"), "{}", refused.err);
    let key = closed.key("ada");
    assert_eq!(run(&closed, &list, &[("MCP_GATEWAY_KEY", key)]).code, 0);
    std::fs::write(closed.folder().join("key"), format!("{key}\n")).unwrap();
    assert_eq!(
        run(&closed, &["session", "list", "--api-key-file=key"], &[]).code,
        0
    );
    let made = run(
        &closed,
        &["session", "edit", "x"],
        &[("MCP_GATEWAY_KEY", "mcpgw_wrong")],
    );
    assert_eq!(made.code, 4, "{}", made.err);
}
