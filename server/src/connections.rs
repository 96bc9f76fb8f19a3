//! Connections: how many there may be, altogether and from one address, and how long each may keep still. Whoever is refused is
//! told so, and `/livez` answers even when the house is full.

use crate::http::Peer;
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderValue, Request, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use http_body::Frame;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, UpDownCounter},
};
use schema::{Code, Error};
use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    io,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};
use tower::ServiceExt;

/// How many connections there may be, and how long each may keep still.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub most: usize,
    /// From one address.
    pub each: usize,
    /// The longest time that the head of a request may take to arrive.
    pub head: Duration,
    /// The longest time between two requests.
    pub idle: Duration,
    /// The longest time in which a client may take nothing of its answer.
    pub stuck: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Limits { most: 10_000, each: 10_000, head: seconds(10), idle: seconds(75), stuck: seconds(30) }
    }
}

/// Connections beyond the most, each for one short answer.
const DOOR: usize = 64;
/// The time limit for such a connection.
const CURT: Duration = Duration::from_secs(2);
/// The descriptors that are left for files, servers and the database.
const OTHERS: usize = 256;

/// HTTP/2: streams of one connection, resets that wait to be seen, and the size of a request's headers.
const STREAMS: u32 = 200;
const RESETS: usize = 20;
const HEADERS: u32 = 16 * 1024;

static OPEN: LazyLock<UpDownCounter<i64>> = LazyLock::new(|| {
    let meter = global::meter("hestami");
    meter.i64_up_down_counter("hestami.connections.open").with_description("Connections that are open").build()
});

static ENDED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let meter = global::meter("hestami");
    meter
        .u64_counter("hestami.connections.ended")
        .with_description("Connections that were refused or ended here, by reason")
        .build()
});

fn count(reason: &'static str) {
    ENDED.add(1, &[KeyValue::new("reason", reason)]);
}

/// As many connections as the limits and the process's descriptors allow. Takes as many descriptors as the system gives.
pub fn within_descriptors(limits: Limits) -> Limits {
    use nix::sys::resource::{Resource::RLIMIT_NOFILE, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(RLIMIT_NOFILE) else { return limits };
    let _ = setrlimit(RLIMIT_NOFILE, hard, hard);
    let allowed = getrlimit(RLIMIT_NOFILE).map_or(soft, |(soft, _)| soft);
    let room = usize::try_from(allowed).unwrap_or(usize::MAX).saturating_sub(OTHERS + DOOR).max(DOOR);
    if room < limits.most {
        tracing::warn!(connections = room, "the process may open too few files for all the connections that are set");
    }
    Limits { most: limits.most.min(room), ..limits }
}

/// Serves connections until it is told to stop, and then until those that are busy have answered.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, mut stop: watch::Receiver<bool>) -> io::Result<()> {
    let house = House { places: Arc::new(Semaphore::new(limits.most)), addresses: Arc::default() };
    let door = Arc::new(Semaphore::new(DOOR));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(problem) => {
                // Without descriptors every attempt fails; a client that left before it was let in is no problem.
                if !matches!(problem.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                    tracing::warn!(%problem, "a connection was not let in");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                continue;
            }
        };
        // The second piece of an answer must not wait until the first is acknowledged.
        if let Err(problem) = stream.set_nodelay(true) {
            tracing::debug!(%problem, "a connection keeps its delay");
        }
        match house.place(address.ip(), limits.each) {
            Ok(place) => {
                let connection = Connection::new(stream, limits, Some(place));
                tokio::spawn(connection.run(router.clone(), graceful.watcher()));
            }
            Err(reason) => {
                count(reason);
                // Who finds not even room at the door is cut off.
                if let Ok(permit) = Arc::clone(&door).try_acquire_owned() {
                    tokio::spawn(refuse(stream, reason, permit));
                }
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}

/// Answers one request of a connection for which there is no room.
async fn refuse(stream: TcpStream, reason: &'static str, _permit: OwnedSemaphorePermit) {
    let curt = Router::new()
        .route("/livez", axum::routing::get(crate::http::alive))
        .fallback(move || async move {
            let message = match reason {
                "address" => "There are as many connections from this address as there may be; close one, or try again later.",
                _ => "There are as many connections as there may be; try again later.",
            };
            let mut response = surface::refusal(&Error::new(Code::UNAVAILABLE).message(message));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            response
        })
        .layer(axum::middleware::map_response(|mut response: Response| async move {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }));
    let limits = Limits { head: CURT, idle: CURT, stuck: CURT, ..Limits::default() };
    // It is told to stop by nobody, as long as this is held.
    let alone = GracefulShutdown::new();
    let connection = Connection::new(stream, limits, None).run(curt, alone.watcher());
    let _ = tokio::time::timeout(2 * CURT, connection).await;
}

/// The places for connections.
struct House {
    places: Arc<Semaphore>,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection's place, until this is dropped.
struct Place {
    address: IpAddr,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _permit: OwnedSemaphorePermit,
}

/// The network that an address stands for: whoever has one address of IPv6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

impl House {
    /// A place for one more from an address. The error is the reason why there is none.
    fn place(&self, address: IpAddr, each: usize) -> Result<Place, &'static str> {
        let _permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| "full")?;
        let network = network(address);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let there = addresses.entry(network).or_default();
        if *there >= each {
            return Err("address");
        }
        *there += 1;
        OPEN.add(1, &[]);
        Ok(Place { address, addresses: Arc::clone(&self.addresses), _permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        OPEN.add(-1, &[]);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = addresses.get_mut(&network(self.address)) {
            *there -= 1;
            if *there == 0 {
                addresses.remove(&network(self.address));
            }
        }
    }
}

/// The state of a connection, as far as its time limits go by it.
struct State {
    /// Requests whose answers are not at their end.
    serving: usize,
    /// The time since which it waits for a request.
    since: Instant,
    /// The time when the head of a request began to arrive.
    begun: Option<Instant>,
    /// The time since which the client takes nothing.
    stuck: Option<Instant>,
    /// The times by which pieces of answers are to be taken, by the answer. Over HTTP/2 a client takes each at its own pace.
    offers: BTreeMap<u64, Instant>,
    /// The number of the next answer.
    next: u64,
    /// Whether it speaks HTTP/2, whose frames need not be requests.
    two: bool,
}

#[derive(Clone)]
struct Seen(Arc<Mutex<State>>);

impl Seen {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time by which something must happen, and the name of its absence.
    fn due(&self, limits: &Limits) -> Option<(Instant, &'static str)> {
        let state = self.state();
        let offered = state.offers.values().min().copied();
        let stuck = state.stuck.map(|stuck| stuck + limits.stuck);
        if let Some(due) = offered.into_iter().chain(stuck).min() {
            return Some((due, "stuck"));
        }
        match state.begun {
            _ if state.serving > 0 => None,
            Some(begun) if !state.two => Some((begun + limits.head, "head")),
            _ => Some((state.since + limits.idle, "idle")),
        }
    }

    fn serve(&self, version: Version) -> Serving {
        let mut state = self.state();
        state.two |= version == Version::HTTP_2;
        state.serving += 1;
        state.begun = None;
        drop(state);
        Serving(self.clone())
    }
}

/// A request, until its answer is at its end.
struct Serving(Seen);

impl Drop for Serving {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.serving -= 1;
        state.begun = None;
        state.since = Instant::now();
    }
}

struct Connection {
    stream: Watched,
    seen: Seen,
    limits: Limits,
}

impl Connection {
    fn new(stream: TcpStream, limits: Limits, place: Option<Place>) -> Connection {
        let state =
            State { serving: 0, since: Instant::now(), begun: None, stuck: None, two: false, offers: BTreeMap::new(), next: 0 };
        let seen = Seen(Arc::new(Mutex::new(state)));
        Connection { stream: Watched { stream, seen: seen.clone(), place }, seen, limits }
    }

    async fn run(self, router: Router, graceful: hyper_util::server::graceful::Watcher) {
        let Connection { stream, seen, limits } = self;
        let peer = stream.place.as_ref().map(|place| place.address);
        let serving = seen.clone();
        let service = tower::service_fn(move |request: Request<hyper::body::Incoming>| {
            let serving = serving.serve(request.version());
            let mut request = request.map(Body::new);
            if let Some(peer) = peer {
                request.extensions_mut().insert(Peer(peer));
            }
            let answer = router.clone().oneshot(request);
            async move {
                let answer: Response = answer.await.unwrap_or_else(|never: Infallible| match never {});
                // An upgraded connection is no longer this one's.
                if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                    return Ok(answer);
                }
                Ok::<_, Infallible>(answer.map(|body| Body::new(Held::new(body, serving, limits.stuck))).into_response())
            }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        // The limits above tell a slow head from an idle connection.
        builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .keep_alive_timeout(Duration::from_secs(20))
            .max_concurrent_streams(STREAMS)
            .max_pending_accept_reset_streams(RESETS)
            .max_header_list_size(HEADERS);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = std::pin::pin!(graceful.watch(connection));
        loop {
            // Looked at again before the shortest of the limits can pass: a head may begin at any moment.
            let soon = Instant::now() + limits.head.min(limits.idle).min(limits.stuck);
            let at = seen.due(&limits).map_or(soon, |(at, _)| at.min(soon));
            tokio::select! {
                _ = &mut connection => return,
                () = tokio::time::sleep_until(at) => {}
            }
            if let Some((at, reason)) = seen.due(&limits)
                && at <= Instant::now()
            {
                count(reason);
                tracing::debug!(reason, "a connection was ended");
                return;
            }
        }
    }
}

/// A stream that tells when something arrives, and when nothing leaves. It keeps its place, also as a WebSocket.
struct Watched {
    stream: TcpStream,
    seen: Seen,
    place: Option<Place>,
}

impl Watched {
    fn sent(&self, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let mut state = self.seen.state();
        match &sent {
            Poll::Pending => drop(state.stuck.get_or_insert_with(Instant::now)),
            // Whoever takes a few bytes now and then is stuck still.
            Poll::Ready(Ok(bytes)) => {
                let taken = Duration::from_millis(*bytes as u64 * 1_000 / PACE);
                state.stuck = state.stuck.map(|since| since + taken).filter(|since| *since < Instant::now());
            }
            Poll::Ready(Err(_)) => state.stuck = None,
        }
        drop(state);
        sent
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let arrived = &buffer.filled()[before..];
        let mut state = self.seen.state();
        if state.serving == 0 && state.begun.is_none() && !arrived.is_empty() {
            state.begun = Some(Instant::now());
            state.two |= arrived.starts_with(b"PRI");
        }
        drop(state);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(sent)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.sent(sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A body that keeps its request served until the body is at its end, or given up. Each piece is to be taken within a time: a client
/// that takes none, or takes them too slowly, would keep all that it was answered in memory.
struct Held {
    body: Body,
    serving: Serving,
    number: u64,
    stuck: Duration,
}

/// The least pace of a client, in bytes a second.
const PACE: u64 = 8 * 1024;

impl Held {
    fn new(body: Body, serving: Serving, stuck: Duration) -> Held {
        let mut state = serving.0.state();
        let number = state.next;
        state.next += 1;
        // Until the body is asked for its first piece, the head waits.
        if !http_body::Body::is_end_stream(&body) {
            state.offers.insert(number, Instant::now() + stuck);
        }
        drop(state);
        Held { body, serving, number, stuck }
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let bytes = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        let mut state = self.serving.0.state();
        match &polled {
            // The next question comes when there is room for more.
            Poll::Ready(Some(_)) => {
                let time = self.stuck + Duration::from_secs(bytes as u64 / PACE);
                state.offers.insert(self.number, Instant::now() + time);
            }
            // It is the body that waits, not the client; or all of it was taken.
            Poll::Pending | Poll::Ready(None) => drop(state.offers.remove(&self.number)),
        }
        drop(state);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.serving.0.state().offers.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2::7"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::7"), of("2001:db8:1:3::7"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    }
}
