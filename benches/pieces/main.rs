//! Times the pieces that a request goes through: `cargo bench --bench pieces`, see benches/README.md.
//!
//! They are those that look at every byte or run for every request. What the whole costs, sockets and tasks included,
//! `--bench load` and `--bench instructions` say.

mod samples;

use std::{error::Error, hint::black_box};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use mcp_gateway::{
    limits::DEPTH_MAX,
    mcp::{
        depth,
        editing::{Edit, Editing},
        message::{Message, RequestId, write_request, write_result},
        meta,
        name::Naming,
        object::RawObject,
        shelf::{Page, Shelf},
    },
    routing::{merge, name::Spelling, route},
};

use samples::Samples;

/// A piece that arrives from a socket at once, as large as a backend's answer is usually read.
const CHUNK_BYTES: usize = 16 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let samples = Samples::new()?;
    let mut criterion = Criterion::default().configure_from_args();
    requests(&mut criterion, &samples);
    results(&mut criterion, &samples)?;
    lists(&mut criterion, &samples)?;
    criterion.final_summary();
    Ok(())
}

/// What is done with a request on its way to a backend.
fn requests(criterion: &mut Criterion, samples: &Samples) {
    for (era, call) in [
        ("legacy", &samples.legacy_call),
        ("modern", &samples.modern_call),
    ] {
        let mut group = criterion.benchmark_group(format!("{era} tools/call"));
        group.bench_function("look how deep it is", |bencher| {
            bencher.iter(|| depth::exceeds(black_box(call), DEPTH_MAX));
        });
        group.bench_function("read the message", |bencher| {
            bencher.iter(|| Message::read(black_box(call)).map(|it| it.id().is_some()));
        });
        group.finish();
    }
    let mut group = criterion.benchmark_group("a call's parameters");
    group.bench_function("read the members", |bencher| {
        bencher.iter(|| RawObject::parse(black_box(&samples.params)).map(|it| it.is_empty()));
    });
    group.bench_function("take the modern context out", |bencher| {
        bencher.iter(|| {
            let meta = RawObject::parse(black_box(&samples.meta));
            meta.map(|mut meta| {
                meta::remove_context(&mut meta);
                meta.to_raw()
            })
        });
    });
    group.bench_function("find the backend", |bencher| {
        let backends = &samples.backends;
        bencher.iter(|| route::route(Naming::Auto, backends, black_box("third.tool_7")));
    });
    group.bench_function("write it for the backend", |bencher| {
        let id = RequestId::from_number(1_234_567);
        bencher.iter(|| write_request(&id, "tools/call", Some(black_box(&samples.params))));
    });
    group.finish();
}

/// What is done with a result on its way to a client.
fn results(criterion: &mut Criterion, samples: &Samples) -> Result<(), Box<dyn Error>> {
    let id = RequestId::from_number(7);
    for (size, result) in [
        ("100 B", &samples.small_result),
        ("100 KB", &samples.large_result),
    ] {
        let mut group = criterion.benchmark_group(format!("a result of {size}"));
        group.throughput(Throughput::Bytes(result.len().try_into()?));
        group.bench_function("write it for the client", |bencher| {
            bencher.iter(|| write_result(&id, black_box(result)));
        });
        group.bench_function("leave a member out while it arrives", |bencher| {
            bencher.iter_batched(
                || Editing::new(without_type()),
                |mut editing| {
                    let chunks = result.chunks(CHUNK_BYTES).map(|it| result.slice_ref(it));
                    chunks.map(|it| editing.feed(&it).len()).sum::<usize>()
                },
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
    Ok(())
}

/// What is done with the lists of three backends of 100 tools each.
fn lists(criterion: &mut Criterion, samples: &Samples) -> Result<(), Box<dyn Error>> {
    let list: &Bytes = &samples.list;
    let page = Page::read(Shelf::Tools, list)?;
    let mut group = criterion.benchmark_group("lists of 3 × 100 tools");
    group.bench_function("read one", |bencher| {
        bencher.iter(|| Page::read(Shelf::Tools, black_box(list)).map(|it| it.items.len()));
    });
    group.bench_function("merge them", |bencher| {
        bencher.iter(|| {
            let lists = samples
                .backends
                .iter()
                .map(|it| (it, page.items.as_slice()));
            merge::list(Shelf::Tools, lists, (Naming::Auto, Spelling::Dot))
        });
    });
    group.finish();
    Ok(())
}

/// What a legacy client is not told of a modern result.
fn without_type() -> Edit {
    Edit {
        leave_out: &[("resultType", Some("\"complete\""))],
        complete: Vec::new(),
    }
}
