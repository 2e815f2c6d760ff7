//! Clients that make sessions, delete them, open MCP sessions, call and listen, in both eras.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::{
    books::{Books, Weather},
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
        let since = self.books.now();
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
        let since = self.books.now();
        self.books.ledger.deleting(&made.id);
        let outcome = self.attempts.delete(&made.id).await;
        let answer = self.arrived(since, outcome, "delete")?;
        match answer.status {
            204 => {
                self.books.ledger.promise(&made.id, Fate::Deleted);
                self.books.count("sessions deleted");
            }
            404 => {
                // Two may have picked it; if nobody else asked for its end, it was there no more.
                self.look_for_lost_session(made, 2, &answer);
                self.books.ledger.promise(&made.id, Fate::Deleted);
            }
            503 | 429 => self.books.count("told to come again"),
            _ => self.wrong("delete", &answer),
        }
        Some(())
    }

    async fn open(&mut self, made: &Made) -> Option<()> {
        let since = self.books.now();
        let outcome = self.attempts.initialize(&made.id).await;
        let answer = self.arrived(since, outcome, "initialize")?;
        let Some(id) = answer.header("mcp-session-id") else {
            self.look_at_error(made, None, &answer);
            return Some(());
        };
        // What is only opened is stored later; what was answered in is.
        let since = self.books.now();
        let outcome = self.attempts.ping(&made.id, id).await;
        let answer = self.arrived(since, outcome, "ping")?;
        if answer.is_result() {
            self.books.ledger.opened(&made.id, id);
            self.books.count("MCP sessions opened");
        } else {
            self.look_at_error(made, None, &answer);
        }
        Some(())
    }

    /// A call that must run once at most, and whose answer must be its own.
    async fn call(&mut self, made: &Made) -> Option<()> {
        let (since, mark) = (self.books.now(), self.books.ledger.call());
        let voice = made.voice(&mut self.dice);
        let server = self.dice.pick(&SERVERS)?;
        let tool = format!("{server}.act");
        let outcome = self.attempts.call(&made.id, &voice, &tool, &mark).await;
        let answer = self.arrived(since, outcome, "call")?;
        self.look_at_answer(made, &voice, &mark, &answer)
            .then(|| self.books.count("calls answered"));
        Some(())
    }

    /// Holds an answer against the call of this mark; says whether it is its result.
    fn look_at_answer(&self, made: &Made, voice: &Voice, mark: &str, answer: &HttpAnswer) -> bool {
        self.look_for_lost_mcp_session(made, voice, answer);
        match answer.echoed() {
            Some(echoed) if echoed == mark => {
                self.books.ledger.answered(mark);
                return true;
            }
            Some(other) => {
                let told = format!("{mark} was answered with {other}: {answer:?}");
                self.books.lose("answers that crossed", told);
            }
            None => self.look_at_error(made, Some(mark), answer),
        }
        false
    }

    /// A call that says how far it is.
    async fn follow(&mut self, made: &Made) -> Option<()> {
        let (since, mark) = (self.books.now(), self.books.ledger.call());
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
        self.look_at_answer(made, &voice, &mark, &answer)
            .then(|| self.books.count("streams followed to their end"));
        Some(())
    }

    /// A stream that is left as soon as it is there.
    async fn glance(&mut self, made: &Made) -> Option<()> {
        let Some(mcp_session) = self.dice.pick(&made.mcp_sessions).cloned() else {
            return Some(());
        };
        let since = self.books.now();
        let outcome = self.attempts.glance(&made.id, &mcp_session).await;
        let answer = self.arrived(since, outcome, "glance")?;
        self.look_for_lost_mcp_session(made, &Voice::Legacy(mcp_session), &answer);
        if answer.status == 200 {
            self.books.count("streams left");
        } else {
            self.look_at_error(made, None, &answer);
        }
        Some(())
    }

    /// The answer, if there is one; none must be missing while the gateway runs.
    fn arrived(&self, since: usize, outcome: Outcome, what: &str) -> Option<HttpAnswer> {
        match (outcome, self.books.weather_since(since)) {
            (Outcome::Answered(answer), _) => return Some(answer),
            (Outcome::Hung, weather) => {
                let told = format!("{what} hung: {weather:?}");
                self.books.lose("answers missing", told);
            }
            (outcome, Weather::Calm) => {
                let told = format!("{what}: {outcome:?}");
                self.books.lose("answers missing", told);
            }
            (Outcome::Unreached, _) => self.books.count("refused while it was down"),
            (Outcome::Broken(how), Weather::Stopped) => {
                self.books
                    .lose("calls cut by a stop", format!("{what}: {how}"));
            }
            (Outcome::Broken(_), Weather::Rough) => self.books.count("cut off by its end"),
        }
        None
    }

    /// An error is an answer, too, if it is under the call's own id, or says that the session is gone.
    fn look_at_error(&self, made: &Made, mark: Option<&str>, answer: &HttpAnswer) {
        let messages = answer.messages();
        let mut errors = messages.iter().filter(|it| it.get("error").is_some());
        let is_own = errors.any(|it| match (it.get("id"), mark) {
            (Some(id), Some(mark)) => id == mark,
            _ => true,
        });
        match answer.status {
            200 | 400 if is_own => self.books.count("calls failed with an error"),
            404 if is_mcp_session_unknown(answer) => {}
            404 => self.look_for_lost_session(made, 1, answer),
            503 | 429 => self.books.count("told to come again"),
            _ => self.wrong("call", answer),
        }
    }

    /// A session is unknown only after somebody has asked for its end: so often, at least.
    fn look_for_lost_session(&self, made: &Made, deletes: usize, answer: &HttpAnswer) {
        if self.books.ledger.may_be_gone(&made.id, deletes) {
            self.books.count("requests in sessions just deleted");
        } else {
            let told = format!("{made:?}: {answer:?}");
            self.books.lose("acknowledged sessions lost", told);
        }
    }

    /// An MCP session that a client was given goes on as long as its session does.
    fn look_for_lost_mcp_session(&self, made: &Made, voice: &Voice, answer: &HttpAnswer) {
        let is_legacy = matches!(voice, Voice::Legacy(_));
        if is_legacy && is_mcp_session_unknown(answer) {
            let told = format!("{voice:?} of {made:?}");
            self.books.lose("MCP sessions lost", told);
        }
    }

    fn wrong(&self, what: &str, answer: &HttpAnswer) {
        let told = format!("{what}: {answer:?}");
        self.books.lose("answers of no known kind", told);
    }
}

fn is_mcp_session_unknown(answer: &HttpAnswer) -> bool {
    answer.status == 404 && answer.text.contains("unknown MCP session")
}
