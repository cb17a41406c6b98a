//! Packets through the server, sealed and opened.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::seal::{Seal, SecretKey};

const ROOM: &str = "demo";

/// Both ends of one pair.
fn pair() -> [Seal; 2] {
    let keys = [SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32])];
    let ids = [PeerId([1; 16]), PeerId([2; 16])];
    [(0, 1), (1, 0)].map(|(mine, theirs)| {
        Seal::new(&keys[mine], ids[mine], &keys[theirs].public(), ids[theirs], ROOM, None)
            .expect("an honest key")
    })
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal");
    for (name, len) in [("100 B", 100), ("16 KiB", 16 * 1024)] {
        let plain = vec![7; len];
        let [mut here, mut there] = pair();
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("{name} sealed"), |bencher| {
            bencher.iter(|| here.seal(black_box(&plain)));
        });
        // None is opened twice, so each needs one of its own.
        group.bench_function(format!("{name} opened"), |bencher| {
            bencher.iter_batched(
                || here.seal(&plain),
                |packet| there.open(black_box(&packet)).expect("what the other end sealed"),
                BatchSize::SmallInput,
            );
        });
    }

    let key = SecretKey::from_bytes([1; 32]);
    let theirs = SecretKey::from_bytes([2; 32]).public();
    group.throughput(Throughput::Elements(1));
    group.bench_function("keys agreed on", |bencher| {
        bencher.iter(|| Seal::new(black_box(&key), PeerId([1; 16]), &theirs, PeerId([2; 16]), ROOM, None));
    });
    group.finish();
}
