//! Its tools at work: at once, or over a stream with progress, log messages and questions.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::mpsc, time::sleep};

use super::{
    legacy::{Answer, Session},
    offer,
};

/// Messages that may wait for a slow client.
const WAITING_MAX: usize = 8;
/// The farthest that `count` counts.
const COUNT_MAX: u64 = 100;
/// The longest pause between two of its numbers.
const PAUSE_MS_MAX: u64 = 5000;

/// The client is gone, or takes the call back.
struct Left;

/// What a tool that takes its time works with.
struct Work {
    session: Arc<Session>,
    id: Value,
    params: Value,
    out: mpsc::Sender<Value>,
}

/// Answers a `tools/call`.
pub(super) fn call(session: &Arc<Session>, id: &Value, params: &Value) -> Answer {
    let name = params["name"].as_str().unwrap_or_default();
    let arguments = &params["arguments"];
    let result = match name {
        "echo" => match arguments["message"].as_str() {
            Some(message) => offer::text(message),
            None => offer::failed("message is missing; send a text"),
        },
        "add" => match (arguments["a"].as_f64(), arguments["b"].as_f64()) {
            (Some(a), Some(b)) => {
                let sum = a + b;
                let mut result = offer::text(&format!("{a} + {b} = {sum}"));
                result["structuredContent"] = json!({ "sum": sum });
                result
            }
            _ => offer::failed("a and b must be numbers"),
        },
        "count" | "order_tea" => {
            let (out, messages) = mpsc::channel(WAITING_MAX);
            let work = Work {
                session: Arc::clone(session),
                id: id.clone(),
                params: params.clone(),
                out,
            };
            tokio::spawn(work.run());
            return Answer::Stream(messages);
        }
        _ => return Answer::Message(offer::error(id, -32602, "there is no such tool")),
    };
    Answer::Message(offer::response(id, &result))
}

impl Work {
    async fn run(self) {
        let running = self.session.begin(&self.id);
        let worked = async {
            let result = match self.params["name"].as_str() {
                Some("count") => self.count().await?,
                _ => self.order_tea().await?,
            };
            self.say(offer::response(&self.id, &result)).await
        };
        // Whoever left is told nothing more.
        let _left = running.taken_back.run_until_cancelled(worked).await;
    }

    async fn say(&self, message: Value) -> Result<(), Left> {
        self.out.send(message).await.map_err(|_| Left)
    }

    async fn log(&self, level: &str, data: &str) -> Result<(), Left> {
        if !self.session.hears(level) {
            return Ok(());
        }
        let params = json!({ "level": level, "logger": "example", "data": data });
        self.say(offer::notification("notifications/message", &params))
            .await
    }

    async fn count(&self) -> Result<Value, Left> {
        let arguments = &self.params["arguments"];
        let to = arguments["to"].as_u64().unwrap_or(5).clamp(1, COUNT_MAX);
        let pause = arguments["pause_ms"].as_u64().unwrap_or(500);
        let pause = Duration::from_millis(pause.min(PAUSE_MS_MAX));
        let token = &self.params["_meta"]["progressToken"];
        self.log("info", &format!("counting to {to}")).await?;
        for number in 1..=to {
            sleep(pause).await;
            if token.is_null() {
                continue;
            }
            let params = json!({
                "progressToken": token, "progress": number, "total": to,
                "message": format!("{number} of {to}"),
            });
            self.say(offer::notification("notifications/progress", &params))
                .await?;
        }
        Ok(offer::text(&format!("Counted to {to}.")))
    }

    async fn order_tea(&self) -> Result<Value, Left> {
        if !self.session.asks_users {
            return Ok(offer::failed(
                "this tool asks its user which tea, and your client cannot ask with a form",
            ));
        }
        let (id, answered) = self.session.ask();
        let asked = self.say(offer::question(&id)).await;
        let answer = match asked {
            Ok(()) => tokio::select! {
                answer = answered => answer.map_err(|_| Left),
                () = self.out.closed() => Err(Left),
            },
            Err(left) => Err(left),
        };
        self.session.forget(&id);
        let answer = &answer?["result"];
        let tea = answer["content"]["tea"].as_str().unwrap_or("green");
        Ok(match answer["action"].as_str() {
            Some("accept") => {
                let milk = answer["content"]["milk"] == true;
                let milk = if milk { "with" } else { "without" };
                offer::text(&format!("One cup of {tea} tea, {milk} milk."))
            }
            Some("decline") => offer::text("No tea, then."),
            _ => offer::failed("nobody said which tea"),
        })
    }
}
