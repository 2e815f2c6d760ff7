//! What is counted, without a gateway around it.

use std::{sync::Arc, time::Duration};

use super::*;

const NOW: Now = Now {
    live: 1,
    stored: 2,
    breakers: Vec::new(),
};

/// The sample of that name and those labels.
fn sample(metrics: &Metrics, name: &str) -> Option<String> {
    let text = metrics.text(&NOW).unwrap();
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found.map(|value| value.trim().to_owned())
}

#[test]
fn what_there_is_is_counted_until_it_is_dropped() {
    let metrics = Metrics::new().unwrap();
    let provider = metrics.provider(&"it".parse().unwrap());
    let at = |state| {
        let name = format!("mcp_gateway_connections{{provider=\"it\",state=\"{state}\"}}");
        sample(&metrics, &name).unwrap()
    };
    let mut connection = Arc::clone(&provider).connection();
    assert_eq!((at("idle"), at("ready")), ("1".into(), "0".into()));
    for _ in 0..2 {
        connection.stands(Standing::Ready);
        assert_eq!((at("idle"), at("ready")), ("0".into(), "1".into()));
    }
    drop(connection);
    assert_eq!((at("idle"), at("ready")), ("0".into(), "0".into()));

    let session = metrics.mcp_session();
    let count = || sample(&metrics, "mcp_gateway_mcp_sessions ").unwrap();
    assert_eq!(count(), "1");
    drop(session);
    assert_eq!(count(), "0");
}

#[test]
fn a_provider_counts_on_when_its_entry_becomes_another() {
    let metrics = Metrics::new().unwrap();
    for _ in 0..2 {
        metrics.provider(&"it".parse().unwrap()).retried();
    }
    let retries = sample(&metrics, "mcp_gateway_retries_total{provider=\"it\"}");
    assert_eq!(retries.as_deref(), Some("2"));
}

#[test]
fn a_method_that_nobody_knows_has_no_label_of_its_own() {
    let metrics = Metrics::new().unwrap();
    for number in 0..1000 {
        metrics.begin();
        let method = format!("hostile/{number}");
        metrics.end(&method, Ending::Failed, Duration::from_millis(3));
    }
    let text = metrics.text(&NOW).unwrap();
    assert!(!text.contains("hostile"), "{text}");
    let name = "mcp_server_operation_duration_seconds_count{error_type=\"failed\",mcp_method_name=\"_other\"}";
    assert_eq!(sample(&metrics, name).as_deref(), Some("1000"));
    assert_eq!(
        sample(&metrics, "mcp_gateway_active_requests").as_deref(),
        Some("0")
    );
}
