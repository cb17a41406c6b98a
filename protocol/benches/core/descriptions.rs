//! Session descriptions and cards: what stands between a browser's offer at one end and its answer at the other.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use peerloom_protocol::card::Card;
use peerloom_protocol::sdp::{self, DtlsRole, SdpKind};

const OFFERS: [(&str, &str); 2] = [
    ("Chromium", include_str!("../../tests/fixtures/chromium-156-offer-joiner.sdp")),
    ("Firefox", include_str!("../../tests/fixtures/firefox-153-offer-joiner.sdp")),
];

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("descriptions");
    group.throughput(Throughput::Elements(1));
    for (browser, offer) in OFFERS {
        let card = sdp::parse_local(offer).expect("an offer of a browser");
        let bytes = card.encode();
        group.bench_function(format!("{browser} offer to card"), |bencher| {
            bencher.iter(|| sdp::parse_local(black_box(offer)).expect("as before").encode());
        });
        group.bench_function(format!("{browser} card to answer"), |bencher| {
            bencher.iter(|| {
                let card = Card::decode(black_box(&bytes)).expect("what was just written");
                sdp::write_answer(&card, DtlsRole::Server)
            });
        });
        group.bench_function(format!("{browser} offer checked"), |bencher| {
            bencher.iter(|| sdp::sanitize(SdpKind::Offer, black_box(offer)).expect("as before"));
        });
    }
    group.finish();
}
