//! The metrics of the waist.

use crate::{Answer, OperationState, Result};
use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram},
};
use std::{sync::LazyLock, time::Duration};

struct Instruments {
    operations: Counter<u64>,
    duration: Histogram<f64>,
}

/// The upper bounds of the buckets of durations, in seconds.
pub const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = global::meter("hestami");
    Instruments {
        operations: meter
            .u64_counter("hestami.operations")
            .with_description("Mutations answered, by procedure and how they ended")
            .build(),
        duration: meter
            .f64_histogram("hestami.operation.duration")
            .with_unit("s")
            .with_description("From accepting a mutation to its answer")
            .with_boundaries(SECONDS.to_vec())
            .build(),
    }
});

pub(crate) fn operation<T>(procedure: &'static str, answer: &Result<Answer<T>>, took: Duration) {
    let ended = match answer {
        Ok(answer) if answer.replayed => "REPLAYED",
        Ok(answer) if answer.operation.state == OperationState::Running => "RUNNING",
        Ok(_) => "COMPLETED",
        Err(error) => error.code().as_str(),
    };
    let labels = [KeyValue::new("procedure", procedure), KeyValue::new("ended", ended)];
    INSTRUMENTS.operations.add(1, &labels);
    INSTRUMENTS.duration.record(took.as_secs_f64(), &labels[..1]);
}
