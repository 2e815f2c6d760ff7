//! A scripted MCP server: a real HTTP server on a loopback port, in this process.
//!
//! It runs on a thread of its own, so that any flavour of test may block. What it says by script
//! stands in [`script`]; what it does wrong on demand in [`fault`]; what it saw in [`record`].

mod acts;
mod batch;
mod controls;
mod door;
mod fault;
mod judging;
mod legacy;
mod listeners;
mod lists;
mod manners;
mod marks;
mod modern;
mod prompts;
mod questions;
mod quoting;
mod record;
mod reply;
mod resources;
mod says;
mod script;
mod stage;
mod tape;
mod tasks;
mod tools;
mod work;

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use tokio::{net::TcpStream, runtime::Runtime};

use self::{door::Door, fault::FaultPlan, stage::Stage};

pub use self::{
    fault::{ANSWER, Fault},
    lists::List,
    record::{Cancellation, Cancelled, Recorded},
    says::Says,
    script::{Answers, Script},
};

/// A running fake backend; its port closes when it is dropped.
pub struct FakeBackend {
    stage: Arc<Stage>,
    door: Door,
    runtime: Option<Runtime>,
}

impl FakeBackend {
    /// A script for a server of the legacy era, revision `2025-11-25`.
    pub fn legacy() -> Script {
        Script::legacy()
    }

    /// A script for a server of the modern era.
    pub fn modern() -> Script {
        Script::modern()
    }

    /// A script for a server of both eras.
    pub fn both() -> Script {
        Script::both()
    }

    /// A script for a server of one revision.
    pub fn speaking(revision: &str) -> Script {
        if revision == script::MODERN {
            Script::modern()
        } else {
            Script::legacy().revision(revision)
        }
    }

    fn start(script: Script) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("fake-backend")
            .enable_all()
            .build()
            .unwrap();
        let stage = Arc::new(Stage::new(script));
        let door = Door::new(runtime.handle().clone(), Arc::clone(&stage));
        door.open();
        Self {
            stage,
            door,
            runtime: Some(runtime),
        }
    }

    /// Where it listens; the same for its whole life.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Its MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address())
    }

    /// Adds a fault: for the next requests it names, or until [`Self::clear_faults`].
    pub fn inject(&self, plan: impl Into<FaultPlan>) {
        self.stage.faults.add(plan.into());
    }

    /// Resets the connections of the next so many requests before a byte of them is read.
    pub fn reset_unread(&self, requests: usize) {
        self.stage.unread.fetch_add(requests, Ordering::SeqCst);
    }

    /// How many requests are still to meet a fault that is for so many only.
    pub fn faults_left(&self) -> usize {
        self.stage.faults.left() + self.stage.unread.load(Ordering::SeqCst)
    }

    /// Takes every fault back. A request already caught by one stays caught.
    pub fn clear_faults(&self) {
        self.stage.faults.clear();
    }

    /// Lets every request go on that [`Fault::Hold`] holds, and lifts that fault.
    pub fn release(&self) {
        self.stage.faults.release();
    }

    /// Lets a gated `progress` call take one more step.
    pub fn step(&self) {
        self.stage.steps.add_permits(1);
    }

    /// Ends every MCP session, as a restarted server has: their ids are answered 404 from now on.
    pub fn forget_sessions(&self) {
        self.stage.change(|state| state.sessions.clear());
    }

    /// Refuses connections from now on and cuts those that stand.
    pub async fn go_down(&self) {
        self.door.close().await;
    }

    /// Listens again on the same port.
    pub fn come_back(&self) {
        self.door.open();
    }

    /// Waits until all is recorded that came from a gateway that was killed or has ended: its last words may lie in a
    /// socket still. Nobody else may be connected.
    pub async fn hear_out(&self) {
        // Connections are taken in the order in which they came, so that none is overlooked that was made before this one.
        let last = TcpStream::connect(self.address()).await.unwrap();
        let last_of_all = HashSet::from([last.local_addr().unwrap()]);
        self.until("the last words of a gateway", |it| {
            it.stage.read(|state| state.connected == last_of_all)
        })
        .await;
    }

    /// Every request it got, in order, refused ones included.
    pub fn requests(&self) -> Vec<Recorded> {
        self.stage.read(|state| state.requests.clone())
    }

    /// Those requests whose JSON-RPC method is `method`.
    pub fn requests_of(&self, method: &str) -> Vec<Recorded> {
        let mut requests = self.requests();
        requests.retain(|request| request.method() == Some(method));
        requests
    }

    /// How many `initialize` requests it answered with an MCP session.
    pub fn initializations(&self) -> usize {
        self.stage.read(|state| state.initializations)
    }

    /// How many MCP sessions are open.
    pub fn sessions_open(&self) -> usize {
        self.stage.read(|state| state.sessions.len())
    }

    /// How often a tool began to run.
    pub fn executions(&self, tool: &str) -> usize {
        self.stage
            .read(|state| state.executions.get(tool).copied().unwrap_or(0))
    }

    /// The raw arguments with which a tool began to run, in order.
    pub fn runs(&self, tool: &str) -> Vec<String> {
        let of_it = |(name, _): &&(String, String)| name == tool;
        self.stage.read(|state| {
            let runs = state.runs.iter().filter(of_it);
            runs.map(|(_, arguments)| arguments.clone()).collect()
        })
    }

    /// How often a tool ran to its end.
    pub fn completions(&self, tool: &str) -> usize {
        self.stage
            .read(|state| state.completions.get(tool).copied().unwrap_or(0))
    }

    /// How many streams for announcements are open.
    pub fn listeners(&self) -> usize {
        self.stage.read(listeners::count)
    }

    /// The calls that were cancelled before they ended.
    pub fn cancellations(&self) -> Vec<Cancellation> {
        self.stage.read(|state| state.cancellations.clone())
    }

    /// What its clients did against the protocol without being refused for it. Breaches of the
    /// schema fail the test even if it does not look here.
    pub fn complaints(&self) -> Vec<String> {
        self.stage
            .read(|state| [state.complaints.as_slice(), &state.breaches].concat())
    }

    /// Waits until `holds`, looking again whenever something happened here.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let mut happenings = self.stage.happenings();
        super::within(what, async {
            while !holds(self) {
                happenings.changed().await.unwrap();
            }
        })
        .await;
    }
}

impl Drop for FakeBackend {
    /// A test ends well only if nobody broke the schema here.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let (breaches, tolerant) = self
            .stage
            .read(|state| (state.breaches.join("\n"), state.tolerant));
        if !std::thread::panicking() && !tolerant {
            assert!(breaches.is_empty(), "a fake backend {breaches}");
        }
    }
}
