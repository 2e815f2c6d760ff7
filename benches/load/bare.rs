//! A proxy of nothing but the packages that the gateway stands on: warp in front, reqwest or hyper's client behind.
//!
//! It knows no MCP, no sessions and no limits, and logs nothing. What it costs, no gateway on these packages can go below.

use std::io::{self, Write as _};
use std::process::ExitCode;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use warp::Filter as _;

#[derive(Debug, Args)]
pub(crate) struct BareOptions {
    /// Host and port of each backend; `/0/mcp` leads to the first.
    #[arg(long, value_delimiter = ',', required = true)]
    to: Vec<String>,
    /// What sends requests to them.
    #[arg(long, value_enum)]
    behind: Behind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Behind {
    /// reqwest
    Reqwest,
    /// The client that reqwest stands on
    Hyper,
}

#[derive(Debug, Clone)]
enum Sender {
    Reqwest(reqwest::Client),
    Hyper(Client<HttpConnector, Full<Bytes>>),
}

/// Why a request got no answer; the load counts it as an error, whatever it says.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Serves until its input ends.
#[tokio::main]
pub(crate) async fn run(options: &BareOptions) -> ExitCode {
    match serve(options).await {
        Ok(()) => {
            // Whatever it says, the harness at the other end is gone.
            let _ = spawn_blocking(|| io::stdin().read_line(&mut String::new())).await;
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

async fn serve(options: &BareOptions) -> Result<(), Fault> {
    let sender = Sender::new(options.behind)?;
    let backends: Vec<_> = options
        .to
        .iter()
        .map(|to| format!("http://{to}/mcp"))
        .collect();
    let route = warp::path!(usize / "mcp")
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .and(warp::body::bytes())
        .then(move |place: usize, headers: HeaderMap, body: Bytes| {
            let (sender, to) = (sender.clone(), backends.get(place).cloned());
            async move {
                let answer = sender.send(&to.unwrap_or_default(), headers, body).await;
                answer.unwrap_or_else(|_| {
                    let mut broken = Response::new(Bytes::new());
                    *broken.status_mut() = StatusCode::BAD_GATEWAY;
                    broken
                })
            }
        });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let mut output = io::stdout().lock();
    writeln!(
        output,
        "bare proxy listening on http://{}",
        listener.local_addr()?
    )?;
    output.flush()?;
    tokio::spawn(warp::serve(route).incoming(listener).run());
    Ok(())
}

impl Sender {
    fn new(behind: Behind) -> Result<Self, Fault> {
        Ok(match behind {
            Behind::Reqwest => {
                let redirect = reqwest::redirect::Policy::none();
                let builder = reqwest::Client::builder().no_proxy().redirect(redirect);
                Self::Reqwest(builder.build()?)
            }
            Behind::Hyper => Self::Hyper(Client::builder(TokioExecutor::new()).build_http()),
        })
    }

    /// Passes on a request with its headers, and gives the answer with its own.
    async fn send(
        &self,
        to: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, Fault> {
        // They are the connection's, not the request's.
        for own in [header::HOST, header::CONTENT_LENGTH, header::CONNECTION] {
            headers.remove(own);
        }
        let (status, headers, body) = match self {
            Self::Reqwest(client) => {
                let request = client.post(to).headers(headers).body(body);
                let mut answer = request.send().await?;
                let headers = std::mem::take(answer.headers_mut());
                (answer.status(), headers, answer.bytes().await?)
            }
            Self::Hyper(client) => {
                let mut request = Request::post(to).body(Full::new(body))?;
                *request.headers_mut() = headers;
                let (head, body) = client.request(request).await?.into_parts();
                (head.status, head.headers, body.collect().await?.to_bytes())
            }
        };
        let mut answer = Response::new(body);
        (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
        Ok(answer)
    }
}
