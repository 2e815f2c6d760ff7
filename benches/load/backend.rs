//! A fake MCP backend that costs next to nothing: hyper and nothing above it, both eras, JSON or one server-sent event.

mod pieces;
mod reply;
mod tools;

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use self::pieces::Pieces;
use self::reply::Fake;
use crate::options::{Framing, Spoken};

/// Largest request it reads.
const REQUEST_BYTES: usize = 64 << 20;

#[derive(Debug, Args)]
pub(crate) struct BackendOptions {
    /// Number of tools; several numbers make several backends, each with a listener of its own.
    #[arg(long, value_delimiter = ',', default_value = "10", action = ArgAction::Append)]
    tools: Vec<u32>,
    /// Port of the first listener, the others follow; 0 takes free ones.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Eras it speaks.
    #[arg(long, value_enum, default_value_t = Spoken::Both)]
    era: Spoken,
    /// How it answers requests.
    #[arg(long, value_enum, default_value_t = Framing::Json)]
    answers: Framing,
    /// End when standard input ends.
    #[arg(long, hide = true)]
    attached: bool,
}

/// Serves until it is killed or, attached, until its input ends.
#[tokio::main]
pub(crate) async fn run(options: &BackendOptions) -> ExitCode {
    for (place, tools) in (0_u16..).zip(&options.tools) {
        let port = match options.port {
            0 => 0,
            first => first.saturating_add(place),
        };
        let fake = Fake::new(*tools, options.era, options.answers);
        if let Err(error) = listen(port, Arc::new(fake)).await {
            complain(&format!("port {port}: {error}"));
            return ExitCode::FAILURE;
        }
    }
    if options.attached {
        // Whatever it says, the harness at the other end is gone.
        let _ = spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
    } else {
        let _ = tokio::signal::ctrl_c().await;
    }
    ExitCode::SUCCESS
}

async fn listen(port: u16, fake: Arc<Fake>) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "fake backend listening on http://{address}/mcp")?;
    output.flush()?;
    tokio::spawn(accept(listener, fake));
    Ok(())
}

async fn accept(listener: TcpListener, fake: Arc<Fake>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: some will come back.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let fake = Arc::clone(&fake);
        tokio::spawn(async move {
            let service = service_fn(|request| serve(&fake, request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A connection that breaks is the business of whoever opened it.
            let _ = connection.await;
        });
    }
}

async fn serve(fake: &Fake, request: Request<Incoming>) -> Result<Response<Pieces>, Infallible> {
    let (head, body) = request.into_parts();
    Ok(match head.method {
        Method::POST => match Limited::new(body, REQUEST_BYTES).collect().await {
            Ok(body) => fake.reply(&head.headers, &body.to_bytes()),
            Err(_) => reply::empty(StatusCode::PAYLOAD_TOO_LARGE),
        },
        Method::DELETE => reply::empty(StatusCode::OK),
        _ => reply::empty(StatusCode::METHOD_NOT_ALLOWED),
    })
}

#[expect(clippy::print_stderr, reason = "a program tells its user why it ends")]
fn complain(text: &str) {
    eprintln!("{text}");
}
