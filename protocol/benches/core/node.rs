//! Messages from the application at one page to the application at another, through everything the core does for them.

use criterion::{Criterion, Throughput};

use crate::pair::{Pair, Path};

/// Name, path, bytes of a message, and how many leave in one task.
const CASES: [(&str, Path, usize, u64); 6] = [
    ("direct, 100 B, one a task", Path::Direct, 100, 1),
    ("direct, 100 B, 100 a task", Path::Direct, 100, 100),
    ("direct, 16 KiB, 4 a task", Path::Direct, 16 * 1024, 4),
    ("relay, 100 B, one a task", Path::Relay, 100, 1),
    ("relay, 100 B, 100 a task", Path::Relay, 100, 100),
    ("relay, 16 KiB, 4 a task", Path::Relay, 16 * 1024, 4),
];

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("node");
    for (name, path, len, messages) in CASES {
        group.throughput(Throughput::Elements(messages));
        group.bench_function(name, |bencher| {
            let mut pair = Pair::connected(path);
            let payload = vec![7; len].into();
            bencher.iter(|| pair.carry(&payload, messages));
        });
    }
    group.finish();
}
