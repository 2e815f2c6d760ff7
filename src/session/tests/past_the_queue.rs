//! What a session takes at once, past its actor's queue.

use super::*;
use crate::lanes::OnLane;

/// Begins a `ping` without an MCP session.
fn begin_alone(session: &SessionRef) -> (Receiver<Event>, InFlight) {
    begin_with(session, None, Arc::default())
}

/// Does something on a lane.
async fn on<T: Send + 'static>(lane: &OnLane, what: impl Future<Output = T> + Send + 'static) -> T {
    lane.handle().spawn(what).await.unwrap()
}

/// Has the queue of a session empty, and nothing being taken: what it holds from the making of it would go first.
async fn emptied(session: &SessionRef) {
    session.sweep().await;
    assert!(!session.is_left());
}

#[tokio::test]
async fn what_a_lane_brings_is_taken_at_once() {
    let world = world().await;
    emptied(&world.session).await;
    let lanes = world.sessions.lanes();
    for lane in [lanes.place(), lanes.place()] {
        let session = world.session.clone();
        let answered = async move {
            let (mut received, _in_flight) = begin_alone(&session);
            received.try_recv().is_ok()
        };
        assert!(on(&lane, answered).await);
    }
    // What comes from elsewhere is taken, too.
    let (mut received, _in_flight) = begin_alone(&world.session);
    assert!(within_a_minute(received.recv()).await.is_some());
}

#[tokio::test]
async fn what_waits_in_the_queue_goes_first() {
    let world = world_on(1).await;
    emptied(&world.session).await;
    let session = world.session.clone();
    let answered = async move {
        session.close();
        let (mut received, _in_flight) = begin_alone(&session);
        assert!(received.try_recv().is_err(), "it waits for its turn");
        within_a_minute(received.recv()).await
    };
    match on(&world.sessions.lanes().place(), answered).await {
        None => {}
        Some(Event::Finished(finished)) => assert!(
            matches!(finished.outcome, Outcome::Failed(Failure::SessionDeleted)),
            "{finished:?}"
        ),
        Some(event) => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn a_session_that_makes_a_mistake_past_its_queue_dies_and_wakes_again() {
    let world = world().await;
    let lanes = world.sessions.lanes();
    for lane in [lanes.place(), lanes.place()] {
        let everybody = world.sessions.seen_by(&Caller::anonymous());
        let woken = async {
            loop {
                let session = everybody.find(world.id).await.unwrap().unwrap();
                if let Ok(id) = open(&session).await {
                    return (session, id);
                }
                tokio::task::yield_now().await;
            }
        };
        let (session, mcp_session) = within_a_minute(woken).await;
        assert_eq!(ping(&session, mcp_session).await, None);
        emptied(&session).await;
        let died = async move {
            session.mistake();
            assert!(session.is_left(), "at once");
            assert_eq!(lanes::current(), lanes::here().unwrap());
            // Nobody waits for an answer of it for ever.
            let failure = session.discover(Context::default()).await;
            assert!(matches!(failure, Err(Failure::Lost)));
        };
        on(&lane, died).await;
    }
}
