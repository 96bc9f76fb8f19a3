//! A subscriber that hides the current span from the driver. The driver enters and leaves the span that is current when a
//! statement begins, twice for each row, and every layer of telemetry follows. The driver's log events still go where they always
//! went, within the open spans.

use std::sync::LazyLock;
use tracing::{
    Dispatch, Event, Metadata, Subscriber, dispatcher,
    instrument::{WithDispatch, WithSubscriber},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};

/// Forwards to another subscriber, but reports no current span and hands out no layers. Work under it opens no spans of its own
/// that would need them.
struct Unseen {
    own: Dispatch,
    most: LevelFilter,
}

/// The hiding dispatcher over the process's own, which is set up before the first statement.
static UNSEEN: LazyLock<Dispatch> = LazyLock::new(over);

fn over() -> Dispatch {
    Dispatch::new(Unseen { own: dispatcher::get_default(Dispatch::clone), most: LevelFilter::current() })
}

/// Runs work where no span is current.
pub(crate) fn unseen<F: Future>(work: F) -> WithDispatch<F> {
    work.with_subscriber(UNSEEN.clone())
}

impl Subscriber for Unseen {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.own.register_callsite(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.own.enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.own.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.own.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.own.record_follows_from(span, follows);
    }

    fn event(&self, event: &Event<'_>) {
        self.own.event(event);
    }

    fn enter(&self, span: &Id) {
        self.own.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.own.exit(span);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.own.clone_span(id)
    }

    fn try_close(&self, id: Id) -> bool {
        self.own.try_close(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };
    use tracing::Span;
    use tracing_subscriber::{
        Layer,
        layer::{Context, SubscriberExt},
    };

    #[derive(Default)]
    struct Counts {
        entered: AtomicU32,
        events: AtomicU32,
    }

    struct Counting(Arc<Counts>);

    impl<S: Subscriber> Layer<S> for Counting {
        fn on_enter(&self, _: &Id, _: Context<'_, S>) {
            self.0.entered.fetch_add(1, Ordering::Relaxed);
        }

        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.events.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_span_is_unseen_and_events_are_not() {
        let counts = Arc::new(Counts::default());
        let subscriber = tracing_subscriber::registry().with(Counting(Arc::clone(&counts)));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("a request");
            let _within = span.enter();
            assert!(!Span::current().is_none());
            let work = async {
                assert!(Span::current().is_none());
                tracing::warn!("a slow statement");
            };
            assert!(work.with_subscriber(over()).now_or_never().is_some());
        });
        assert_eq!((counts.entered.load(Ordering::Relaxed), counts.events.load(Ordering::Relaxed)), (1, 1));
    }
}
