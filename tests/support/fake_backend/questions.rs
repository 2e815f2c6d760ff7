//! What a fake backend asks its clients, and how: as requests in the legacy era, by
//! `input_required` in the modern one.

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::future::join_all;
use serde_json::{Value, json, value::RawValue};
use tokio::sync::oneshot;

use super::{
    manners::Manners,
    reply::{Event, Outlet},
    script::Habit,
    stage::{Asked, Outcome, Stage},
    work::{Call, Failure, field},
};

/// The id of the elicitation that happens elsewhere, by URL.
const ELICITATION: &str = "login-1";

/// One request of the backend to the client.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// Its key among `inputRequests`, and in the result of what asked.
    pub(super) key: String,
    pub(super) method: &'static str,
    /// Raw JSON.
    pub(super) params: String,
}

impl Question {
    pub(super) fn form(key: &str, message: &str) -> Self {
        let params = format!(
            r#"{{"mode":"form","message":"{message}","requestedSchema":{{"type":"object","properties":{{"{key}":{{"type":"string"}}}},"required":["{key}"]}}}}"#
        );
        Self {
            key: key.to_owned(),
            method: "elicitation/create",
            params,
        }
    }

    fn url(manners: &Manners) -> Self {
        let id = if manners.is_modern() {
            String::new()
        } else {
            format!(r#","elicitationId":"{ELICITATION}""#)
        };
        Self {
            key: "login".to_owned(),
            method: "elicitation/create",
            params: format!(
                r#"{{"mode":"url","message":"Please sign in","url":"https://login.example/?a=1&b=%20"{id}}}"#
            ),
        }
    }

    fn sample() -> Self {
        Self {
            key: "sample".to_owned(),
            method: "sampling/createMessage",
            params: r#"{"messages":[{"role":"user","content":{"type":"text","text":"What is the capital of France?"}}],"systemPrompt":"Be brief.","maxTokens":100,"temperature":0.50}"#.to_owned(),
        }
    }

    fn roots() -> Self {
        Self {
            key: "roots".to_owned(),
            method: "roots/list",
            params: "{}".to_owned(),
        }
    }
}

/// What is asked in a round by the tool, prompt or resource of this name; `None` after the last.
pub(super) fn round(name: &str, round: usize, manners: &Manners) -> Option<Vec<Question>> {
    let name_of_user = || Question::form("name", "Your name?");
    let rounds = match name {
        "ask" | "ask_and_wait" | "ask_prompt" | "fake://ask" => vec![vec![name_of_user()]],
        "ask_url" => vec![vec![Question::url(manners)]],
        "sample" => vec![vec![Question::sample()]],
        "roots" => vec![vec![Question::roots()]],
        "ask_twice" => {
            let colour = Question::form("colour", "Your colour?");
            vec![vec![name_of_user()], vec![colour]]
        }
        "ask_both" => vec![vec![name_of_user(), Question::sample()]],
        "ask_forever" => {
            let again = Question::form(&format!("again_{round}"), "And now?");
            return Some(vec![again]);
        }
        _ => return None,
    };
    rounds.into_iter().nth(round)
}

/// The state that a modern client hands back: what asks, and the answers so far.
fn state_of(call: &Call, round: usize, answers: &[(String, String)]) -> String {
    let answers: Vec<Value> = answers.iter().map(|(key, raw)| json!([key, raw])).collect();
    let state = json!({"asks": call.name, "round": round, "answers": answers});
    BASE64_STANDARD.encode(state.to_string())
}

fn opened(call: &Call, state: &str) -> Option<(usize, Vec<(String, String)>)> {
    let state: Value = serde_json::from_slice(&BASE64_STANDARD.decode(state).ok()?).ok()?;
    if state["asks"] != call.name.as_str() {
        return None;
    }
    let round = usize::try_from(state["round"].as_u64()?).ok()?;
    let answers = state["answers"].as_array()?.iter().map(|pair| {
        let text = |index: usize| Some(pair[index].as_str()?.to_owned());
        Some((text(0)?, text(1)?))
    });
    Some((round, answers.collect::<Option<_>>()?))
}

/// Asks all there is to ask and gives the raw object of the answers.
pub(super) async fn ask(call: &Call, stage: &Stage, outlet: &Outlet) -> Result<String, Failure> {
    let answers = if call.manners.is_modern() {
        by_retry(call)?
    } else {
        by_request(call, stage, outlet).await?
    };
    let members = answers
        .iter()
        .map(|(key, raw)| format!("{}:{raw}", Value::from(key.as_str())));
    Ok(format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
}

/// Spec: 2026-07-28 basic/patterns/mrtr.
fn by_retry(call: &Call) -> Result<Vec<(String, String)>, Failure> {
    let (mut at, mut answers) = match &call.request_state {
        None => (0, Vec::new()),
        Some(state) => opened(call, state)
            .ok_or_else(|| Failure::error(-32602, "this requestState is not of this request"))?,
    };
    let given: Option<&RawValue> = call.input_responses.as_deref();
    while let Some(questions) = round(&call.name, at, &call.manners) {
        let mut open = Vec::new();
        for question in questions {
            if answers.iter().any(|(key, _)| *key == question.key) {
                continue;
            }
            match field(given, &question.key) {
                Some(answer) => answers.push((question.key, answer.get().to_owned())),
                None => open.push(question),
            }
        }
        if !open.is_empty() {
            let requests = open.iter().map(|it| {
                let (key, method, params) = (&it.key, it.method, &it.params);
                format!(r#""{key}":{{"method":"{method}","params":{params}}}"#)
            });
            let requests = requests.collect::<Vec<_>>().join(",");
            let state = state_of(call, at, &answers);
            return Err(Failure::Asks(format!(
                r#"{{"resultType":"input_required","inputRequests":{{{requests}}},"requestState":"{state}"}}"#
            )));
        }
        at += 1;
    }
    Ok(answers)
}

async fn by_request(
    call: &Call,
    stage: &Stage,
    outlet: &Outlet,
) -> Result<Vec<(String, String)>, Failure> {
    let mut answers = Vec::new();
    let mut at = 0;
    while let Some(questions) = round(&call.name, at, &call.manners) {
        let missing = |it: &Question| call.manners.missing_for(it.method, &it.params);
        if questions.iter().any(|it| missing(it).is_some()) {
            return Err(Failure::CannotBeAsked);
        }
        let mut asked = Vec::new();
        for question in questions {
            let outcome = send(&question, call, stage, outlet).await;
            asked.push(async move { (question.key, rendered(outcome.await)) });
        }
        answers.extend(join_all(asked).await);
        at += 1;
    }
    if call.name == "ask_url" {
        outlet.message(format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{{"elicitationId":"{ELICITATION}"}}}}"#
        ));
    }
    Ok(answers)
}

/// Sends one question on the stream its script says, and gives where its outcome will come.
pub(super) async fn send(
    question: &Question,
    call: &Call,
    stage: &Stage,
    outlet: &Outlet,
) -> oneshot::Receiver<Outcome> {
    let mcp_session = call.key.mcp_session.clone();
    let stream = if stage.script.has(Habit::AsksOnGetStream) {
        let session = mcp_session.clone();
        let open = stage.find(|state| super::listeners::of_session(state, session.as_deref()));
        Outlet::new(open.await, outlet)
    } else {
        outlet.clone()
    };
    let (outcome, answered) = oneshot::channel();
    let id = stage.change(|state| {
        let id = format!(r#""ask-{}""#, state.next_serial());
        let asked = Asked {
            method: question.method,
            mcp_session,
            outcome,
            stream: stream.sender(),
        };
        state.asked.insert(id.clone(), asked);
        id
    });
    let (method, params) = (question.method, &question.params);
    stream.message(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#
    ));
    answered
}

/// The raw JSON that stands for what became of a question.
fn rendered(outcome: Result<Outcome, oneshot::error::RecvError>) -> String {
    match outcome {
        Ok(Outcome::Answered(result)) => result,
        Ok(Outcome::Refused(error)) => format!(r#"{{"error":{error}}}"#),
        Ok(Outcome::Withdrawn) => r#"{"withdrawn":true}"#.to_owned(),
        Err(_) => "null".to_owned(),
    }
}

/// Takes every open question back.
/// Spec: 2025-11-25 basic/utilities/cancellation.
pub(super) fn withdraw(stage: &Stage) {
    let asked = stage.change(|state| std::mem::take(&mut state.asked));
    for (id, asked) in asked {
        let cancelled = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"never mind"}}}}"#
        );
        // The stream or the call may be gone.
        let _ = asked.stream.send(Event::Message(cancelled));
        let _ = asked.outcome.send(Outcome::Withdrawn);
    }
}
