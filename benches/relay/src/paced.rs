//! Writes at a rate that nothing slows down, each timed from the moment that it was meant for.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use crate::backend::{content_length, end_of_head};

/// How long an answer may take before its request counts as failed.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Args, Clone)]
pub(crate) struct Wanted {
    #[arg(long)]
    to: SocketAddr,
    #[arg(long, default_value_t = 1000)]
    connections: u64,
    /// All connections together, a second.
    #[arg(long, default_value_t = 2000)]
    rate: u64,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds before that, which aren't counted.
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
    /// Bytes of a body.
    #[arg(long, default_value_t = 4096)]
    size: usize,
    /// Of so many requests one is left alone: its client closes as soon as it is sent, and comes back. 0: none.
    #[arg(long, default_value_t = 0)]
    cut_off: u64,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    micros: Vec<u64>,
    sent: u64,
    cut_off: u64,
    failures: Vec<String>,
}

/// Prints what was sent and what came of it, and percentiles in microseconds.
pub(crate) async fn measure(wanted: Wanted) -> anyhow::Result<()> {
    let mut clients = Vec::new();
    while (clients.len() as u64) < wanted.connections {
        clients.push(connect(wanted.to).await?);
    }
    let begin = Instant::now() + Duration::from_millis(200);
    let running: Vec<_> = clients
        .into_iter()
        .zip(0..)
        .map(|(client, number)| tokio::spawn(write(wanted.clone(), client, number, begin)))
        .collect();
    let mut all = Histogram::<u64>::new(3)?;
    let (mut sent, mut cut_off, mut failures) = (0, 0, Vec::new());
    for task in running {
        let seen = task.await?;
        sent += seen.sent;
        cut_off += seen.cut_off;
        failures.extend(seen.failures);
        for micros in seen.micros {
            all.record(micros)?;
        }
    }
    let told = serde_json::json!({
        "sent": sent, "answered": sent - cut_off - failures.len() as u64, "cut_off": cut_off,
        "failed": failures.len(), "first_failure": failures.first(),
        "p50_us": all.value_at_quantile(0.5), "p99_us": all.value_at_quantile(0.99),
        "p999_us": all.value_at_quantile(0.999), "max_us": all.max(),
    });
    println!("{told}");
    Ok(())
}

async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let client = TcpStream::connect(to).await?;
    client.set_nodelay(true)?;
    Ok(client)
}

async fn write(wanted: Wanted, mut client: TcpStream, connection: u64, begin: Instant) -> Seen {
    let mut request = format!(
        "POST /bench/_doc HTTP/1.1\r\nhost: bench\r\ncontent-length: {}\r\n\r\n",
        wanted.size
    );
    request.extend(std::iter::repeat_n('x', wanted.size));
    let counted = begin + Duration::from_secs(wanted.warm_up);
    let all = wanted.rate * (wanted.warm_up + wanted.seconds);
    let (mut seen, mut answer) = (Seen::default(), Vec::new());
    for number in (connection..all).step_by(wanted.connections as usize) {
        let moment = begin + Duration::from_nanos(number * 1_000_000_000 / wanted.rate);
        sleep_until(moment).await;
        seen.sent += 1;
        // Not always the same connections.
        let is_cut = wanted.cut_off > 0
            && (number + number / wanted.connections).is_multiple_of(wanted.cut_off);
        let mut is_gone = false;
        let outcome = match is_cut {
            true => client.write_all(request.as_bytes()).await,
            false => exchange(&mut client, request.as_bytes(), &mut answer).await,
        };
        match outcome {
            Ok(()) if is_cut => {
                is_gone = true;
                seen.cut_off += 1;
            }
            Ok(()) if moment >= counted => seen.micros.push(moment.elapsed().as_micros() as u64),
            Ok(()) => continue,
            Err(error) => {
                is_gone = true;
                seen.failures.push(error.to_string());
            }
        }
        if is_gone {
            match connect(wanted.to).await {
                Ok(another) => client = another,
                Err(error) => seen.failures.push(error.to_string()),
            }
        }
    }
    seen
}

/// Sends a request and reads its answer to the end.
async fn exchange(client: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> io::Result<()> {
    let exchanging = async {
        client.write_all(request).await?;
        answer.clear();
        loop {
            if let Some(head) = end_of_head(answer) {
                let length = head + content_length(answer.get(..head).unwrap_or_default())?;
                if answer.len() >= length {
                    break;
                }
            }
            if client.read_buf(answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        match answer.starts_with(b"HTTP/1.1 200") {
            true => Ok(()),
            false => Err(io::Error::other(String::from_utf8_lossy(answer).into_owned())),
        }
    };
    timeout(PATIENCE, exchanging).await?
}

/// As many requests at once as there are connections: all are opened, all send, all wait. Prints how many were answered.
pub(crate) async fn flood(to: SocketAddr, connections: usize, size: usize) -> anyhow::Result<()> {
    let mut clients = Vec::with_capacity(connections);
    // Each has been through to the source before the next is opened: no queue of connections overflows.
    let first = b"GET /bench/_doc/1 HTTP/1.1\r\nhost: bench\r\n\r\n";
    while clients.len() < connections {
        let mut client = connect(to).await?;
        exchange(&mut client, first, &mut Vec::new()).await?;
        clients.push(client);
    }
    println!("{{\"open\": {}}}", clients.len());
    let mut request =
        format!("POST /bench/_doc HTTP/1.1\r\nhost: bench\r\ncontent-length: {size}\r\n\r\n");
    request.extend(std::iter::repeat_n('x', size));
    let request: bytes::Bytes = request.into();
    let running: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let request = request.clone();
            tokio::spawn(async move {
                let mut answer = Vec::new();
                exchange(&mut client, &request, &mut answer).await
            })
        })
        .collect();
    let (mut answered, mut failure) = (0, None);
    for task in running {
        match task.await? {
            Ok(()) => answered += 1,
            Err(error) => failure = Some(error.to_string()),
        }
    }
    println!("{}", serde_json::json!({"answered": answered, "failure": failure}));
    Ok(())
}
