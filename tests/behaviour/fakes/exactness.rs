//! Results that a test sets come as they are, byte for byte.

use serde_json::json;

use super::{REVISIONS, capable};
use crate::world::{FakeBackend, client::MODERN};

/// The members of a result of this revision, oddly spelled.
fn odd(revision: &str, members: &str) -> String {
    let more = if revision == MODERN {
        r#""resultType":"complete","ttlMs":0,"cacheScope":"private","#
    } else {
        ""
    };
    format!(
        r#"{{"z":1.0, "a":10000000000000000000000001,{more}"é":"\u00e9",  "_meta":{{"k":-0.0e1}},{members}}}"#
    )
}

#[tokio::test]
async fn results_of_all_kinds_keep_their_bytes() {
    for revision in REVISIONS {
        let backend = FakeBackend::speaking(revision).start();
        let client = capable(revision, &backend).await;
        let tool = odd(revision, r#""content":[ ]"#);
        let prompt = odd(revision, r#""messages":[ ]"#);
        let resource = odd(revision, r#""contents":[ ]"#);
        backend.set_exact(&tool);
        backend.set_exact_prompt(&prompt);
        backend.set_exact_resource(&resource);
        assert_eq!(client.call("exact", json!({})).await.result_raw(), tool);
        let got = client.prompt("exact_prompt", json!({})).await;
        assert_eq!(got.result_raw(), prompt);
        assert_eq!(client.read("fake://exact").await.result_raw(), resource);
    }
}
