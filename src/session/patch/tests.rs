//! What a change makes of a session, and what it cannot make.

use std::path::Path;

use secrecy::ExposeSecret;

use super::*;
use crate::{registry::Defaults, store::UnsealError};

fn registry() -> Registry {
    let text = "providers: { a: { url: http://127.0.0.1:9/mcp }, \
                b: { url: http://127.0.0.1:9/mcp, auth: { type: bearer } }, \
                c: { url: http://127.0.0.1:9/mcp, auth: { type: bearer, required: false } } }";
    let (defaults, path) = (Defaults::default(), Path::new("registry.yaml"));
    Registry::parse(text, path, &defaults, &|_: &str| None).unwrap()
}

fn name(text: &str) -> BackendName {
    text.parse().unwrap()
}

fn now() -> Vec<StoredServer> {
    let server = |backend, credential| StoredServer {
        backend: name(backend),
        credential,
        tools: None,
    };
    vec![
        server("a", Ok(None)),
        server("b", Err(UnsealError::OtherKey)),
        server("c", Ok(Some("old".into()))),
    ]
}

fn patch(servers: Option<&[&str]>, credentials: &[(&str, Option<&str>)]) -> SessionPatch {
    let credential =
        |(backend, secret): &(&str, Option<&str>)| (name(backend), secret.map(SecretString::from));
    SessionPatch {
        servers: servers.map(|servers| servers.iter().map(|text| name(text)).collect()),
        credentials: credentials.iter().map(credential).collect(),
        ..SessionPatch::default()
    }
}

fn plan(patch: SessionPatch, naming: Naming) -> Result<Plan, PatchError> {
    Plan::make(patch, &now(), naming, &registry())
}

/// Where each backend was, and what becomes of its credential.
fn shown(plan: &Plan) -> Vec<(Option<usize>, Change<&str>)> {
    let places = plan.places.iter().map(|place| {
        let credential = match &place.credential {
            Change::Keep => Change::Keep,
            Change::To(secret) => Change::To(secret.as_ref().map(ExposeSecret::expose_secret)),
        };
        (place.from, credential)
    });
    places.collect()
}

#[test]
fn what_is_not_named_stays_as_it_is() {
    let plan = plan(patch(None, &[("c", Some("new"))]), Naming::Auto).unwrap();
    let kept = |at| (Some(at), Change::Keep);
    assert_eq!(
        shown(&plan),
        [kept(0), kept(1), (Some(2), Change::To(Some("new")))]
    );
    assert_eq!(plan.unlinked(), [name("c")]);
    assert!(plan.removed.is_empty() && plan.changes_servers());

    let nothing = super::Plan::make(
        SessionPatch {
            name: Change::To(None),
            ..SessionPatch::default()
        },
        &now(),
        Naming::Auto,
        &registry(),
    )
    .unwrap();
    assert!(!nothing.changes_servers() && nothing.unlinked().is_empty());
}

#[test]
fn a_new_list_is_the_whole_list() {
    let servers = ["c", "a"];
    let plan = plan(patch(Some(&servers), &[("c", None)]), Naming::Auto).unwrap();
    assert_eq!(
        shown(&plan),
        [(Some(2), Change::To(None)), (Some(0), Change::Keep)]
    );
    assert_eq!(plan.removed, [name("b")]);
    assert_eq!(plan.unlinked(), [name("c"), name("b")]);
}

#[test]
fn to_take_away_what_is_not_there_changes_nothing() {
    let plan = plan(patch(None, &[("a", None)]), Naming::Auto).unwrap();
    assert!(!plan.changes_servers());
}

#[test]
fn a_server_that_the_registry_lacks_stays_and_is_not_added() {
    let mut now = now();
    now.push(StoredServer {
        backend: name("gone"),
        credential: Ok(Some("old".into())),
        tools: None,
    });
    let plan = |patch| Plan::make(patch, &now, Naming::Auto, &registry());
    let stays = plan(patch(Some(&["gone", "a"]), &[("gone", None)])).unwrap();
    assert_eq!(
        shown(&stays),
        [(Some(3), Change::To(None)), (Some(0), Change::Keep)]
    );
    assert!(matches!(
        plan(patch(Some(&["a", "never"]), &[])),
        Err(PatchError::NoSuchServer { server }) if server == name("never")
    ));
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |patch, naming| plan(patch, naming).unwrap_err();
    assert!(matches!(
        refused(patch(Some(&["a"]), &[("b", Some("x"))]), Naming::Auto),
        PatchError::NotAServer { server } if server == name("b")
    ));
    assert!(matches!(
        refused(patch(None, &[("b", None)]), Naming::Auto),
        PatchError::CredentialMissing { server } if server == name("b")
    ));
    assert!(matches!(
        refused(patch(Some(&["a", "c"]), &[]), Naming::None),
        PatchError::OneServerOnly
    ));
    let now = &now()[..1];
    let added = Plan::make(patch(Some(&["b"]), &[]), now, Naming::Auto, &registry());
    assert!(matches!(added, Err(PatchError::CredentialMissing { .. })));
}

#[test]
fn only_what_clients_see_otherwise_is_told() {
    let filter = Some(Arc::new(ToolFilter::new(None, &["x".to_owned()]).unwrap()));
    let told = |patch: SessionPatch, now: &[StoredServer]| {
        let plan = Plan::make(patch, now, Naming::Auto, &registry()).unwrap();
        assert!(!plan.changes_servers());
        plan.changed_lists().to_vec()
    };
    let mut filtered = now();
    filtered[0].tools.clone_from(&filter);
    let naming = |naming| SessionPatch {
        naming: Some(naming),
        ..SessionPatch::default()
    };
    let tools = |tools| SessionPatch {
        tools: [(name("a"), tools)].into(),
        ..SessionPatch::default()
    };
    let named = [ListKind::Tools, ListKind::Prompts];
    assert_eq!(told(naming(Naming::Dot), &now()), named);
    assert_eq!(told(naming(Naming::Auto), &now()), []);
    assert_eq!(told(tools(filter.clone()), &now()), [ListKind::Tools]);
    assert_eq!(told(tools(None), &filtered), [ListKind::Tools]);
    assert_eq!(told(tools(filter), &filtered), []);
    assert_eq!(told(tools(None), &now()), []);
    let stranger = SessionPatch {
        tools: [(name("z"), None)].into(),
        ..SessionPatch::default()
    };
    let refused = plan(stranger, Naming::Auto).unwrap_err();
    assert!(matches!(refused, PatchError::FilterOfNoServer { server } if server == name("z")));
    assert!(matches!(
        plan(naming(Naming::None), Naming::Auto),
        Err(PatchError::OneServerOnly)
    ));
}
