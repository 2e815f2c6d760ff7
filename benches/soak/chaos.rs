//! What goes wrong meanwhile: backends that fail in every way, and a gateway that is ended.

use std::time::Duration;

use tokio::{task::block_in_place, time::Instant};

use crate::{
    books::{Books, Upheaval},
    world::{FakeBackend, Fault, Gateway, dice::Dice},
};

/// The longest calm between two blows, in milliseconds.
const CALM_MS: usize = 900;
/// How long a backend stays away, in milliseconds.
const AWAY_MS: u64 = 300;
/// Requests that one fault meets at most.
const MET_MAX: usize = 8;

/// Where the kernel tells how much memory a process holds.
const RESIDENT: &str = "VmRSS:";

/// The gateway, and who strikes it.
pub(crate) struct Chaos {
    gateway: Gateway,
    books: Books,
    dice: Dice,
    memory_most_kib: u64,
}

impl Chaos {
    pub(crate) fn new(gateway: Gateway, books: Books, dice: Dice) -> Self {
        Self {
            gateway,
            books,
            dice,
            memory_most_kib: 0,
        }
    }

    /// Strikes again and again.
    pub(crate) async fn reign(&mut self, backends: &[FakeBackend; 2], duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            let calm = u64::try_from(self.dice.below(CALM_MS)).unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(calm)).await;
            self.measure();
            self.strike(backends).await;
        }
    }

    /// Takes every fault back and starts the gateway a last time, after a kill.
    pub(crate) fn settle(&mut self, backends: &[FakeBackend; 2]) {
        self.measure();
        for backend in backends {
            backend.clear_faults();
        }
        block_in_place(|| self.gateway.restart());
    }

    /// The most memory that the gateway was seen with.
    pub(crate) fn memory_most_mib(&self) -> u64 {
        self.memory_most_kib / 1024
    }

    /// Lines of its log that tell of a mistake in its own code.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let logs = self.gateway.logs();
        let is_mistake = |line: &&str| line.contains("panicked") || line.contains("died");
        logs.lines().filter(is_mistake).map(str::to_owned).collect()
    }

    async fn strike(&mut self, backends: &[FakeBackend; 2]) {
        let (blow, which) = (self.dice.below(20), self.dice.below(backends.len()));
        let backend = &backends[which];
        match blow {
            0..3 => {
                self.books.upheaval(Upheaval::Kill);
                block_in_place(|| self.gateway.restart());
                self.books.upheaval(Upheaval::Start);
                self.books.count("kills (SIGKILL)");
            }
            3 | 4 => {
                self.books.upheaval(Upheaval::Stop);
                block_in_place(|| {
                    self.gateway.stop();
                    self.gateway.restart();
                });
                self.books.upheaval(Upheaval::Start);
                self.books.count("stops (SIGTERM)");
            }
            5 => {
                backend.go_down().await;
                if self.dice.below(2) == 0 {
                    backend.forget_sessions();
                }
                tokio::time::sleep(Duration::from_millis(AWAY_MS)).await;
                backend.come_back();
                self.books.count("restarts of a backend");
            }
            6 => {
                backend.forget_sessions();
                self.books.count("MCP sessions forgotten by a backend");
            }
            _ => {
                let times = 1 + self.dice.below(MET_MAX);
                let fault = self.fault();
                backend.inject(fault.on("tools/call").times(times));
                self.books.count("faults of a backend");
            }
        }
    }

    fn fault(&mut self) -> Fault {
        let faults = [
            Fault::ResetBeforeHeaders,
            Fault::ResetAfterHeaders,
            Fault::ResetMidBody,
            Fault::HangBeforeHeaders,
            Fault::HangMidBody,
            Fault::status(500),
            Fault::status(502),
            Fault::status(503),
            Fault::status(504),
            Fault::retry_after(503, "1"),
            Fault::Html,
            Fault::BrokenJson,
            Fault::WrongId,
            Fault::TruncatedSse,
            Fault::Garbage,
            Fault::Delay(Duration::from_millis(200)),
        ];
        let which = self.dice.below(faults.len());
        faults[which].clone()
    }

    fn measure(&mut self) {
        let status = format!("/proc/{}/status", self.gateway.process_id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix(RESIDENT));
        let resident =
            resident.and_then(|text| text.trim().strip_suffix("kB")?.trim().parse().ok());
        self.memory_most_kib = self.memory_most_kib.max(resident.unwrap_or_default());
    }
}
