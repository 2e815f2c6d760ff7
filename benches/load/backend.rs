//! A fake MCP backend that costs next to nothing: both eras, JSON or server-sent events, on bare sockets.

mod reply;
mod request;
mod tools;

use std::io::{self, Read as _, Write as _};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::{ArgAction, Args};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use self::reply::Fake;
use crate::http1::Connection;
use crate::options::{Framing, Spoken};

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
    /// Progress notifications before the result of a call that wants them; with `--answers sse` only.
    #[arg(long, value_name = "EVENTS", default_value_t = 0)]
    progress: u32,
    /// How long it takes for a call.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "0s")]
    delay: Duration,
    /// End when standard input ends.
    #[arg(long, hide = true)]
    attached: bool,
}

/// How the backends answer, whatever their tools.
#[derive(Debug, Clone, Copy)]
struct Manner {
    spoken: Spoken,
    framing: Framing,
    progress: u32,
    delay: Duration,
}

/// A connection, and the backend it is with.
type Taken = (std::net::TcpStream, Arc<Fake>);

/// Serves until it is killed or, attached, until its input ends.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(options: &BackendOptions) -> ExitCode {
    match open(options).await {
        Ok(()) if options.attached => {
            // Whatever it says, the harness at the other end is gone.
            let _ = spawn_blocking(|| io::stdin().read(&mut [0])).await;
        }
        Ok(()) => {
            let _ = tokio::signal::ctrl_c().await;
        }
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn open(options: &BackendOptions) -> io::Result<()> {
    let manner = Manner {
        spoken: options.era,
        framing: options.answers,
        progress: options.progress,
        delay: options.delay,
    };
    let threads = threads()?;
    for (place, tools) in (0_u16..).zip(&options.tools) {
        let port = match options.port {
            0 => 0,
            first => first.saturating_add(place),
        };
        let fake = Arc::new(Fake::new(*tools, manner));
        listen(port, fake, threads.clone()).await?;
    }
    Ok(())
}

/// Half as many threads as there are cores: the load needs the others.
fn threads() -> io::Result<Vec<mpsc::UnboundedSender<Taken>>> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = (0..cores.div_ceil(2)).map(|_| {
        let (sender, mut taken) = mpsc::unbounded_channel::<Taken>();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let work = async move {
            while let Some((stream, fake)) = taken.recv().await {
                tokio::spawn(serve(stream, fake));
            }
        };
        thread::Builder::new().spawn(move || runtime.block_on(work))?;
        Ok(sender)
    });
    threads.collect()
}

async fn listen(
    port: u16,
    fake: Arc<Fake>,
    threads: Vec<mpsc::UnboundedSender<Taken>>,
) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let mut output = io::stdout().lock();
    writeln!(output, "fake backend listening on http://{address}/mcp")?;
    output.flush()?;
    tokio::spawn(async move {
        // One after the other, so that all have the same share.
        for thread in threads.iter().cycle() {
            let stream = loop {
                match listener
                    .accept()
                    .await
                    .and_then(|(stream, _)| stream.into_std())
                {
                    Ok(stream) => break stream,
                    // Out of file descriptors, most likely: some will come back.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                }
            };
            if thread.send((stream, Arc::clone(&fake))).is_err() {
                break;
            }
        }
    });
    Ok(())
}

async fn serve(stream: std::net::TcpStream, fake: Arc<Fake>) {
    let exchanges = async {
        let mut connection = Connection::new(TcpStream::from_std(stream)?)?;
        while let Some(head) = connection.head(request::parse).await? {
            let body = connection.body(head.extent).await?;
            let reply = fake.reply(&head, body);
            reply.send(&mut connection).await?;
        }
        Ok::<_, io::Error>(())
    };
    // A connection that breaks is the business of whoever opened it.
    let _ = exchanges.await;
}

#[expect(clippy::print_stderr, reason = "a program tells its user why it ends")]
fn complain(error: &io::Error) {
    eprintln!("{error}");
}
