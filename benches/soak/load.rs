//! Clients that make sessions, delete them, open MCP sessions, call and listen, in both eras.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::{
    books::Books,
    options::Options,
    world::{
        attempt::{Attempts, Outcome, Voice},
        dice::Dice,
        gateway::HttpAnswer,
        ledger::{Fate, Made, SERVERS},
    },
};

/// How long a client waits when nobody answers.
const PAUSE: Duration = Duration::from_millis(20);
/// Steps of a call that reports progress.
const STEPS: u64 = 3;
/// MCP sessions that the clients open in one session.
const MCP_SESSIONS: usize = 8;

/// The clients at work.
pub(crate) struct Load {
    clients: JoinSet<()>,
}

/// Starts the clients; they work until the books are closed.
pub(crate) fn start(
    options: &Options,
    attempts: &Attempts,
    books: &Books,
    dice: &mut Dice,
) -> Load {
    let mut clients = JoinSet::new();
    for _ in 0..options.clients.get() {
        let client = Client {
            attempts: attempts.clone(),
            books: books.clone(),
            dice: dice.split(),
            sessions: options.sessions.get(),
        };
        clients.spawn(client.work());
    }
    Load { clients }
}

impl Load {
    /// Waits for the clients; says how many came to no end of their own.
    pub(crate) async fn finish(mut self) -> u64 {
        let mut unfinished = 0;
        while let Some(ended) = self.clients.join_next().await {
            unfinished += u64::from(ended.is_err());
        }
        unfinished
    }
}

struct Client {
    attempts: Attempts,
    books: Books,
    dice: Dice,
    /// Sessions that there are to be, more or less.
    sessions: usize,
}

impl Client {
    async fn work(mut self) {
        while !self.books.are_closed() {
            if self.turn().await.is_none() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// One request; `None` if nobody answered it.
    async fn turn(&mut self) -> Option<()> {
        let act = self.dice.below(100);
        let are_enough = self.books.ledger.count(Fate::Kept) >= self.sessions;
        let Some(made) = self.books.ledger.pick(&mut self.dice) else {
            return self.create().await;
        };
        match act {
            0..10 if !are_enough => self.create().await,
            0..14 => self.delete(&made).await,
            14..24 if made.mcp_sessions.len() < MCP_SESSIONS => self.open(&made).await,
            24..36 => self.follow(&made).await,
            36..40 => self.glance(&made).await,
            _ => self.call(&made).await,
        }
    }

    async fn create(&mut self) -> Option<()> {
        let since = self.books.upheavals();
        let outcome = self.attempts.create(&self.books.ledger.creation()).await;
        let answer = self.arrived(since, outcome, "create")?;
        match answer.status {
            201 => {
                let made = answer.json();
                self.books.ledger.created(made["session_id"].as_str()?);
                self.books.count("sessions made");
            }
            503 | 429 => self.books.count("told to come again"),
            _ => self.wrong("create", &answer),
        }
        Some(())
    }

    async fn delete(&mut self, made: &Made) -> Option<()> {
        let since = self.books.upheavals();
        self.books.ledger.promise(&made.id, Fate::Unsure);
        let outcome = self.attempts.delete(&made.id).await;
        let answer = self.arrived(since, outcome, "delete")?;
        match answer.status {
            // Two may have picked it.
            204 | 404 => {
                self.books.ledger.promise(&made.id, Fate::Deleted);
                self.books.count("sessions deleted");
            }
            503 | 429 => self.books.count("told to come again"),
            _ => self.wrong("delete", &answer),
        }
        Some(())
    }

    async fn open(&mut self, made: &Made) -> Option<()> {
        let since = self.books.upheavals();
        let outcome = self.attempts.initialize(&made.id).await;
        let answer = self.arrived(since, outcome, "initialize")?;
        if let Some(id) = answer.header("mcp-session-id") {
            self.books.ledger.opened(&made.id, id);
            self.books.count("MCP sessions opened");
        }
        Some(())
    }

    /// A call that must run once at most, and whose answer must be its own.
    async fn call(&mut self, made: &Made) -> Option<()> {
        let (since, mark) = (self.books.upheavals(), self.books.ledger.call());
        let voice = made.voice(&mut self.dice);
        let server = self.dice.pick(&SERVERS)?;
        let tool = format!("{server}.act");
        let outcome = self.attempts.call(&made.id, &voice, &tool, &mark).await;
        let answer = self.arrived(since, outcome, "call")?;
        self.look_for_lost_mcp_session(made, &voice, &answer);
        match answer.echoed() {
            Some(echoed) if echoed == mark => {
                self.books.ledger.answered(&mark);
                self.books.count("calls answered");
            }
            Some(other) => {
                let told = format!("{mark} was answered with {other}: {answer:?}");
                self.books.lose("answers that crossed", told);
            }
            None => self.look_at_error(&mark, &answer),
        }
        Some(())
    }

    /// A call that says how far it is.
    async fn follow(&mut self, made: &Made) -> Option<()> {
        let (since, mark) = (self.books.upheavals(), self.books.ledger.call());
        let voice = made.voice(&mut self.dice);
        let outcome = self.attempts.progress(&made.id, &voice, &mark, STEPS).await;
        let answer = self.arrived(since, outcome, "progress")?;
        let messages = answer.messages();
        let of_progress = |it: &&serde_json::Value| it["method"] == "notifications/progress";
        for told in messages.iter().filter(of_progress) {
            if told["params"]["progressToken"] != mark.as_str() {
                let told = format!("{mark} was told {told}");
                self.books.lose("answers that crossed", told);
            }
        }
        if messages.iter().any(|it| it.get("result").is_some()) {
            self.books.count("streams followed to their end");
        } else {
            self.look_at_error(&mark, &answer);
        }
        Some(())
    }

    /// A stream that is left as soon as it is there.
    async fn glance(&mut self, made: &Made) -> Option<()> {
        let Some(mcp_session) = self.dice.pick(&made.mcp_sessions).cloned() else {
            return Some(());
        };
        self.attempts.glance(&made.id, &mcp_session).await?;
        self.books.count("streams left");
        Some(())
    }

    /// The answer, if there is one; none must be missing while the gateway runs.
    fn arrived(&self, since: usize, outcome: Outcome, what: &str) -> Option<HttpAnswer> {
        match outcome {
            Outcome::Answered(answer) => return Some(answer),
            Outcome::Hung => {
                let told = format!("{what} hung");
                self.books.lose("answers missing", told);
            }
            outcome if self.books.was_calm_since(since) => {
                let told = format!("{what}: {outcome:?}");
                self.books.lose("answers missing", told);
            }
            Outcome::Unreached => self.books.count("refused while it was down"),
            Outcome::Broken => self.books.count("cut off by its end"),
        }
        None
    }

    /// An error is an answer, too, if it is under the call's own id, or says that the session is gone.
    fn look_at_error(&self, mark: &str, answer: &HttpAnswer) {
        let messages = answer.messages();
        let mut errors = messages.iter().filter(|it| it.get("error").is_some());
        let is_own = errors.any(|it| it.get("id").is_none_or(|id| id == mark));
        match answer.status {
            200 | 400 if is_own => self.books.count("calls failed with an error"),
            404 => self.books.count("calls in sessions just deleted"),
            503 | 429 => self.books.count("told to come again"),
            _ => self.wrong("call", answer),
        }
    }

    /// An MCP session that a client was given goes on as long as its session does.
    fn look_for_lost_mcp_session(&self, made: &Made, voice: &Voice, answer: &HttpAnswer) {
        let is_legacy = matches!(voice, Voice::Legacy(_));
        if is_legacy && answer.status == 404 && answer.text.contains("unknown MCP session") {
            let told = format!("{voice:?} of {made:?}");
            self.books.lose("MCP sessions lost", told);
        }
    }

    fn wrong(&self, what: &str, answer: &HttpAnswer) {
        let told = format!("{what}: {answer:?}");
        self.books.lose("answers of no known kind", told);
    }
}
