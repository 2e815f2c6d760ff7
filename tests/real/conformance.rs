//! The official conformance suite: servers through the gateway, and the gateway as the client that it tests.
//!
//! The backend is the reference server (`node/server-reference.mjs`), in front of which every check of every revision
//! succeeds. Whatever succeeds directly must succeed through the gateway, whichever of its eras the backend speaks;
//! `conformance/baseline.yaml` names the exceptions.

mod baseline;
mod outcome;
mod suite;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::OnceCell;

use self::{
    baseline::Baseline,
    outcome::{Difference, Outcomes},
    suite::{ALL_SLOTS, Role, Scenario, Suite},
};
use crate::{gateway::Gateway, server::Server};

/// The name of the one backend of a session.
const BACKEND: &str = "reference";
/// The run of scenarios that have no revision.
const EXTENSIONS: &str = "extensions";
/// How often a scenario that measures time is run, where it was late before.
const TRIES: usize = 8;

#[tokio::test]
async fn the_reference_server_passes_every_check_directly() {
    let Some(suite) = Suite::installed() else {
        return;
    };
    let mut found = BTreeSet::new();
    for (run, outcomes) in direct(&suite, &Baseline::read()).await {
        found.extend(outcomes.scenarios());
        let bad = outcomes.bad(run).into_iter();
        // A scenario that has no check yet.
        let bad =
            bad.filter(|difference| difference.check.scenario != "tasks-status-notifications");
        let bad: Vec<String> = bad.map(|difference| difference.to_string()).collect();
        assert!(bad.is_empty(), "{}", bad.join("\n"));
    }
    for scenario in suite.scenarios(Role::Server).await {
        assert!(found.contains(&*scenario.name), "{scenario:?} did not run");
    }
}

#[tokio::test]
async fn what_succeeds_directly_succeeds_with_a_legacy_backend() {
    succeeds_with("legacy", "2025-11-25").await;
}

#[tokio::test]
async fn what_succeeds_directly_succeeds_with_a_modern_backend() {
    succeeds_with("modern", "2026-07-28").await;
}

#[tokio::test]
async fn as_a_client_the_gateway_has_no_fault() {
    let Some(suite) = Suite::installed() else {
        return;
    };
    let baseline = Baseline::read();
    let scenarios = suite.scenarios(Role::Client).await;
    let runs = scenarios
        .iter()
        .filter(|scenario| baseline.runs(&scenario.name))
        .flat_map(|scenario| ["legacy", "modern"].map(|era| (scenario, era)))
        .flat_map(|(scenario, era)| scenario.runs().map(move |run| (scenario, era, run)));
    let tests = runs
        .map(|(scenario, era, revision)| test_client(&suite, &baseline, scenario, era, revision));
    let differences: Vec<Difference> = join_all(tests).await.into_iter().flatten().collect();
    report(&baseline.judge_client(&differences));
}

/// Tests the gateway before a backend that speaks this revision only.
async fn succeeds_with(era: &str, revision: &str) {
    let Some(suite) = Suite::installed() else {
        return;
    };
    let baseline = Baseline::read();
    let backend = Server::reference(&suite.node).await;
    let about = json!({"url": backend.url(), "description": "Has it all", "protocol": revision});
    let registry = json!({"providers": {BACKEND: about}}).to_string();
    let gateway = Gateway::start(&registry).await;
    let session = json!({"servers": [BACKEND], "naming": "none"});
    let endpoint = gateway.create_session(session).await;

    let expected = direct(&suite, &baseline).await;
    let lost = |run: &str, found: &Outcomes| expected[run].lost_in(found, run);
    let late = |run: &str, found: &Outcomes| baseline.late_server(era, &lost(run, found));
    let found = test_server(&suite, &endpoint, late).await;
    let differences: Vec<Difference> = expected
        .keys()
        .flat_map(|run| lost(run, &found[run]))
        .collect();
    report(&baseline.judge_server(era, &differences));
}

/// What the suite finds without the gateway.
async fn direct(suite: &Suite, baseline: &Baseline) -> &'static BTreeMap<String, Outcomes> {
    static DIRECT: OnceCell<BTreeMap<String, Outcomes>> = OnceCell::const_new();
    DIRECT
        .get_or_init(async || {
            let server = Server::reference(&suite.node).await;
            let late = |run: &str, found: &Outcomes| baseline.late_directly(&found.bad(run));
            test_server(suite, &server.url(), late).await
        })
        .await
}

/// Tests a server in one run for each revision, and one for the extensions. What was `late` in a run is tried again, while
/// nothing else is.
async fn test_server(
    suite: &Suite,
    url: &str,
    late: impl Fn(&str, &Outcomes) -> BTreeSet<String>,
) -> BTreeMap<String, Outcomes> {
    let scenarios = suite.scenarios(Role::Server).await;
    let (extensions, core): (Vec<_>, Vec<_>) = scenarios
        .into_iter()
        .partition(|scenario| scenario.revisions.is_empty());
    let runs = core.into_iter().flat_map(|scenario| scenario.revisions);
    let runs: BTreeSet<String> = runs.chain([EXTENSIONS.to_owned()]).collect();
    let late = &late;
    let tests = runs.into_iter().map(async |run| {
        // The suite picks extensions only among others that servers are not yet expected to pass.
        let which = if run == EXTENSIONS { "pending" } else { "all" };
        let selection = [&["--suite", which], &*revision_of(&run)].concat();
        let mut outcomes = suite.test_server(url, &selection, 1).await;
        if run == EXTENSIONS {
            outcomes.keep(&extensions);
        }
        for _ in 1..TRIES {
            for scenario in late(&run, &outcomes) {
                let alone = [&["--scenario", &*scenario], &*revision_of(&run)].concat();
                let again = suite.test_server(url, &alone, ALL_SLOTS).await;
                outcomes.replace(&scenario, again);
            }
        }
        (run, outcomes)
    });
    join_all(tests).await.into_iter().collect()
}

fn revision_of(run: &str) -> Vec<&str> {
    if run == EXTENSIONS {
        Vec::new()
    } else {
        vec!["--spec-version", run]
    }
}

/// What is wrong with the gateway as a client, when a client of this era uses it.
async fn test_client(
    suite: &Suite,
    baseline: &Baseline,
    scenario: &Scenario,
    era: &str,
    revision: Option<&str>,
) -> Vec<Difference> {
    let run = format!("{era} client, {}", revision.unwrap_or(EXTENSIONS));
    let test = async |slots| {
        let outcomes = suite.test_client(scenario, era, revision, slots).await;
        outcomes.bad(&run)
    };
    let mut bad = test(1).await;
    for _ in 1..TRIES {
        if baseline.late_client(&bad).is_empty() {
            break;
        }
        bad = test(ALL_SLOTS).await;
    }
    bad
}

fn report(lines: &[String]) {
    assert!(
        lines.is_empty(),
        "{} checks:\n{}",
        lines.len(),
        lines.join("\n")
    );
}
