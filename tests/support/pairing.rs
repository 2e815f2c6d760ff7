//! Which revisions meet in the gateway: one body of a test runs in every pairing.

use std::fmt;

use super::{
    Answers, Client, FakeBackend, Gateway, Program, client::MODERN, fake_backend::Script,
    gateway::Session,
};

/// Every revision, oldest first.
pub const REVISIONS: [&str; 5] = [
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    MODERN,
];

/// The name of the one provider.
const PROVIDER: &str = "it";

/// A client's revision, a backend's, and how the backend answers.
#[derive(Debug, Clone, Copy)]
pub struct Pairing {
    /// The client's revision.
    pub client: &'static str,
    /// The backend's revision.
    pub backend: &'static str,
    /// The form of the backend's answers.
    pub answers: Answers,
}

impl Pairing {
    /// Both eras with both eras, each with answers of both forms.
    pub fn eras() -> Vec<Self> {
        // The latest revisions of the two eras.
        let eras = &REVISIONS[3..];
        let json = all(eras, Answers::Json);
        json.chain(all(eras, Answers::Sse)).collect()
    }

    /// Every revision with every revision.
    pub fn revisions() -> Vec<Self> {
        all(&REVISIONS, Answers::Json).collect()
    }

    /// Says whether the client is of the modern era.
    pub fn has_modern_client(self) -> bool {
        self.client == MODERN
    }

    /// Says whether the backend is of the modern era.
    pub fn has_modern_backend(self) -> bool {
        self.backend == MODERN
    }

    /// A script for the backend.
    pub fn script(self) -> Script {
        FakeBackend::speaking(self.backend).answers(self.answers)
    }

    /// The latest revisions in both forms, and every revision with every other.
    pub fn all() -> Vec<Self> {
        Self::eras().into_iter().chain(Self::revisions()).collect()
    }

    /// Starts several backends as the providers of these names, the gateway, a session of them in
    /// this order, and the client.
    pub async fn stand_among(
        self,
        scripts: Vec<(&'static str, Script)>,
        program: Program,
    ) -> Several {
        let teller = Teller(self);
        let (names, backends): (Vec<&str>, Vec<FakeBackend>) = scripts
            .into_iter()
            .map(|(name, script)| (name, script.start()))
            .unzip();
        let providers: Vec<_> = names.iter().copied().zip(&backends).collect();
        let gateway = Gateway::with(&providers);
        let session = gateway.session(&names).await;
        let client = program.speaking(self.client, &session.endpoint).await;
        Several {
            client,
            session,
            gateway,
            backends,
            _teller: teller,
        }
    }

    /// Starts the backend as the provider `it`, the gateway, a session, and the client.
    pub async fn stand(self, script: Script, program: Program) -> World {
        let teller = Teller(self);
        let backend = script.start();
        let gateway = Gateway::with(&[(PROVIDER, &backend)]);
        let session = gateway.session(&[PROVIDER]).await;
        let client = program.speaking(self.client, &session.endpoint).await;
        World {
            client,
            session,
            gateway,
            backend,
            _teller: teller,
        }
    }
}

impl fmt::Display for Pairing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            client,
            backend,
            answers,
        } = self;
        write!(
            formatter,
            "a client of {client}, a backend of {backend} that answers {answers:?}"
        )
    }
}

fn all(revisions: &'static [&'static str], answers: Answers) -> impl Iterator<Item = Pairing> {
    revisions.iter().flat_map(move |client| {
        revisions.iter().map(move |backend| Pairing {
            client,
            backend,
            answers,
        })
    })
}

/// All that takes part in one pairing. If the test fails, it says which pairing it was.
pub struct World {
    /// The client, open.
    pub client: Client,
    /// The session it uses.
    pub session: Session,
    /// The gateway.
    pub gateway: Gateway,
    /// The backend, whose names begin with `it.` for the client.
    pub backend: FakeBackend,
    _teller: Teller,
}

/// All that takes part in one pairing with several backends.
pub struct Several {
    /// The client, open.
    pub client: Client,
    /// The session it uses.
    pub session: Session,
    /// The gateway.
    pub gateway: Gateway,
    /// The backends, in the session's order.
    pub backends: Vec<FakeBackend>,
    _teller: Teller,
}

/// Says which pairing failed.
struct Teller(Pairing);

impl Drop for Teller {
    #[expect(
        clippy::print_stderr,
        reason = "what failed belongs in the report of a failed test"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- in the pairing of {}", self.0);
        }
    }
}
