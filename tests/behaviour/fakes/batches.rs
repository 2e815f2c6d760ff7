//! Batches, which only 2025-03-26 has.

use serde_json::json;

use super::{LEGACY, capable};
use crate::world::{Answers, FakeBackend};

const HAS_BATCHES: &str = "2025-03-26";

#[tokio::test]
async fn a_batch_is_answered_together() {
    for answers in [Answers::Json, Answers::Sse] {
        let script = FakeBackend::speaking(HAS_BATCHES).answers(answers);
        let backend = script.start();
        let client = capable(HAS_BATCHES, &backend).await;
        let call = |tool: &str| json!({"name": tool, "arguments": {"of": tool}});
        let (answer, responses) = client
            .batch(&[
                ("tools/call", call("echo")),
                ("notifications/roots/list_changed", json!({})),
                ("ping", json!({})),
                ("tools/call", call("log")),
            ])
            .await;
        assert_eq!(responses.len(), 3);
        assert!(
            responses
                .iter()
                .all(crate::world::client::Message::is_in_batch)
        );
        assert_eq!(responses[0].result()["structuredContent"]["of"], "echo");
        assert_eq!(responses[1].result(), json!({}));
        assert_eq!(answer.events.len(), 8);
        assert_eq!(backend.requests_of("tools/call").len(), 2);

        let notices = [("notifications/roots/list_changed", json!({}))];
        let (answer, responses) = client.batch(&notices).await;
        assert_eq!((answer.status, responses.len()), (202, 0));
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_backend_may_answer_in_batches() {
    for answers in [Answers::Json, Answers::Sse] {
        let script = FakeBackend::speaking(HAS_BATCHES).answers(answers);
        let backend = script.in_batches().start();
        let client = capable(HAS_BATCHES, &backend).await;
        for tool in ["echo", "log"] {
            let answer = client.call(tool, json!({})).await;
            let messages = answer.events.iter().chain(&answer.response);
            assert!(
                messages
                    .into_iter()
                    .all(crate::world::client::Message::is_in_batch)
            );
        }
        assert!(client.tool_names().await.contains(&"echo".to_owned()));
    }
}

#[tokio::test]
async fn other_revisions_refuse_batches() {
    let backend = FakeBackend::speaking(LEGACY).start();
    let client = crate::world::Program::named("x").lenient();
    let client = client.legacy(&backend.url(), LEGACY).await;
    let (answer, _) = client.batch(&[("ping", json!({}))]).await;
    assert_eq!(answer.status, 400);
}
