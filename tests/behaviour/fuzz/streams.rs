//! Event streams of a backend, cut anywhere, with anything in them, through the running gateway.

use proptest::{prelude::*, sample::Index};

use super::arena::Arena;
use crate::world::{
    Answers, FakeBackend, Fault,
    attempt::{Attempts, Outcome, Voice},
    fake_backend::{ANSWER, Script},
};

fn arenas() -> [Arena; 2] {
    [FakeBackend::legacy(), FakeBackend::modern()].map(|script: Script| {
        let script = script.tool_named("act").answers(Answers::Sse);
        Arena::new(script.forgets_requests().start())
    })
}

fn end() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(vec![b"\n".as_slice(), b"\r\n", b"\r"])
}

/// A block of lines that ends with an empty one.
fn block(
    lines: impl Strategy<Value = Vec<u8>>,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(lines, count), end()).prop_map(|(lines, end)| {
        let lines = lines.into_iter().chain([Vec::new()]);
        lines
            .flat_map(|line| [line, end.to_vec()])
            .flatten()
            .collect()
    })
}

/// Lines that change nothing about what a stream says.
fn harmless() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        b": a comment".to_vec(),
        b":".to_vec(),
        b"event: message".to_vec(),
        b"retry: 20".to_vec(),
        b"retry: soon".to_vec(),
        b"unknown: field".to_vec(),
        b"unknown".to_vec(),
        "x\u{e9}\u{1f600}: y".into(),
        [b": ".as_slice(), &[b'x'; 3000]].concat(),
    ])
}

/// Lines that may say anything.
fn wild() -> impl Strategy<Value = Vec<u8>> {
    let data = prop::sample::select(vec![
        b"data: {".to_vec(),
        b"data: []".to_vec(),
        b"data".to_vec(),
        b"data:\xff\xfe".to_vec(),
        b"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}".to_vec(),
        b"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}".to_vec(),
        b"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}".to_vec(),
        b"event: other".to_vec(),
        b"id: a\0b".to_vec(),
        b"id:".to_vec(),
        answer(),
    ]);
    prop_oneof![
        6 => data,
        2 => harmless(),
        2 => prop::collection::vec(any::<u8>(), 0..60),
    ]
}

/// The line with the right answer.
fn answer() -> Vec<u8> {
    [b"data: ".as_slice(), ANSWER].concat()
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..12)
}

fn stream(bytes: &[u8], cuts: &[Index]) -> Fault {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.sort_unstable();
    Fault::Stream {
        bytes: bytes.to_vec(),
        cuts,
    }
}

/// What a call comes to whose answer is this stream: the number of results and of errors.
fn outcome(arena: &Arena, fault: Fault) -> Result<(usize, usize), TestCaseError> {
    arena.backend.clear_faults();
    arena.backend.inject(fault.on("tools/call").times(1));
    let attempts = Attempts::at(&arena.gateway);
    let call = attempts.call(&arena.session.id, &Voice::Plain, "it.act", "mark");
    let answer = match arena.runtime.block_on(call) {
        Outcome::Answered(answer) => answer,
        outcome => return Err(TestCaseError::fail(format!("{outcome:?}"))),
    };
    prop_assert_eq!(answer.status, 200, "{:?}", answer);
    let messages = answer.messages();
    let with = |name: &str| {
        let own = messages.iter().filter(|it| it["id"] == "mark");
        own.filter(|it| it.get(name).is_some()).count()
    };
    Ok((with("result"), with("error")))
}

#[test]
fn a_right_answer_is_found_in_any_stream_that_has_it_however_it_is_cut() {
    for arena in arenas() {
        let cases = (
            prop::collection::vec(block(harmless(), 0..4), 0..4),
            block(Just(answer()), 1..2),
            prop::collection::vec(any::<u8>(), 0..40),
            cuts(),
        );
        arena.run(&cases, |(before, answer, after, cuts)| {
            let bytes = [before.concat(), answer, after].concat();
            prop_assert_eq!(outcome(&arena, stream(&bytes, &cuts))?, (1, 0));
            Ok(())
        });
    }
}

#[test]
fn every_stream_comes_to_one_answer_and_an_end() {
    for arena in arenas() {
        let cases = (prop::collection::vec(block(wild(), 0..4), 0..6), cuts());
        arena.run(&cases, |(blocks, cuts)| {
            let (results, errors) = outcome(&arena, stream(&blocks.concat(), &cuts))?;
            prop_assert_eq!(results + errors, 1);
            Ok(())
        });
    }
}
