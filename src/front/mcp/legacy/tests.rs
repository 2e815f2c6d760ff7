//! What becomes of questions whose client cannot be asked, or need not answer any more.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::{sync::oneshot, time::timeout};

use super::{
    super::McpState, super::answering::Step, super::event_stream::Accepts, super::record::Sender,
    super::taken::Taken, *,
};
use crate::{
    channel::{self, channel},
    front::{body::BodyBounds, fixture},
    limits::EVENTS_IN_FLIGHT,
    mcp::{
        event::{Event, Finished, Outcome, Question, ResultBody},
        name::Naming,
    },
    session::{Client, NewSession, short},
    traces::Traces,
};

/// Ends a test whose fact never comes.
const NEVER: Duration = Duration::from_secs(30);

/// An answer that is being written to a legacy client.
struct World {
    answering: Box<Answering<Legacy>>,
    events: channel::Sender<Event>,
    _directory: TempDir,
}

impl World {
    async fn new() -> Self {
        let (state, directory) = fixture::state().await;
        let new = NewSession {
            name: None,
            naming: Naming::Auto,
            idle_expiry: None,
            servers: Vec::new(),
        };
        let sessions = state.sessions.seen_by(&crate::callers::Caller::anonymous());
        let id = sessions.create(new).await.unwrap();
        let session = sessions.find(id).await.unwrap().unwrap();
        let client = Client {
            revision: Revision::LATEST_LEGACY,
            context: Context::default(),
        };
        let (mcp_session, _) = session.open_mcp_session(client).await.unwrap();
        let (events, received) = channel(EVENTS_IN_FLIGHT);
        let method = "tools/call";
        let state = McpState {
            body: BodyBounds {
                size_bytes_max: 1_000_000,
                within: state.body_within,
            },
            sessions: state.sessions,
            audit: state.audit,
            traces: Traces::default(),
        };
        let sender = Arc::new(Sender {
            session: short(id),
            caller: None,
            address: None,
            activity: session.activity().clone(),
            state: Arc::new(state),
        });
        let wanted = Wanted {
            session: session.clone(),
            id: RequestId::from_number(1),
            request: Request::new(method, None, Context::default()),
            mcp_session: Some(mcp_session),
            pinned: None,
            leaving_cancels: false,
            accepts: Accepts {
                json: true,
                events: true,
            },
            record: Record::begin(method, None, &sender),
            encode: Legacy::new(session, Some(mcp_session), method),
        };
        Self {
            answering: Answering::over(wanted, received),
            events,
            _directory: directory,
        }
    }

    async fn take(&mut self, event: Event) -> Taken {
        self.events.send(event).await.unwrap();
        let step: Step = self.answering.step().await;
        self.answering.take(step).await
    }
}

/// A question, and what ends when nobody can answer it any more.
fn asks(number: u64) -> (Event, oneshot::Receiver<()>) {
    let (held, dropped) = oneshot::channel();
    let question = Question::new(number, "roots/list".to_owned(), None, move |_| drop(held));
    (Event::Asked(question), dropped)
}

async fn is_dropped(question: oneshot::Receiver<()>) {
    let ended = timeout(NEVER, question).await.expect("it is kept");
    assert!(ended.is_err());
}

#[tokio::test]
async fn a_question_within_a_response_message_is_dropped() {
    let mut world = World::new().await;
    let part = ResultBody {
        json: r#"{"content":["#.into(),
        typed: false,
        freshness: None,
    };
    assert!(matches!(
        world.take(Event::Part(part)).await,
        Taken::Part(_)
    ));
    let (event, question) = asks(1);
    assert!(matches!(world.take(event).await, Taken::Nothing));
    is_dropped(question).await;
}

#[tokio::test]
async fn a_question_that_is_withdrawn_or_whose_request_fails_is_forgotten() {
    let mut world = World::new().await;
    let (withdrawn, first) = asks(1);
    assert!(matches!(world.take(withdrawn).await, Taken::Message(_)));
    let (failing, mut second) = asks(2);
    assert!(matches!(world.take(failing).await, Taken::Message(_)));
    let taken_back = world.take(Event::Withdrawn(1)).await;
    assert!(matches!(taken_back, Taken::Message(_)));
    is_dropped(first).await;
    assert!(
        second
            .try_recv()
            .is_err_and(|it| it == oneshot::error::TryRecvError::Empty)
    );
    let failed = Event::Finished(Finished {
        backend: None,
        outcome: Outcome::Failed(Failure::Lost),
    });
    assert!(matches!(world.take(failed).await, Taken::Whole(..)));
    is_dropped(second).await;
}
