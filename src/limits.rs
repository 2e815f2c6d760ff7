//! Every bound in one place: its unit, and the reason for its size.
//!
//! What an operator may set has [`Bounds`] around it; what nobody needs to set is a plain constant.

mod backlog;
mod bounds;
mod console;
mod kept;
mod said;
mod told;

use std::time::Duration;

pub use backlog::Backlog;
pub use bounds::{Bounds, OutOfBounds};
pub use console::{
    CONSOLE_ANSWER_BYTES_MAX, CONSOLE_CONNECT_WITHIN, CONSOLE_QUIET_MAX, CONSOLE_WITHIN,
    EXAMPLE_ACCEPT_PAUSE, EXAMPLE_BODY_BYTES_MAX, EXAMPLE_SESSIONS_MAX, IMPORT_BYTES_MAX,
};
pub(crate) use kept::{PARTS, within};
pub use said::{
    CHANGES_IN_FLIGHT, CLIENT_DESCRIPTION_BYTES_MAX, CONTEXT_REMEMBERED_BYTES_MAX,
    CONTEXTS_REMEMBERED_MAX, SUBSCRIBERS_PER_SESSION_MAX, SUBSCRIPTIONS_MAX, TELLING_WITHIN,
};
pub use told::{
    AUDIT_REFUSALS_MAX, AUDIT_REFUSALS_WITHIN, BAGGAGE_BYTES_MAX, SPANS_LOST_TOLD,
    SPANS_SENT_WITHIN, SPANS_WAITING_MAX, TRACE_STATE_BYTES_MAX,
};

/// How long opening a connection to a backend may take: less fails on a healthy but distant host,
/// more only hides that the host is gone.
pub const CONNECT_TIMEOUT: Bounds<Duration> = Bounds::new(MILLISECONDS_10, MINUTES_5);
/// How long finding out a backend's era and shaking hands with it may take.
pub const HANDSHAKE_TIMEOUT: Bounds<Duration> = Bounds::new(MILLISECONDS_10, MINUTES_5);
/// How long a backend may send nothing at all while it works on a call.
pub const IDLE_TIMEOUT: Bounds<Duration> = Bounds::new(MILLISECONDS_10, HOURS_24);
/// How long a call may take altogether, however lively its stream is.
pub const CALL_TIMEOUT: Bounds<Duration> = Bounds::new(MILLISECONDS_10, HOURS_24);
/// Threads that carry calls out. More than cores only wait for each other; each has three descriptors and its stack.
pub const WORKER_THREADS: Bounds<u32> = Bounds::new(1, 1024);
/// How often a request that may be sent again is: each attempt multiplies the load on a backend
/// that is already in trouble.
pub const RETRY_ATTEMPTS: Bounds<u32> = Bounds::new(0, 10);
/// The wait before the first retry; later ones double it.
pub const RETRY_BASE: Bounds<Duration> = Bounds::new(Duration::from_millis(1), MINUTES_1);
/// The longest wait between two retries.
pub const RETRY_MAX: Bounds<Duration> = Bounds::new(Duration::from_millis(1), MINUTES_5);
/// How long an `initialize` waits for slow backends: clients give up after 60 s at the latest. What else clients wait for
/// with all backends takes no less.
pub const INITIALIZE_DEADLINE: Bounds<Duration> = Bounds::new(Duration::ZERO, MINUTES_1);
/// How long an MCP session lives without a request: most clients never end theirs.
pub const MCP_SESSION_TTL: Bounds<Duration> = Bounds::new(Duration::from_secs(1), DAYS_365);
/// How long a session lives that nobody uses: its credentials lie on the disk meanwhile.
pub const SESSION_IDLE_TTL: Bounds<Duration> = Bounds::new(Duration::from_secs(1), DAYS_365);
/// How long a session stays awake that nobody uses: it holds memory and streams at its backends, and is woken in
/// a moment.
pub const SESSION_DORMANT_AFTER: Bounds<Duration> =
    Bounds::new(Duration::from_millis(100), DAYS_365);
/// How long a call waits for what its client was asked: people answer, and their backend holds a
/// stream open meanwhile.
pub const INPUT_TIMEOUT: Bounds<Duration> = Bounds::new(MILLISECONDS_10, REQUEST_STATE_TTL);
/// How long calls may go on after a signal to stop: a supervisor of processes kills soon after.
pub const DRAIN_TIMEOUT: Bounds<Duration> = Bounds::new(Duration::ZERO, MINUTES_10);
/// Connections of clients at once: each holds a descriptor, and memory for what is read and written.
pub const CONNECTIONS: Bounds<u32> = Bounds::new(1, 1_000_000);
/// Connections at once of one address, so that one cannot take those of all.
pub const CONNECTIONS_PER_ADDRESS: Bounds<u32> = Bounds::new(1, 1_000_000);
/// How long a request's headers may take to arrive: they fit a packet or two, and are cheap to trickle.
pub const HEADER_TIMEOUT: Bounds<Duration> = Bounds::new(MILLISECONDS_10, MINUTES_10);
/// How long a request's body may take to arrive once its headers are there.
pub const BODY_TIMEOUT: Bounds<Duration> = Bounds::new(MILLISECONDS_10, HOURS_24);
/// How long a client's connection is kept without a request: longer than clients and proxies keep
/// theirs, so that it is they who close them and no request meets a closing one.
pub const KEEP_OPEN: Bounds<Duration> = Bounds::new(MILLISECONDS_10, HOURS_24);
/// How long a client may take nothing of what is sent to it: memory and its backend's call wait for it.
pub const WRITE_TIMEOUT: Bounds<Duration> = Bounds::new(MILLISECONDS_10, HOURS_24);
/// How long lines of the log may gather to be written out together: what is not out yet is lost to a kill.
pub const LOG_DELAY: Bounds<Duration> = Bounds::new(Duration::ZERO, Duration::from_secs(1));
/// Requests at once on one HTTP/2 connection.
pub const HTTP2_STREAMS: Bounds<u32> = Bounds::new(1, 10_000);
/// Bytes of a request's line and headers; less than the least would refuse common browsers.
pub const HEADERS_BYTES: Bounds<usize> = Bounds::new(8 * 1024, 1024 * 1024);
/// Headers of one request; browsers and proxies send a few dozen.
pub const HEADERS: Bounds<u32> = Bounds::new(16, 10_000);
/// Bytes of a request's body: held in memory for as long as its call is on the way.
pub const BODY_BYTES: Bounds<usize> = Bounds::new(1024, 256 * 1024 * 1024);

/// Bytes of `registry.yaml`: thousands of providers, and no mistaken path to something huge.
pub const REGISTRY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of the callers file: thousands of keys, and no mistaken path to something huge.
pub const CALLERS_BYTES_MAX: usize = 1024 * 1024;
/// How far the clock of whoever issues tokens may be from this machine's.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(30);
/// Tokens that were checked and are remembered until they expire: a few for each person of a large company.
pub const TOKENS_SEEN_MAX: usize = 10_000;
/// Bytes of an authorization server's key set: a hundred keys with their certificates.
pub const KEY_SET_BYTES_MAX: usize = 1024 * 1024;
/// Keys of it that are read: authorization servers have a handful.
pub const KEY_SET_KEYS_MAX: usize = 100;
/// How long fetching it may take: tokens wait meanwhile, and would be turned away without it.
pub const KEY_SET_WITHIN: Duration = Duration::from_secs(15);
/// How often it is fetched when nobody asks for a key that is not in it: a key that its issuer took back lets tokens
/// in no longer than this.
pub const KEY_SET_EVERY: Duration = MINUTES_10;
/// How soon it is fetched again when that failed.
pub const KEY_SET_RETRY: Duration = Duration::from_secs(30);
/// The least time between two fetches, whatever keys made-up tokens name.
pub const KEY_SET_PAUSE: Duration = Duration::from_secs(2);
/// Requests that wait for a fetch at once; further ones are refused at once.
pub const KEY_SET_WAITERS_MAX: usize = 64;
/// Mistakes told of in one run: more than one screen of them is read by nobody.
pub const REGISTRY_MISTAKES_MAX: usize = 25;
/// Bytes of a provider's address: what servers and proxies commonly take in a request line.
pub const URL_BYTES_MAX: usize = 2048;
/// Characters of a provider's description: it stands in lists.
pub const DESCRIPTION_CHARS_MAX: usize = 1000;
/// Bytes of a credential or of a configured header's value: servers commonly refuse a request
/// whose headers exceed 8 KiB in total.
pub const HEADER_VALUE_BYTES_MAX: usize = 8 * 1024;

/// Exchanges in flight of one session: what one person's agents do at once, many times over; each
/// holds a body in memory.
pub const EXCHANGES_PER_SESSION_MAX: usize = 1024;
/// Levels of a request's JSON, its own object included: readers of JSON commonly give up here, and the
/// backends' should not be the ones to find out.
pub const DEPTH_MAX: usize = 128;
/// Characters of a method or a tool's name that a log or an error repeats: a request may hold
/// megabytes of it.
pub const SHOWN_CHARS_MAX: usize = 128;
/// Bytes of a URI that is remembered or listened for: what servers commonly take in a request line.
pub const URI_BYTES_MAX: usize = 8 * 1024;
/// URIs from results that a session remembers: so that reading one goes where it came from.
pub const SEEN_URIS_MAX: usize = 4096;
/// URIs that are taken from one result.
pub const SEEN_URIS_PER_RESULT_MAX: usize = 64;
/// How long a client may take to bring the input that a request wants: people answer, and sign in
/// somewhere first. After that the request has to be begun anew.
pub const REQUEST_STATE_TTL: Duration = Duration::from_hours(1);
/// How long further questions of the same call are waited for once one came that ends its request:
/// backends put several at once, and a round of the client's takes far longer.
pub const QUESTIONS_GATHERED_WITHIN: Duration = Duration::from_millis(50);
/// Exchanges of one session that wait in memory for their clients' answers.
pub const PARKED_PER_SESSION_MAX: usize = 256;
/// Events of an exchange that wait for a slow client before the backend is read no further: enough to keep
/// both sides busy. There may be a thousand exchanges, so their bytes are few.
pub const EVENTS_IN_FLIGHT: Backlog = Backlog::new(16, 256 * 1024);
/// Bytes of all that a client is asked in place of one answer, kept until it answered: a form or a prompt is a
/// page or a picture. Of more than one question, the last is not put.
pub const QUESTIONS_BYTES_MAX: usize = 4 * MIB;
/// MCP sessions that clients hold open in one session; each costs every legacy backend one too.
pub const MCP_SESSIONS_PER_SESSION_MAX: usize = 1024;
/// `GET` streams of one MCP session: a client needs one, and may briefly have two.
pub const LISTENERS_PER_MCP_SESSION_MAX: usize = 4;
/// Messages of one batch: each is an exchange of its own, and all of them are under way at once.
pub const BATCH_MAX: usize = 100;
/// Events that a stream holds so that its client can take it up where it broke off.
pub const STREAM_EVENTS_MAX: u64 = 1_000;
/// Bytes of them; one event may be larger, then it is held alone.
pub const STREAM_BYTES_MAX: usize = 1024 * 1024;
/// Streams that one MCP session may take up again. When that many are being written, a further
/// answer is streamed all the same, and lost if its connection breaks.
pub const STREAMS_PER_MCP_SESSION_MAX: usize = 32;
/// Bytes that those hold together which have ended, but for the last one, which is held whole.
pub const ENDED_STREAMS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes that the streams of one session hold together, of all its MCP sessions. Beyond it those that ended are let
/// go, the oldest first, and the others hold only what their clients have not taken.
pub const OUTBOX_BYTES_MAX: usize = 64 * MIB;
/// How long a stream is held after its end, or after its client left: a broken network is back, and
/// a laptop awake, in less.
pub const STREAM_HELD: Duration = MINUTES_5;
/// The pause that a client keeps before it takes a stream up again.
pub const RESUMED_AFTER: Duration = Duration::from_secs(1);
/// How long an answer may take before it becomes a stream that can be taken up again: most answers
/// take less, and cost less in one piece.
pub const RESUMABLE_AFTER: Duration = Duration::from_secs(5);
/// Questions put to one client that it has not answered.
pub const QUESTIONS_PER_MCP_SESSION_MAX: usize = 256;
/// Calls of one connection that wait for a handshake.
pub const WAITING_CALLS_MAX: usize = 1024;
/// Times one session's connections may die of a mistake of ours before they stay down.
pub const BACKEND_DEATHS_MAX: u32 = 16;
/// Times one session may die of a mistake of ours before it stays down.
pub const SESSION_DEATHS_MAX: u32 = 5;
/// Sessions of all callers, or of one.
pub const SESSIONS: Bounds<u32> = Bounds::new(1, SESSIONS_MAX);
/// Sessions in one database.
pub const SESSIONS_MAX: u32 = 1_000_000;
/// Sessions of one caller with a name, unless the operator says otherwise: far more than people make by hand, and too
/// few to fill a disk.
pub const SESSIONS_PER_CALLER_MAX: u64 = 1_000;
/// Requests in flight of one caller, over all its sessions.
pub const REQUESTS_PER_CALLER: Bounds<u32> = Bounds::new(1, 1_000_000);
/// Sessions woken at start, the last used first; the others sleep until their first request, which costs that one read of
/// a row. So what is stored costs hardly any memory, however much it is.
pub const REHYDRATED_MAX: u64 = 200;
/// The pause between two of them: waking must not crowd out the first requests.
pub const REHYDRATION_PAUSE: Duration = Duration::from_millis(5);
/// Sessions that are being made at once before that is a rush: in a rush they are stored and answered first, and
/// connect to their backends later.
pub const RUSH: usize = 8;
/// How often is looked whether a rush is over.
pub const RUSH_PAUSE: Duration = Duration::from_millis(50);
/// Sessions made in a rush that connect after it; others do with their first requests.
pub const CONNECTED_LATER_MAX: usize = 1_000;
/// How often sessions write down what was used and forget idle MCP sessions.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
/// Sleeping sessions that are woken at once to be deleted, or to have MCP sessions end that nobody used: their
/// backends are told.
pub const BURIED_AT_ONCE_MAX: u64 = 100;
/// How often watched files are looked at: who takes a key back wants it to count at once.
pub const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Sessions, or MCP sessions, whose use one write tells of: other writes wait meanwhile.
pub const USED_AT_ONCE_MAX: usize = 1_000;
/// Patterns of tools that a session allows of one server, and of those that it denies: a server with more tools than that
/// is told by a few `*`. Each tool of a list is held against all of them.
pub const TOOL_PATTERNS_MAX: usize = 100;
/// Characters of such a pattern, and of a name that is held against it: MCP gives a tool's name up to 128.
pub const TOOL_PATTERN_CHARS_MAX: usize = 128;
/// Tools that are held against a filter in one go: the worst patterns and names take a few milliseconds for them, and
/// others are served in between.
pub const TOOLS_FILTERED_AT_ONCE: usize = 16;
/// Bytes of one file of the audit log: less would be a file for each few lines.
pub const AUDIT_FILE_BYTES: Bounds<usize> = Bounds::new(64 * 1024, 1024 * 1024 * 1024);
/// Files of the audit log, the present one included: with it the disk it may take is bounded.
pub const AUDIT_FILES_MAX: usize = 8;
/// A file of the audit log that none could follow takes one so-many-th of its size more before that is tried again.
pub const AUDIT_AGAIN_PARTS: u64 = 8;
/// Lines of the audit log that wait to be written: a second of a busy gateway.
pub const AUDIT_QUEUE_MAX: usize = 8192;
/// Changes of one session that wait for the one before: people make one at a time.
pub const PATCHES_WAITING_MAX: usize = 16;
/// Secrets that one transaction seals anew when the sealing key changes.
pub const RESEALED_AT_ONCE_MAX: u64 = 500;
/// How long writing down what was used, and closing the database, may take at the end: without
/// either the gateway starts again all the same.
pub const REST_WITHIN: Duration = Duration::from_secs(1);
/// How long telling those whose calls have had their time may take at the end. With it and
/// [`REST_WITHIN`] the default of the time to drain stays below the 10 s that supervisors wait.
pub const HURRIED_WITHIN: Duration = Duration::from_millis(500);
/// How long a list waits for a backend, if an `initialize` does not wait longer; the others' tools are shown without it.
pub const LIST_DEADLINE: Duration = Duration::from_secs(10);
/// How long a list is kept at most that nothing says is another one: a backend's word for it may have got lost.
pub const LIST_KEPT_MAX: Duration = MINUTES_5;
/// How long a list is kept that nobody asks for.
pub const LIST_UNUSED_MAX: Duration = Duration::from_mins(1);
/// Lists of one session that are kept: each client that has a conversation of its own may be shown another one.
pub const LISTS_KEPT_MAX: usize = 64;
/// Bytes of the lists of one session that are kept, those that are the same counted once: a few thousand tools.
pub const LISTS_KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Pages of one backend's list: enough for thousands of tools, and an end to one that has none.
pub const LIST_PAGES_MAX: usize = 200;
/// Definitions in one list of one backend: far more than any model can choose from.
pub const LIST_ITEMS_MAX: usize = 10_000;
/// Bytes of one answer of a backend in JSON, streamed or not.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A backend's JSON answer above this size goes on to the client while it arrives; a smaller one is
/// cheaper whole.
pub const STREAMED_ABOVE_BYTES: usize = 64 * 1024;
/// Bytes of one event of a backend's stream.
pub const EVENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of an HTTP error's body that are looked at: JSON-RPC errors are short.
pub const ERROR_BODY_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a backend's JSON-RPC error that travel on: it is words for a person, and something beside. Of
/// a larger one its code and the beginning of its message are left.
pub const ERROR_BYTES_MAX: usize = 1024 * 1024;
/// Characters of that message.
pub const ERROR_CHARS_MAX: usize = 4 * 1024;
/// Bytes of a backend's log message that travel on: each is looked through for credentials. Of a larger
/// one its level, its logger and the beginning of its text are left.
pub const LOG_BYTES_MAX: usize = 128 * 1024;
/// Characters of that text.
pub const LOG_CHARS_MAX: usize = 16 * 1024;
/// Bytes of a level and of a logger that are left.
pub const LOG_NAME_BYTES_MAX: usize = 1024;
/// Requests of a backend's own during one call.
pub const BACKEND_REQUESTS_MAX: usize = 100;
/// Times one call may be answered with a wish for more input before it is given up: people are asked
/// a handful of things for one, and a backend that never has enough must come to an end.
pub const INPUT_ROUNDS_MAX: usize = 32;
/// How long what came on a stream of a whole conversation waits for the one slow client it is for:
/// the others' wait behind it.
pub const SHARED_STREAM_WAIT_MAX: Duration = Duration::from_secs(1);
/// Times in a row that a call's stream is gone on with without anything coming of it.
pub const RESUMPTIONS_MAX: u32 = 8;
/// The pause before the first of them, where the backend asks for none; later ones double it.
pub const RESUMPTION_PAUSE: Duration = Duration::from_millis(250);
/// The longest such pause that a backend may ask for.
pub const RESUMPTION_PAUSE_MAX: Duration = MINUTES_1;
/// The longest `Retry-After` that is waited for; a longer one is the answer.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// First attempts that together earn one repeat, of a provider over all sessions: so repeats are a fifth
/// of its traffic at most, whatever happens.
pub const RETRY_BUDGET_SHARE: u32 = 5;
/// Repeats a second that a provider gets however little it is used.
pub const RETRY_BUDGET_FLOOR: u32 = 2;
/// Repeats of one provider that may be saved up: a short outage under many sessions.
pub const RETRY_BUDGET_MAX: u32 = 50;
/// How often the log says that a provider's repeats are used up.
pub const RETRY_BUDGET_TOLD: Duration = MINUTES_1;
/// How long a provider that is gone for everybody is left alone before one attempt may look again;
/// each further one that fails doubles it.
pub const BREAKER_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
pub const BREAKER_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read from a backend's socket at once, and how large the head of one may be: what is read
/// is held until the client has it, and a fast backend always has more.
pub const ANSWER_READ_BYTES_MAX: usize = 64 * 1024;
/// Answers to a backend's own requests, of one connection, that are on their way at once and that
/// nobody misses: pings and refusals. A backend may send those without end.
pub const REPLIES_IN_FLIGHT_MAX: usize = 64;
/// Notifications of clients on their way to one backend of a session; further ones are dropped. They are answered
/// before they get there, so that nothing else slows down who sends them without end.
pub const NOTICES_IN_FLIGHT: Backlog = Backlog::new(64, 4 * MIB);
/// What a backend says over one link about no call, on its way to the session: what waits there is held in
/// memory, and a backend may say more than a session can hear.
pub const HEARD_IN_FLIGHT: Backlog = Backlog::new(64, 4 * MIB);
/// Bytes of a notification that is about no call; a larger one is told to nobody. One that is told may have hundreds of
/// listeners, each of which is sent a copy.
pub const ANNOUNCEMENT_BYTES_MAX: usize = 4 * MIB;
/// Bytes of a progress token that a backend chooses, and that is kept as long as its question is open.
pub const PROGRESS_TOKEN_BYTES_MAX: usize = 1024;
/// Streams on which backends announce changes, of the whole process: each holds a socket, of which a
/// process is commonly allowed 1024. Connections beyond it wait for one to end.
pub const BACKEND_LISTENERS_MAX: usize = 512;
/// How long such a stream may be silent, its opening included: nothing on it is due. Then it is
/// opened anew, in case something in between forgot it and did not say so.
pub const LISTENING_SILENCE_MAX: Duration = Duration::from_hours(6);
/// Silence after which the other side's system is asked whether it still holds such a stream.
pub const LISTENING_KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long a call whose client can be asked something waits for the stream on which the backend may
/// ask: some backends have none, and some do not say so before they have something to tell.
pub const LISTENING_WITHIN: Duration = Duration::from_secs(1);
/// The longest pause before such a stream is opened again; the first is half a second.
pub const LISTENING_PAUSE_MAX: Duration = MINUTES_5;
/// A stream that lasted this long worked: when it ends, the pauses begin anew.
pub const LISTENING_PROVEN: Duration = Duration::from_secs(30);
/// The least time between two lists for announcements, and between two times that one change is told:
/// a backend may announce at any pace.
pub const ANNOUNCED_LIST_PAUSE: Duration = Duration::from_secs(1);
/// The least time between two times that tools are told of which a client's list, and no announcement,
/// shows to be others now: a backend may list something else each time it is asked.
pub const SILENT_CHANGE_PAUSE: Duration = MINUTES_1;
/// Tools that one line of the log names.
pub const NAMED_TOOLS_MAX: usize = 10;
/// Links of one connection for clients without an MCP session that can be asked something: one a set of
/// capabilities, of which few are in use, each an MCP session and a stream at the backend.
pub const CAPABLE_LINKS_MAX: usize = 16;
/// How long such a link is kept without a call; another one is opened in a moment.
pub const CAPABLE_LINK_IDLE_MAX: Duration = MINUTES_10;
/// How long a backend may take to end a stream after its answer before the connection is given up.
pub const STREAM_END_WITHIN: Duration = Duration::from_secs(1);
/// Exchanges of a session that are remembered for whoever watches it: a screen of them.
pub const ACTIVITY_KEPT: usize = 32;
/// Streams on which one session is watched: its owner's windows.
pub const ACTIVITY_WATCHERS_MAX: usize = 16;
/// How long is kept that a provider answered when it was looked at, for people who choose: whoever asks, it is not asked
/// for a handshake more often.
pub const PRESENCE_KEPT: Duration = Duration::from_mins(2);
/// The same where it did not: somebody may be mending it.
pub const PRESENCE_AWAY_KEPT: Duration = Duration::from_secs(30);
/// Providers that are looked at at once: a registry may have hundreds.
pub const PRESENCE_LOOKS_MAX: usize = 8;
/// Idle sockets kept for each provider by each thread, shared by all sessions: as many as one session's exchanges.
pub const POOL_IDLE_PER_BACKEND: usize = EXCHANGES_PER_SESSION_MAX;
/// How long an idle socket is kept. Common servers close theirs after 5 s, and a call sent in that
/// moment may or may not have arrived.
pub const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Silence on a socket to a backend after which its system is asked whether it is there, and between
/// two such questions; after so many without an answer the socket is lost.
pub const SOCKET_ALIVE_ASKED: Duration = Duration::from_secs(15);
/// How many of them.
pub const SOCKET_ALIVE_ASKS: u32 = 3;
/// How long what was sent to a backend may go without its system's word that it arrived.
pub const SOCKET_LOST_AFTER: Duration = Duration::from_secs(30);
/// The longest pause before a background try that a backend may ask for.
pub const RECONNECT_PAUSE_MAX: Duration = Duration::from_mins(5);
/// Silence on a stream to a client after which a comment is sent, so that nothing in between
/// takes the stream for dead; also how long an answer may take before its stream is begun.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Bytes of what a backend says of itself, and of any answer that no client waits for: kept for each
/// conversation.
pub const DISCOVERY_BYTES_MAX: usize = 1024 * 1024;
/// Characters of a backend's instructions: every one of them is read by the model.
pub const INSTRUCTIONS_CHARS_MAX: usize = 20_000;
/// Bytes of one backend's list, all pages together: held in memory for every client that lists.
pub const LIST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Objects and lists within each other in what a backend says: far more than readers of JSON commonly
/// take.
pub const ANSWER_DEPTH_MAX: usize = 512;

const MIB: usize = 1024 * 1024;
const MILLISECONDS_10: Duration = Duration::from_millis(10);
const MINUTES_1: Duration = Duration::from_mins(1);
const MINUTES_5: Duration = Duration::from_mins(5);
const MINUTES_10: Duration = Duration::from_mins(10);
const HOURS_24: Duration = Duration::from_hours(24);
const DAYS_365: Duration = Duration::from_hours(365 * 24);
