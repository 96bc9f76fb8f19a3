//! Metrics of the relay: its lag, and the rows that it wrote.

use opentelemetry::{
    global,
    metrics::{Counter, Gauge},
};
use std::sync::LazyLock;

struct Instruments {
    lag: Gauge<f64>,
    relayed: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = global::meter("hestami");
    Instruments {
        lag: meter
            .f64_gauge("hestami.relay.lag")
            .with_unit("s")
            .with_description("How old the oldest event was that the last round of the relay wrote; 0 if there was none")
            .build(),
        relayed: meter.u64_counter("hestami.relay.rows").with_description("Rows written into feeds").build(),
    }
});

pub(crate) fn relayed(rows: u64, lag: f64) {
    INSTRUMENTS.lag.record(lag, &[]);
    if rows > 0 {
        INSTRUMENTS.relayed.add(rows, &[]);
    }
}
