//! What was said on a stream, kept for a client that comes back with `Last-Event-ID`.
//!
//! Spec: 2025-11-25 basic/transports, "Resumability and Redelivery". A connection may end before
//! its stream does: the work behind it goes on, and another connection plays the rest.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{
    door::Link,
    reply::{Event, Work},
    stage::Stage,
};

/// How long a client is to wait before it comes back: hardly, so that no test is slow.
const RETRY: Duration = Duration::from_millis(20);

/// The revision from which on a stream begins with an empty event.
const PRIMES_SINCE: &str = "2025-11-25";

/// All messages of one stream.
pub(super) struct Tape {
    mcp_session: Option<String>,
    messages: Vec<String>,
    ended: bool,
    /// Raised to have every connection closed that plays it now.
    hangups: usize,
    /// They are reset, and not closed as they should be.
    resets: bool,
    /// When a connection was last ended before its stream.
    left: Option<Instant>,
    /// The client was told how long to wait.
    told: bool,
    pub(super) readers: usize,
}

/// How a connection ends before its stream does.
pub(super) enum Cut {
    /// Properly, after so many messages.
    Close(usize),
    /// By a reset, after so many messages.
    Break(usize, Arc<Link>),
}

/// One connection on which a tape is played.
pub(super) struct Playback {
    stage: Arc<Stage>,
    tape: usize,
    /// The first message to play.
    at: usize,
    played: usize,
    hangups: usize,
    primes: bool,
    cut: Option<Cut>,
    over: bool,
}

/// What a playback does next.
enum Step {
    Play(String),
    HangUp,
    Break,
    End,
}

/// Records what comes out of `events` and plays it from the beginning.
pub(super) fn keep(
    stage: &Arc<Stage>,
    mut events: mpsc::UnboundedReceiver<Event>,
    work: Option<Work>,
    mcp_session: Option<String>,
) -> Playback {
    let tape = stage.change(|state| {
        state.tapes.push(Tape {
            mcp_session,
            messages: Vec::new(),
            ended: false,
            hangups: 0,
            resets: false,
            left: None,
            told: false,
            readers: 0,
        });
        state.tapes.len() - 1
    });
    let recorder = Arc::clone(stage);
    tokio::spawn(async move {
        // Held here and not by a connection: the work goes on without one.
        let _work = work;
        while let Some(event) = events.recv().await {
            let text = event.into_text();
            recorder.change(|state| state.tapes[tape].messages.push(text));
        }
        recorder.change(|state| state.tapes[tape].ended = true);
    });
    let primes = stage.script.revision.as_str() >= PRIMES_SINCE;
    Playback::new(stage, tape, 0, primes)
}

/// Plays on behind the event of this id; `None` if this MCP session never had such an event.
pub(super) fn resume(
    stage: &Arc<Stage>,
    last_event_id: &str,
    mcp_session: Option<&str>,
) -> Option<Playback> {
    let (tape, at) = last_event_id.strip_prefix("tape-")?.split_once('/')?;
    let (tape, at) = (tape.parse::<usize>().ok()?, at.parse::<usize>().ok()?);
    let knows = stage.read(|state| {
        let tape = state.tapes.get(tape);
        tape.is_some_and(|it| it.mcp_session.as_deref() == mcp_session && at <= it.messages.len())
    });
    if !knows {
        return None;
    }
    stage.change(|state| {
        let Tape { left, told, .. } = state.tapes[tape];
        if told && left.is_some_and(|left| left.elapsed() < RETRY) {
            state.complain(format!("comes back to {last_event_id} too early"));
        }
    });
    Some(Playback::new(stage, tape, at, false))
}

/// Closes every connection that plays a tape now, or resets it; the streams go on.
pub(super) fn hang_up(stage: &Stage, resets: bool) {
    stage.change(|state| {
        for tape in &mut state.tapes {
            tape.hangups += 1;
            tape.resets = resets;
        }
    });
}

impl Playback {
    fn new(stage: &Arc<Stage>, tape: usize, at: usize, primes: bool) -> Self {
        let hangups = stage.change(|state| {
            state.tapes[tape].readers += 1;
            state.tapes[tape].hangups
        });
        Self {
            stage: Arc::clone(stage),
            tape,
            at,
            played: 0,
            hangups,
            primes,
            cut: None,
            over: false,
        }
    }

    /// Which tape it plays.
    pub(super) fn tape(&self) -> usize {
        self.tape
    }

    pub(super) fn cut(&mut self, cut: Cut) {
        self.cut = Some(cut);
    }

    /// Waits for the end of the stream and gives its last message.
    pub(super) async fn last(self) -> String {
        let last = self.stage.find(|state| {
            let tape = &state.tapes[self.tape];
            tape.ended.then(|| tape.messages.last().cloned())
        });
        last.await.unwrap_or_default()
    }

    /// The next piece of the stream; `None` when the connection is to end.
    pub(super) async fn next(&mut self, link: &Link) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if std::mem::take(&mut self.primes) {
            return Some(self.farewell());
        }
        match &self.cut {
            Some(Cut::Close(after)) if *after == self.played => {
                self.leave();
                return Some(self.farewell());
            }
            Some(Cut::Break(after, link)) if *after == self.played => {
                let link = Arc::clone(link);
                self.leave();
                link.reset();
                return std::future::pending().await;
            }
            _ => {}
        }
        match self.step().await {
            Step::Play(text) => {
                self.at += 1;
                self.played += 1;
                link.says(&text);
                let id = self.event_id();
                Some(format!("event: message\nid: {id}\ndata: {text}\n\n").into())
            }
            Step::HangUp => {
                self.leave();
                Some(self.farewell())
            }
            Step::Break => {
                self.leave();
                link.reset();
                std::future::pending().await
            }
            Step::End => None,
        }
    }

    async fn step(&self) -> Step {
        let step = self.stage.find(|state| {
            let tape = &state.tapes[self.tape];
            match tape.messages.get(self.at) {
                _ if tape.hangups != self.hangups && tape.resets => Some(Step::Break),
                _ if tape.hangups != self.hangups => Some(Step::HangUp),
                Some(text) => Some(Step::Play(text.clone())),
                None => tape.ended.then_some(Step::End),
            }
        });
        step.await
    }

    /// Ends the connection before the stream.
    fn leave(&mut self) {
        self.over = true;
        let now = Instant::now();
        self.stage
            .change(|state| state.tapes[self.tape].left = Some(now));
    }

    /// An event without a message, from which a client knows where and when to go on.
    fn farewell(&self) -> Bytes {
        self.stage
            .change(|state| state.tapes[self.tape].told = true);
        let (id, retry) = (self.event_id(), RETRY.as_millis());
        format!("id: {id}\nretry: {retry}\ndata:\n\n").into()
    }

    fn event_id(&self) -> String {
        format!("tape-{}/{}", self.tape, self.at)
    }
}

impl Drop for Playback {
    fn drop(&mut self) {
        self.stage
            .change(|state| state.tapes[self.tape].readers -= 1);
    }
}
