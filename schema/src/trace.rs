//! The trace of a request, carried along into every answer, the recorded operation and recovered runs.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The values that work carries along: the attributes of every span of an operation (the organization, the actor, and the things
/// that it is about), and how many failures were logged.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    attributes: Arc<Mutex<Attributes>>,
    /// The failures that were logged along the way, and those that were not.
    failures: Arc<AtomicU32>,
}

type Attributes = Vec<(Cow<'static, str>, String)>;

/// The most failures that one request logs.
const LOGGED: u32 = 10;

tokio::task_local! {
    static CARRIED: Carried;
}

impl Carried {
    /// Runs work whose spans carry these attributes, besides those of the work around it.
    pub async fn with<T>(attributes: Vec<(&'static str, String)>, work: impl Future<Output = T>) -> T {
        let around = CARRIED.try_with(Carried::clone).unwrap_or_default();
        let carried = Carried { failures: around.failures.clone(), ..Carried::default() };
        carried.extend(around.list());
        carried.extend(attributes.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect());
        CARRIED.scope(carried, work).await
    }

    /// Takes the attributes that are carried here along into another task.
    pub fn along<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
        let carried = CARRIED.try_with(Carried::clone).unwrap_or_default();
        CARRIED.scope(carried, work)
    }

    /// Whether a failure is logged: the first ones of a request are.
    pub fn logs() -> bool {
        CARRIED.try_with(|carried| carried.failures.fetch_add(1, Ordering::Relaxed) < LOGGED).unwrap_or(true)
    }

    /// Runs a request, and says at the end how many of its failures were not logged.
    pub async fn request<T>(work: impl Future<Output = T>) -> T {
        let carried = Carried::default();
        let failures = Arc::clone(&carried.failures);
        let answer = CARRIED.scope(carried, work).await;
        let unsaid = failures.load(Ordering::Relaxed).saturating_sub(LOGGED);
        if unsaid > 0 {
            tracing::warn!(unsaid, "more of the request failed");
        }
        answer
    }

    /// Adds a thing that the operation is about, on the current span and on all that follow.
    pub fn about(kind: &str, id: uuid::Uuid) {
        let name = format!("{kind}_id");
        Span::current().set_attribute(name.clone(), id.to_string());
        let _ = CARRIED.try_with(|carried| carried.extend(vec![(name.into(), id.to_string())]));
    }

    /// The attributes for a span that begins here.
    pub fn here() -> Attributes {
        CARRIED.try_with(Carried::list).unwrap_or_default()
    }

    fn extend(&self, more: Attributes) {
        let mut all = self.attributes.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, value) in more {
            all.retain(|(known, _)| *known != name);
            all.push((name, value));
        }
    }

    fn list(&self) -> Attributes {
        self.attributes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The trace id of the current request, 32 hexadecimal digits.
pub fn current_trace_id() -> String {
    Span::current().context().span().span_context().trace_id().to_string()
}

/// The current span as a W3C `traceparent`.
pub fn traceparent() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
}

/// Hangs a span below a `traceparent` of another process or an earlier run.
pub fn continue_from(span: &Span, traceparent: &str) {
    if let Some(remote) = remote(traceparent) {
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote));
    }
}

/// Points from a span to a `traceparent` of somebody else.
pub fn link_to(span: &Span, traceparent: &str) {
    if let Some(remote) = remote(traceparent) {
        span.add_link(remote);
    }
}

fn remote(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (Some("00"), Some(trace), Some(parent), Some(flags)) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let (Ok(trace), Ok(parent), Ok(flags)) = (TraceId::from_hex(trace), SpanId::from_hex(parent), u8::from_str_radix(flags, 16))
    else {
        return None;
    };
    let remote = SpanContext::new(trace, parent, TraceFlags::new(flags), true, TraceState::default());
    remote.is_valid().then_some(remote)
}
