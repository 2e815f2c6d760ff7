//! Sessions over a real store, without backends: what is kept, counted and given back.

mod past_the_queue;

use std::path::Path;

use futures_util::future::join_all;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    channel::{Receiver, channel},
    lanes,
    limits::Backlog,
    limits::MCP_SESSIONS_PER_SESSION_MAX,
    mcp::{
        event::{Event, Finished, Outcome},
        failure::Failure,
        message::RequestId,
        name::Naming,
        request::{Context, Request},
        version::Revision,
    },
    registry::{Defaults, Registry},
    store::{SealingKey, SessionRecord},
};

const CAPS: Caps = Caps {
    sessions: 10,
    sessions_per_caller: 10,
    sessions_of_anonymous: None,
    requests_per_caller: 10,
};

struct World {
    sessions: Sessions,
    store: Store,
    id: Uuid,
    session: SessionRef,
    _directory: TempDir,
}

/// One session, of no backend.
async fn world() -> World {
    // Elsewhere, as those of a gateway are.
    world_on(2).await
}

/// The same on one of so many lanes.
async fn world_on(lanes: usize) -> World {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let key = SealingKey::parse(&"00".repeat(32).into()).unwrap();
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let store = Store::open(&url, key).await.unwrap();
    let text = "providers: { it: { url: http://127.0.0.1:9/mcp } }";
    let environment = |_: &str| None;
    let registry = Registry::parse(
        text,
        Path::new("registry.yaml"),
        &Defaults::default(),
        &environment,
    );
    let patience = Patience {
        initialize_deadline: Duration::from_secs(1),
        mcp_session_ttl: Duration::from_mins(1),
        session_idle_ttl: None,
        dormant_after: Duration::from_mins(1),
        input_timeout: Duration::from_mins(1),
    };
    let registry = CurrentRegistry::new(registry.unwrap());
    let sessions = Sessions::start(
        registry,
        store.clone(),
        patience,
        CAPS,
        Metrics::new().unwrap(),
        Lanes::begin(lanes).unwrap(),
    );
    let sessions = sessions.await.unwrap();
    let everybody = sessions.seen_by(&Caller::anonymous());
    let new = NewSession {
        name: None,
        naming: Naming::Auto,
        idle_expiry: None,
        servers: Vec::new(),
    };
    let id = everybody.create(new).await.unwrap();
    let session = everybody.find(id).await.unwrap().unwrap();
    World {
        sessions,
        store,
        id,
        session,
        _directory: directory,
    }
}

async fn open(session: &SessionRef) -> Result<Uuid, Failure> {
    let client = Client {
        revision: Revision::LATEST_LEGACY,
        context: Context::default(),
    };
    let (id, _) = session.open_mcp_session(client).await?;
    Ok(id)
}

/// Sends a `ping` in an MCP session.
fn begin(session: &SessionRef, id: Uuid) -> (Receiver<Event>, InFlight, Arc<CancellationToken>) {
    let cancel = Arc::new(CancellationToken::new());
    let (received, in_flight) = begin_with(session, Some(id), cancel.clone());
    (received, in_flight, cancel)
}

fn begin_with(
    session: &SessionRef,
    mcp_session: Option<Uuid>,
    cancel: Arc<CancellationToken>,
) -> (Receiver<Event>, InFlight) {
    let (events, received) = channel(Backlog::new(4, 1000));
    let exchange = Exchange {
        mcp_session,
        cancel_by: mcp_session.map(|_| RequestId::from_number(1)),
        request: Request::new("ping", None, Context::default()),
        events,
        desk: None,
        cancel,
        pinned: None,
    };
    let in_flight = session.begin(Box::new(exchange), false).unwrap();
    (received, in_flight)
}

/// The same, and how it failed.
async fn ping(session: &SessionRef, id: Uuid) -> Option<Failure> {
    let (mut received, _in_flight, _) = begin(session, id);
    match within_a_minute(received.recv()).await {
        Some(Event::Finished(Finished { outcome, .. })) => match outcome {
            Outcome::Completed(_) => None,
            Outcome::Failed(failure) => Some(failure),
            outcome => panic!("{outcome:?}"),
        },
        _ => Some(Failure::Lost),
    }
}

async fn within_a_minute<F: Future>(done: F) -> F::Output {
    let done = tokio::time::timeout(Duration::from_mins(1), done).await;
    done.unwrap()
}

#[tokio::test]
async fn a_session_that_is_awake_is_known_to_be_on_one_lane() {
    let world = world().await;
    let lane = world.sessions.lane(world.id).unwrap();
    assert_ne!(lane, lanes::current());
    assert_eq!(world.sessions.lane(Uuid::new_v4()), None);
    let everybody = world.sessions.seen_by(&Caller::anonymous());
    let (id, session) = (world.id, world.session);
    drop(session);
    assert!(everybody.delete(id).await.unwrap());
    let gone = async {
        while world.sessions.lane(id).is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_could_not_be_written_down_is_said_again() {
    let world = world().await;
    let mcp_session = open(&world.session).await.unwrap();
    // Once to have it say what the opening itself used.
    world.session.sweep().await;
    world.session.not_written_down();
    let again = world.session.sweep().await;
    assert_eq!(again.session.map(|(id, _)| id), Some(world.id));
    let mcp_sessions: Vec<Uuid> = again.mcp_sessions.iter().map(|(id, _)| *id).collect();
    assert_eq!(mcp_sessions, [mcp_session]);
    let quiet = world.session.sweep().await;
    assert!(quiet.session.is_none() && quiet.mcp_sessions.is_empty());
}

#[tokio::test]
async fn an_mcp_session_that_stays_stored_has_not_ended_well() {
    let world = world().await;
    let (ended, kept) = (
        open(&world.session).await.unwrap(),
        open(&world.session).await.unwrap(),
    );
    for id in [ended, kept] {
        assert_eq!(ping(&world.session, id).await, None);
    }
    assert_eq!(world.session.end_mcp_session(ended).await, Ok(true));
    assert_eq!(world.session.end_mcp_session(ended).await, Ok(false));
    world.store.close().await;
    for _ in 0..2 {
        let refused = world.session.end_mcp_session(kept).await;
        assert_eq!(refused, Err(Failure::NotStored));
        assert_eq!(world.session.knows(kept).await, Ok(None));
    }
    let strange = world.session.end_mcp_session(Uuid::new_v4()).await;
    assert_eq!(strange, Ok(false));
}

#[tokio::test]
async fn an_mcp_session_is_stored_before_anything_asked_in_it_is_answered() {
    let world = world().await;
    let stored = || async {
        let session = world.store.session(world.id).await.unwrap().unwrap();
        let ids = session.mcp_sessions.into_iter().map(|it| it.id);
        ids.collect::<Vec<Uuid>>()
    };
    let (used, heard, alone) = (
        open(&world.session).await.unwrap(),
        open(&world.session).await.unwrap(),
        open(&world.session).await.unwrap(),
    );
    // To say that it is there is nothing that is asked.
    assert!(matches!(world.session.knows(used).await, Ok(Some(_))));
    assert!(stored().await.is_empty());
    // Those that come while it is being stored are answered as well.
    let pings = (0..3).map(|_| ping(&world.session, used));
    assert_eq!(join_all(pings).await, [None, None, None]);
    assert_eq!(stored().await, [used]);
    let _heard = world.session.listen(heard, None).await.unwrap();
    assert!(stored().await.contains(&heard));
    assert!(!stored().await.contains(&alone));
    world.session.sweep().await;
    assert!(stored().await.contains(&alone), "left alone for long");
    for id in [used, heard, alone] {
        assert_eq!(world.session.end_mcp_session(id).await, Ok(true));
    }
    assert!(stored().await.is_empty());
}

#[tokio::test]
async fn an_mcp_session_ends_in_the_middle_of_being_stored() {
    let world = world().await;
    let id = open(&world.session).await.unwrap();
    let (begun, ended) = tokio::join!(ping(&world.session, id), world.session.end_mcp_session(id));
    assert_eq!(ended, Ok(true));
    assert!(matches!(begun, None | Some(Failure::UnknownMcpSession)));
    let session = world.store.session(world.id).await.unwrap().unwrap();
    assert_eq!(session.mcp_sessions.len(), 0);
    assert_eq!(
        ping(&world.session, id).await,
        Some(Failure::UnknownMcpSession)
    );
}

#[tokio::test]
async fn a_request_is_taken_back_while_its_mcp_session_is_being_stored() {
    let world = world().await;
    let id = open(&world.session).await.unwrap();
    let (mut received, _in_flight, cancel) = begin(&world.session, id);
    world.session.cancel(id, RequestId::from_number(1));
    within_a_minute(cancel.cancelled()).await;
    // It is answered all the same: nobody has begun to work on it.
    assert!(within_a_minute(received.recv()).await.is_some());
}

#[tokio::test]
async fn what_waits_for_a_store_is_answered_when_the_session_is_deleted() {
    let world = world().await;
    let id = open(&world.session).await.unwrap();
    let (mut received, _in_flight, _) = begin(&world.session, id);
    world.session.close();
    let answered = within_a_minute(received.recv()).await;
    assert!(matches!(answered, Some(Event::Finished(_))), "{answered:?}");
}

#[tokio::test]
async fn mcp_sessions_that_are_being_opened_count() {
    let world = world().await;
    let opening = (0..MCP_SESSIONS_PER_SESSION_MAX + 5).map(|_| open(&world.session));
    let opened = join_all(opening).await;
    let refused = Failure::TooManyMcpSessions {
        limit: MCP_SESSIONS_PER_SESSION_MAX,
    };
    let are_refused = |it: &&Result<Uuid, Failure>| **it == Err(refused.clone());
    assert_eq!(opened.iter().filter(are_refused).count(), 5);
    let one = opened.iter().find_map(|it| it.clone().ok()).unwrap();
    assert_eq!(open(&world.session).await, Err(refused.clone()));
    assert_eq!(world.session.end_mcp_session(one).await, Ok(true));
    assert!(open(&world.session).await.is_ok(), "its place is free");
}

#[tokio::test]
async fn nothing_is_done_in_an_mcp_session_that_cannot_be_stored() {
    let world = world().await;
    world.store.clone().close().await;
    for _ in 0..=MCP_SESSIONS_PER_SESSION_MAX {
        // Whoever asks for nothing needs no store.
        let id = open(&world.session).await.unwrap();
        assert_eq!(world.session.end_mcp_session(id).await, Ok(true));
    }
    let id = open(&world.session).await.unwrap();
    for _ in 0..2 {
        let failure = ping(&world.session, id).await;
        assert_eq!(failure, Some(Failure::NotStored));
    }
    let deaf = world.session.listen(id, None).await;
    assert!(matches!(deaf, Err(Failure::NotStored)));
    // Nobody knows what became of the attempts.
    let ended = world.session.end_mcp_session(id).await;
    assert_eq!(ended, Err(Failure::NotStored));
}

#[tokio::test]
async fn what_was_used_is_written_down_before_the_end() {
    let world = world().await;
    let mcp_session = open(&world.session).await.unwrap();
    assert_eq!(ping(&world.session, mcp_session).await, None);
    let before = world.store.session(world.id).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.session.discover(Context::default()).await.unwrap();
    assert!(matches!(
        world.session.knows(mcp_session).await,
        Ok(Some(_))
    ));
    world.sessions.rest().await;
    let after = world.store.session(world.id).await.unwrap().unwrap();
    assert!(after.last_used_ms > before.last_used_ms);
    assert!(after.mcp_sessions[0].last_used_ms > before.mcp_sessions[0].last_used_ms);
}

#[tokio::test]
async fn a_session_that_nobody_used_has_nothing_to_write() {
    let world = world().await;
    let mcp_session = open(&world.session).await.unwrap();
    world.session.discover(Context::default()).await.unwrap();
    assert!(matches!(
        world.session.knows(mcp_session).await,
        Ok(Some(_))
    ));
    world.session.sweep().await;
    let used = world.session.sweep().await;
    assert!(used.session.is_none() && used.mcp_sessions.is_empty());
}

#[tokio::test]
async fn a_stranger_wakes_no_session() {
    let world = world().await;
    let record = SessionRecord {
        id: Uuid::new_v4(),
        owner: Some("ada".into()),
        name: None,
        naming: Naming::Auto,
        idle_expiry: None,
        servers: Vec::new(),
        created_ms: 1,
        last_used_ms: 1,
    };
    let id = record.id;
    // Into the store alone: nobody has used it since the start.
    world.store.create_session(record).await.unwrap();
    for (name, is_theirs) in [("bob", false), ("ada", true)] {
        let caller = Caller::of_key(&name.parse().unwrap(), false);
        let found = world.sessions.seen_by(&caller).find(id).await.unwrap();
        assert_eq!(found.is_some(), is_theirs, "{name}");
        let is_awake = world.sessions.0.directory.get(id).is_some();
        assert_eq!(is_awake, is_theirs, "{name}");
    }
}
