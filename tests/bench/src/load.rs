//! A closed loop: so many requests are in flight, each on a connection of its own, and the next begins when one is answered.

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use server::Fault;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// What came of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// Milliseconds of CPU a request: of the process that was asked, and of PostgreSQL.
    pub cpu: (f64, f64),
}

impl Figures {
    pub fn of(mut times: Vec<Duration>, took: Duration) -> Result<Figures, Fault> {
        if times.is_empty() {
            return Err("nothing was answered".into());
        }
        times.sort_unstable();
        let at = |part: usize| times[(times.len() - 1) * part / 100];
        Ok(Figures { per_second: times.len() as f64 / took.as_secs_f64(), p50: at(50), p99: at(99), cpu: (0.0, 0.0) })
    }

    /// Of two runs that framed another, the middle.
    pub fn middle(self, other: Figures) -> Figures {
        let duration = |a: Duration, b: Duration| (a + b) / 2;
        Figures {
            per_second: (self.per_second + other.per_second) / 2.0,
            p50: duration(self.p50, other.p50),
            p99: duration(self.p99, other.p99),
            cpu: ((self.cpu.0 + other.cpu.0) / 2.0, (self.cpu.1 + other.cpu.1) / 2.0),
        }
    }
}

/// Calls one after the other until the time is over, so many at once. `call`: the nth, by this worker.
pub async fn closed<W, F>(
    workers: Vec<W>,
    time: Duration,
    call: impl Fn(W, u64) -> F,
    cpu: impl Fn() -> (f64, f64),
) -> Result<Figures, Fault>
where
    F: Future<Output = Result<W, Fault>>,
{
    let (before, began) = (cpu(), Instant::now());
    let many = workers.len() as u64;
    let loops = workers.into_iter().zip(0u64..).map(|(mut worker, first)| {
        let call = &call;
        async move {
            let mut times = Vec::new();
            let mut n = first;
            while began.elapsed() < time {
                let asked = Instant::now();
                worker = call(worker, n).await?;
                times.push(asked.elapsed());
                n += many;
            }
            Ok::<_, Fault>(times)
        }
    });
    let times: Vec<Duration> = futures_util::future::try_join_all(loops).await?.concat();
    let (took, after) = (began.elapsed(), cpu());
    let each = |after: f64, before: f64| (after - before) * 1000.0 / times.len().max(1) as f64;
    let cpu = (each(after.0, before.0), each(after.1, before.1));
    Ok(Figures { cpu, ..Figures::of(times, took)? })
}

pub struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Connection, Fault> {
        Connection::over(TcpStream::connect(address).await?).await
    }

    pub async fn over(stream: TcpStream) -> Result<Connection, Fault> {
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Connection(sender))
    }

    /// So many, spread over these.
    pub async fn several(addresses: &[SocketAddr], many: usize) -> Result<Vec<Connection>, Fault> {
        let opened = (0..many).map(|k| Connection::open(addresses[k % addresses.len()]));
        futures_util::future::try_join_all(opened).await
    }

    pub async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Fault> {
        self.0.ready().await?;
        let answer = self.0.send_request(request).await?;
        Ok((answer.status(), answer.into_body().collect().await?.to_bytes()))
    }

    /// The answer. A refusal is a failure of the whole run: what is measured must be right.
    pub async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Bytes, Fault> {
        let (status, body) = self.exchange(request).await?;
        // They stand before what was answered or behind it.
        let (head, tail) = (&body[..body.len().min(64)], &body[body.len().saturating_sub(2_048)..]);
        let errors = |part: &[u8]| part.windows(9).any(|window| window == b"\"errors\":");
        if !status.is_success() || errors(head) || errors(tail) {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body[..body.len().min(500)])).into());
        }
        Ok(body)
    }
}

pub fn post(path: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Request<Full<Bytes>>, Fault> {
    let mut request = Request::post(path).header("host", "localhost").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Ok(request.body(Full::new(body))?)
}
