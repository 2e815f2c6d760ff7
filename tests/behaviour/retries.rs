//! What is sent again, what never is, and how often.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    LATEST_LEGACY, QUICK, UNAVAILABLE,
    world::{Client, FakeBackend, Fault, Gateway, gateway::Session},
};

/// A gateway before one backend of either era, and a client that has opened.
struct Pair {
    backend: FakeBackend,
    client: Client,
    _gateway: Gateway,
    _session: Session,
}

async fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for backend in [FakeBackend::legacy().start(), FakeBackend::modern().start()] {
        let gateway = Gateway::setup()
            .provider_with("it", &backend, QUICK)
            .start();
        let session = gateway.session(&["it"]).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        // The tool's annotations decide about repeats, so the list must be known.
        client.tool_names().await;
        pairs.push(Pair {
            backend,
            client,
            _gateway: gateway,
            _session: session,
        });
    }
    pairs
}

/// Ways to lose the answer to a request that was carried out.
const LOSSES: [Fault; 5] = [
    Fault::ResetBeforeHeaders,
    Fault::ResetAfterHeaders,
    Fault::ResetMidBody,
    Fault::Status {
        code: 502,
        retry_after: None,
    },
    Fault::Status {
        code: 504,
        retry_after: None,
    },
];

#[tokio::test]
async fn a_tool_that_may_have_run_is_not_run_again() {
    for Pair {
        backend, client, ..
    } in pairs().await
    {
        for (done, fault) in LOSSES.into_iter().enumerate() {
            backend.inject(fault.clone().on("tools/call").times(1));
            let error = client.call("it.count", json!({})).await.error();
            assert_eq!(backend.executions("count"), done + 1, "{fault:?}");
            assert_eq!(error.code, UNAVAILABLE, "{fault:?}");
            assert!(error.message.contains("it"), "{error:?}");
            assert!(error.message.contains("may have"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_tool_that_may_run_twice_is_tried_again() {
    for Pair {
        backend, client, ..
    } in pairs().await
    {
        for (done, fault) in LOSSES.into_iter().enumerate() {
            backend.inject(fault.clone().on("tools/call").times(1));
            let answer = client.call("it.count_again", json!({})).await;
            assert_eq!(answer.text(), (2 * done + 2).to_string(), "{fault:?}");
            backend.inject(fault.on("tools/call").times(1));
            client.call("it.echo", json!({})).await.result();
        }
    }
}

#[tokio::test]
async fn a_refused_request_is_sent_again_whatever_it_does() {
    for Pair {
        backend, client, ..
    } in pairs().await
    {
        let refusals = [Fault::status(429), Fault::retry_after(503, "0")];
        for (done, refusal) in refusals.into_iter().enumerate() {
            backend.inject(refusal.on("tools/call").times(2));
            let answer = client.call("it.count", json!({})).await;
            assert_eq!(answer.text(), (done + 1).to_string());
        }
        assert_eq!(backend.requests_of("tools/call").len(), 6);
    }
}

#[tokio::test]
async fn the_pause_a_backend_asks_for_is_kept() {
    for Pair {
        backend, client, ..
    } in pairs().await
    {
        backend.inject(Fault::retry_after(503, "1").on("tools/call").times(1));
        client.call("it.count", json!({})).await.result();
        let calls = backend.requests_of("tools/call");
        assert_eq!(calls.len(), 2);
        let pause = calls[1].at - calls[0].at;
        assert!(pause >= Duration::from_millis(990), "{pause:?}");
    }
}

#[tokio::test]
async fn repeats_end() {
    for Pair {
        backend, client, ..
    } in pairs().await
    {
        backend.inject(Fault::retry_after(503, "0").on("tools/call"));
        let error = client.call("it.count", json!({})).await.error();
        assert_eq!(error.code, UNAVAILABLE);
        assert!(error.message.contains("503"), "{error:?}");
        assert_eq!(
            backend.requests_of("tools/call").len(),
            3,
            "one and two repeats"
        );
        assert_eq!(backend.executions("count"), 0);
    }
}

#[tokio::test]
async fn lists_and_openings_are_tried_again() {
    for script in [FakeBackend::legacy, FakeBackend::modern] {
        for fault in LOSSES {
            let backend = script().start();
            for method in ["server/discover", "initialize", "tools/list"] {
                backend.inject(fault.clone().on(method).times(1));
            }
            let gateway = Gateway::setup()
                .provider_with("it", &backend, QUICK)
                .start();
            let session = gateway.session(&["it"]).await;
            let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
            crate::world::eventually("the tools", async || client.tool_names().await.len() == 9)
                .await;
            client.call("it.echo", json!({})).await.result();
            assert_eq!(backend.complaints(), [""; 0], "{fault:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_with_an_error_is_final() {
    for Pair {
        backend, client, ..
    } in pairs().await
    {
        let error = json!({"code": -32603, "message": "broken", "data": null});
        client.call("it.fail", error).await.error();
        backend.inject(Fault::status(500).on("tools/call").times(1));
        client.call("it.count", json!({})).await.error();
        assert_eq!(backend.requests_of("tools/call").len(), 2);
    }
}

#[tokio::test]
async fn a_call_to_a_backend_that_returns_in_time_succeeds() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup()
        .provider_with(
            "it",
            &backend,
            "retries: { attempts: 6, base: 100ms, max: 1s }",
        )
        .start();
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.call("it.echo", json!({})).await.result();
    backend.go_down().await;
    let call = client.call("it.count", json!({}));
    let returning = async { backend.come_back() };
    let (answer, ()) = tokio::join!(call, returning);
    assert_eq!(answer.text(), "1");
}

#[tokio::test]
async fn a_storm_of_failures_over_all_sessions_is_not_made_worse_by_repeats() {
    const CALLS: usize = 100;
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup()
        .provider_with("it", &backend, QUICK)
        .start();
    let mut clients = Vec::new();
    for _ in 0..4 {
        let session = gateway.session(&["it"]).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        client.tool_names().await;
        clients.push(client);
    }
    backend.inject(Fault::status(429).on("tools/call"));
    let begun = Instant::now();
    let calls = clients.iter().map(|client| async {
        for _ in 0..CALLS {
            let error = client.call("it.count", json!({})).await.error();
            assert!(error.message.contains("429"), "{error:?}");
        }
    });
    join_all(calls).await;
    let sent = backend.requests_of("tools/call").len();
    let calls = 4 * CALLS;
    // A fifth of the traffic, what was saved up, and what time brings; without that, twice as many
    // again as there are calls.
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    let most = calls + calls / 5 + 50 + 10 + 2 * seconds;
    assert!(
        (calls + 50..=most).contains(&sent),
        "{sent} for {calls} calls"
    );
    let told = gateway
        .logs()
        .matches("its failures are not repeated")
        .count();
    assert!(told >= 1 && told <= 1 + seconds / 60, "told {told} times");
}
