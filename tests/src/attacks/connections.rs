//! Connections without an end, and more of them than there is room for.

use crate::harness::{Options, Process, Socket, World, person, until, until_or};
use serde_json::json;
use server::connections::Limits;
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const SHORT: Duration = Duration::from_millis(400);

async fn world(limits: Limits) -> World {
    World::with(Options { doors: limits, ..Options::default() }).await
}

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.app.address).await.expect("a connection")
}

/// Waits for the server to end a connection.
async fn ended(mut stream: TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut heard)).await;
    // A reset is an end, too.
    let _ = read.expect("the server ends the connection");
    heard
}

/// Whether the server ends a connection within a time.
async fn ends_within(stream: &mut TcpStream, time: Duration) -> bool {
    matches!(timeout(time, stream.read(&mut [0; 64])).await, Ok(Ok(0) | Err(_)))
}

/// An answer to one request, as text.
async fn asked(stream: &mut TcpStream, path: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.expect("sent");
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&heard).contains('}') {
        let read = timeout(Duration::from_secs(10), stream.read(&mut piece)).await.expect("an answer in time").unwrap_or(0);
        if read == 0 {
            break;
        }
        heard.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn a_connection_that_asks_nothing_ends() {
    // A head has its own limit, far below that of an idle connection.
    let patient = self::world(Limits { head: SHORT, idle: Duration::from_secs(300), ..Limits::default() }).await;
    for beginning in ["GET / HT", "GET / HTTP/1.1\r\nX:"] {
        let mut stream = connect(&patient).await;
        stream.write_all(beginning.as_bytes()).await.expect("sent");
        ended(stream).await;
        let mut stream = connect(&patient).await;
        assert!(asked(&mut stream, "/livez").await.starts_with("HTTP/1.1 200"));
        stream.write_all(beginning.as_bytes()).await.expect("sent");
        ended(stream).await;
    }
    // An idle connection has more time than a head.
    let mut stream = connect(&patient).await;
    for _ in 0..2 {
        assert!(asked(&mut stream, "/livez").await.starts_with("HTTP/1.1 200"));
        assert!(!ends_within(&mut stream, 2 * SHORT).await, "it is kept between two requests");
    }
    let world = world(Limits { head: SHORT, idle: 2 * SHORT, ..Limits::default() }).await;
    for beginning in ["", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = connect(&world).await;
        stream.write_all(beginning.as_bytes()).await.expect("sent");
        ended(stream).await;
    }
    // A line now and then does not keep it.
    let mut stream = connect(&world).await;
    stream.write_all(b"GET /livez HTTP/1.1\r\n").await.expect("sent");
    let began = Instant::now();
    let mut lines = 0;
    while stream.write_all(b"x-more: 1\r\n").await.is_ok() && !ends_within(&mut stream, SHORT / 8).await {
        lines += 1;
        assert!(began.elapsed() < Duration::from_secs(20), "{lines} lines, and no end");
    }
    // Nor does a request that was answered.
    let mut stream = connect(&world).await;
    assert!(asked(&mut stream, "/livez").await.starts_with("HTTP/1.1 200"));
    ended(stream).await;
}

#[tokio::test]
async fn a_connection_that_is_served_stays() {
    let world = World::new().await;
    let impatient = Limits { head: SHORT, idle: SHORT, ..Limits::default() };
    let hasty = world.replica(Options { doors: impatient, ..Options::default() }).await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let mut socket = Socket::open(&hasty.url(), &olga, Some(home), None).await.expect("a connection");
    socket.subscribe("s", "subscription { propertyChanged { property { id } } }", json!({})).await;
    socket.standing().await;
    socket.quiet(4 * SHORT).await;
    let id = world.create_property(&olga, home, "1").await["id"].clone();
    assert_eq!(socket.next().await["property"]["id"], id);
}

#[tokio::test]
async fn a_full_house_says_so_and_lives() {
    let world = World::new().await;
    let limits = [("HESTAMI_CONNECTIONS", "64"), ("HESTAMI_CONNECTIONS_PER_ADDRESS", "8")];
    let process = Process::serve(&world, &limits).await;
    let address = process.url.trim_start_matches("http://").to_owned();
    let connect = async || TcpStream::connect(&address).await.expect("a connection");
    let mut held = Vec::new();
    until_or("no room for one more", &mut String::new(), async |told| {
        let mut stream = connect().await;
        let answer = asked(&mut stream, "/").await;
        *told = format!("{} are in: {answer}", held.len());
        if answer.starts_with("HTTP/1.1 503") {
            assert!(answer.contains("from this address"), "{answer}");
            assert!(answer.contains("\"UNAVAILABLE\"") && answer.contains("retry-after"), "{answer}");
            return Some(());
        }
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        held.push(stream);
        None
    })
    .await;
    assert_eq!(held.len(), 8);
    for _ in 0..3 {
        assert!(asked(&mut connect().await, "/livez").await.starts_with("HTTP/1.1 200"));
    }
    drop(held);
    until("room again", async || asked(&mut connect().await, "/").await.starts_with("HTTP/1.1 200").then_some(())).await;
    let metrics = metrics(&process).await;
    assert!(metrics.contains("reason=\"address\""), "the refused are counted");
    process.kill().await;
}

async fn metrics(process: &Process) -> String {
    let metrics = reqwest::get(format!("{}/metrics", process.operators)).await.expect("metrics");
    metrics.text().await.expect("text")
}

/// A token is looked at before a body is waited for.
#[tokio::test]
async fn a_body_without_a_token_is_not_waited_for() {
    let world = World::new().await;
    for path in ["/graphql", "/api/v1/rpc/property/v1/list"] {
        let mut stream = connect(&world).await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{{");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut piece = vec![0; 4096];
        let read =
            timeout(Duration::from_secs(5), stream.read(&mut piece)).await.expect("an answer before the body").expect("read");
        let answer = String::from_utf8_lossy(&piece[..read]).into_owned();
        assert!(answer.contains("AUTHENTICATION_REQUIRED"), "{path}: {answer}");
    }
}

/// A method that nobody knows is no series of its own.
#[tokio::test]
async fn strange_methods_are_one_series() {
    let world = World::new().await;
    let process = Process::serve(&world, &[]).await;
    for n in 0..50 {
        let method = reqwest::Method::from_bytes(format!("Z{n:04}X").as_bytes()).expect("a method");
        let answer = world.client().request(method, format!("{}/livez", process.url)).send().await.expect("an answer");
        assert_eq!(answer.status(), 405);
    }
    let metrics = metrics(&process).await;
    let strange: Vec<&str> = metrics.lines().filter(|line| line.contains("Z00")).collect();
    assert!(strange.is_empty(), "{} lines", strange.len());
    assert!(metrics.contains("http_request_method=\"_OTHER\""), "they are counted together");
    process.kill().await;
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What a connection hears while it sends, until the server ends it.
async fn flooded(world: &World, frames: impl Iterator<Item = Vec<u8>>) -> (Vec<u8>, usize) {
    let (mut reads, mut writes) = connect(world).await.into_split();
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        let _ = timeout(Duration::from_secs(30), reads.read_to_end(&mut heard)).await.expect("the server ends the connection");
        heard
    });
    let settings = frame(4, 0, 0, &[]);
    writes.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat()).await.expect("sent");
    let mut sent = 0;
    for frame in frames {
        if writes.write_all(&frame).await.is_err() {
            break;
        }
        sent += 1;
    }
    (heard.await.expect("heard"), sent)
}

/// The codes of the GOAWAY frames in these bytes.
fn goodbyes(mut heard: &[u8]) -> Vec<u32> {
    let mut codes = Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = heard {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let Some((payload, after)) = rest.split_at_checked(length) else { break };
        if let (7, [_, _, _, _, code @ ..]) = (*kind, payload)
            && let Some(code) = code.first_chunk()
        {
            codes.push(u32::from_be_bytes(*code));
        }
        heard = after;
    }
    codes
}

/// Streams that are opened and taken back, and heads that never end, end their connection; others are answered.
#[tokio::test]
async fn floods_of_http_2_end_their_connection() {
    let world = world(Limits::default()).await;
    // GET http://x/livez, as few bytes as HPACK needs.
    let head = [&[0x82, 0x86, 0x04, 6][..], b"/livez", &[0x41, 1, b'x']].concat();
    let resets = (0..100_000_u32).flat_map(|n| [frame(1, 0x5, 2 * n + 1, &head), frame(3, 0, 2 * n + 1, &8_u32.to_be_bytes())]);
    let (heard, sent) = flooded(&world, resets).await;
    assert!(goodbyes(&heard).contains(&11), "ENHANCE_YOUR_CALM, after {sent} frames: {:?}", goodbyes(&heard));
    assert!(sent < 100_000, "{sent} frames were read");
    // A head with one literal of 4 kB after the other, without an end.
    let literal = [&[0x00, 1, b'a', 0x7f, 0x81, 0x1e][..], &[b'b'; 4_000]].concat();
    let endless = std::iter::once(frame(1, 0, 1, &head)).chain(std::iter::repeat_n(frame(9, 0, 1, &literal), 50_000));
    let (heard, sent) = flooded(&world, endless).await;
    assert!(!goodbyes(&heard).is_empty() && sent < 50_000, "{:?} after {sent} frames", goodbyes(&heard));
    let answer = asked(&mut connect(&world).await, "/livez").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// An answer that is not taken ends its connection, be it that a window is shut or that nobody reads.
#[tokio::test]
async fn an_answer_that_nobody_takes_ends_its_connection() {
    let world = world(Limits { stuck: SHORT, ..Limits::default() }).await;
    let head = [&[0x82, 0x86, 0x04, 6][..], b"/livez", &[0x41, 1, b'x']].concat();
    // INITIAL_WINDOW_SIZE is 0, and stays so.
    let shut = [frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]), frame(1, 0x5, 1, &head)];
    let (heard, _) = flooded(&world, shut.into_iter()).await;
    assert!(heard.len() > 9, "the head was answered");
    // More than the buffers of both sides hold.
    let mut stream = connect(&world).await;
    let ask = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(60);
    stream.write_all(&ask).await.expect("sent");
    // Its last words lie before the end, and are not read: writing tells.
    until("an end", async || match stream.try_write(b"G") {
        Err(problem) if problem.kind() != std::io::ErrorKind::WouldBlock => Some(()),
        _ => None,
    })
    .await;
    // Whoever reads has all the time that it takes.
    let mut stream = connect(&world).await;
    stream.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("sent");
    let (mut piece, mut all) = (vec![0; 40_000], 0);
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        match stream.read(&mut piece).await.expect("more") {
            0 => break,
            read => all += read,
        }
    }
    assert!(all > 200_000, "{all}");
}

/// Answers lie in memory until they are taken: no more of one tenant's than there is room for.
#[tokio::test]
async fn large_answers_that_nobody_takes_wait_for_room() {
    let world = World::new().await;
    let (olga, ines) = (person("olga"), person("ines"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let other = world.found(&ines, "TRUST_OR_LLC").await;
    for n in 0..20 {
        let mut house = World::property(&n.to_string());
        house["notes"] = "x".repeat(9_900).into();
        world.call(&olga, home, "property/v1/create", house).await.ok();
    }
    let lists: String = (0..20).map(|n| format!("l{n}: properties(first: 20) {{ nodes {{ notes }} }} ")).collect();
    let body = json!({ "query": format!("{{ {lists} }}") }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nx-organization-id: {home}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        olga.token,
        body.len()
    );
    let mut unread = Vec::new();
    for _ in 0..14 {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a small buffer");
        let mut stream = socket.connect(world.app.address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("sent");
        unread.push(stream);
    }
    // Nobody else waits for that.
    let mut answered = 0;
    until("some answers", async || {
        world.gql(&ines, Some(other), "{ properties(first: 5) { nodes { id } } }", json!({})).await.data();
        answered = 0;
        for stream in &unread {
            answered += usize::from(timeout(Duration::from_millis(20), stream.peek(&mut [0; 1])).await.is_ok());
        }
        (answered >= 2).then_some(())
    })
    .await;
    // The others are refused after a while, in few words.
    let mut short = 0;
    for stream in &mut unread {
        let mut piece = vec![0; 300_000];
        let mut heard = Vec::new();
        while heard.len() < 100_000 {
            let Ok(Ok(read @ 1..)) = timeout(Duration::from_secs(20), stream.read(&mut piece)).await else { break };
            heard.extend_from_slice(&piece[..read]);
            let said = String::from_utf8_lossy(&heard);
            if said.contains("RATE_LIMITED") || said.contains("DEADLINE_EXCEEDED") {
                short += 1;
                break;
            }
        }
        let said = String::from_utf8_lossy(&heard[..heard.len().min(2_000)]).into_owned();
        assert!(heard.len() >= 100_000 || said.contains("RATE_LIMITED") || said.contains("DEADLINE_EXCEEDED"), "{said}");
    }
    assert!(short >= 3, "{short} of 14 were refused");
}
