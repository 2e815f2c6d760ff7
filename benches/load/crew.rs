//! The threads that make the load. Each drives its share of the connections of both sides on a runtime of its own, so
//! that an operation never crosses threads inside the load.

use std::cell::RefCell;
use std::thread;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::fault::RunError;
use crate::options::Options;
use crate::tally::{Stretch, Tally};

/// After a fault a connection rests, so that a dead server is not counted a million times.
const REST: Duration = Duration::from_millis(10);

/// All connections of the load, those of each side apart.
#[derive(Debug)]
pub(crate) struct Crew {
    threads: Vec<mpsc::Sender<Order>>,
}

/// The connections of one side.
type Clients = Vec<Client>;

#[derive(Debug)]
enum Order {
    Open {
        side: usize,
        answer: Answer<()>,
    },
    Load {
        side: usize,
        stretch: Stretch,
        answer: Answer<Tally>,
    },
    Close(Answer<()>),
}

type Answer<T> = oneshot::Sender<Result<T, RunError>>;

/// The work of one side, and where it goes.
pub(crate) type Work<'a> = (&'a Options, &'a [Endpoint]);

impl Crew {
    /// Shares the connections of each side out among the threads.
    pub(crate) fn new(sides: &[Work<'_>]) -> Result<Self, RunError> {
        let threads = sides.iter().map(|(options, _)| options.threads());
        let count = threads.max().unwrap_or(1);
        let mut shares: Vec<Vec<Clients>> = Vec::new();
        shares.resize_with(count, || sides.iter().map(|_| Vec::new()).collect());
        for (side, (options, endpoints)) in sides.iter().enumerate() {
            for (number, client) in clients(options, endpoints).into_iter().enumerate() {
                shares[number % count][side].push(client);
            }
        }
        let threads = shares.into_iter().map(|share| {
            let (sender, orders) = mpsc::channel(1);
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let name = thread::Builder::new().name("load".to_owned());
            name.spawn(move || runtime.block_on(follow(share, orders)))?;
            Ok(sender)
        });
        Ok(Self {
            threads: threads.collect::<Result<_, RunError>>()?,
        })
    }

    /// Opens all connections and MCP sessions of one side.
    pub(crate) async fn open(&self, side: usize) -> Result<(), RunError> {
        let order = |answer| Order::Open { side, answer };
        self.order(order).await.map(drop)
    }

    /// Puts the load on one side for one stretch.
    pub(crate) async fn load(&self, side: usize, stretch: Stretch) -> Result<Tally, RunError> {
        let order = |answer| Order::Load {
            side,
            stretch,
            answer,
        };
        let mut whole = Tally::new()?;
        for part in self.order(order).await? {
            whole.add(&part);
        }
        Ok(whole)
    }

    /// Ends the MCP sessions.
    pub(crate) async fn close(&self) -> Result<(), RunError> {
        self.order(Order::Close).await.map(drop)
    }

    async fn order<T>(&self, order: impl Fn(Answer<T>) -> Order) -> Result<Vec<T>, RunError> {
        let mut answers = Vec::new();
        for thread in &self.threads {
            let (sender, answer) = oneshot::channel();
            let sent = thread.send(order(sender)).await;
            sent.map_err(|_| RunError::ThreadLost)?;
            answers.push(answer);
        }
        let mut results = Vec::new();
        for answer in answers {
            results.push(answer.await.map_err(|_| RunError::ThreadLost)??);
        }
        Ok(results)
    }
}

/// The connections of one side: connection n works on session n, n + connections, … or, where there are fewer sessions,
/// on session n modulo sessions.
fn clients(options: &Options, endpoints: &[Endpoint]) -> Clients {
    let connections = options.connections.get();
    let client = |number: usize| {
        let first = &endpoints[number % endpoints.len()];
        let mut share: Vec<_> = endpoints.iter().skip(number).step_by(connections).collect();
        if share.is_empty() {
            share.push(first);
        }
        // Backends have an address each, and a connection has one.
        share.retain(|endpoint| endpoint.authority == first.authority);
        Client::new(number, options, first, share.into_iter().cloned().collect())
    };
    (0..connections).map(client).collect()
}

async fn follow(mut sides: Vec<Clients>, mut orders: mpsc::Receiver<Order>) {
    // An answer that nobody waits for any more is of no use: the run is over.
    while let Some(order) = orders.recv().await {
        match order {
            Order::Open { side, answer } => drop(answer.send(open(&mut sides[side]).await)),
            Order::Load {
                side,
                stretch,
                answer,
            } => drop(answer.send(load(&mut sides[side], stretch).await)),
            Order::Close(answer) => {
                let clients = sides.iter_mut().flatten();
                let closing: FuturesUnordered<_> = clients.map(Client::close).collect();
                closing.collect::<()>().await;
                drop(answer.send(Ok(())));
            }
        }
    }
}

async fn open(clients: &mut Clients) -> Result<(), RunError> {
    let mut opening: FuturesUnordered<_> = clients.iter_mut().map(Client::open).collect();
    while let Some(opened) = opening.next().await {
        opened?;
    }
    Ok(())
}

async fn load(clients: &mut Clients, stretch: Stretch) -> Result<Tally, RunError> {
    let tally = RefCell::new(Tally::new()?);
    let loops: FuturesUnordered<_> = clients
        .iter_mut()
        .map(|client| keep_busy(client, stretch, &tally))
        .collect();
    loops.collect::<()>().await;
    Ok(tally.into_inner())
}

async fn keep_busy(client: &mut Client, stretch: Stretch, tally: &RefCell<Tally>) {
    // A server may close a connection that was idle while the other side was measured.
    let mut lost = None;
    loop {
        let begun = Instant::now();
        if begun >= stretch.until {
            break;
        }
        let outcome = client.operate().await;
        lost.get_or_insert_with(|| client.lost());
        tally.borrow_mut().record(stretch, begun, &outcome);
        if outcome.is_err() {
            sleep(REST).await;
        }
    }
    tally.borrow_mut().lost += client.lost() - lost.unwrap_or_else(|| client.lost());
}
