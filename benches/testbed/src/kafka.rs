//! Kafka: a [`Server`] that can be asked for topics, by two requests of Kafka's own protocol
//! (<https://kafka.apache.org/protocol>: Metadata version 5, CreateTopics version 4).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::Server;

const METADATA: (i16, i16) = (3, 5);
const CREATE_TOPICS: (i16, i16) = (19, 4);
const ANSWER_LIMIT: usize = 1 << 20;
const ALREADY_THERE: i16 = 36;

/// A broker. Everything that a [`Server`] can, and topics.
#[derive(Debug)]
pub struct Kafka(Server);

impl Kafka {
    pub(crate) fn over(server: Server) -> Self {
        Self(server)
    }

    /// `kafka://127.0.0.1:PORT/TOPIC`: the url of a journal.
    #[must_use]
    pub fn journal(&self, topic: &str) -> String {
        format!("kafka://{}/{topic}", self.addr())
    }

    /// Makes a topic and returns when its partitions have a leader; one that is there is left.
    ///
    /// # Errors
    /// When the broker refuses it or doesn't answer.
    pub async fn create_topic(&self, name: &str, partitions: i32) -> anyhow::Result<()> {
        let mut body = Vec::new();
        body.extend(1_i32.to_be_bytes());
        put_string(&mut body, name)?;
        body.extend(partitions.to_be_bytes());
        body.extend(1_i16.to_be_bytes()); // copies
        body.extend([0; 8]); // no assignments, no settings
        body.extend(30_000_i32.to_be_bytes()); // it may take 30 s
        body.push(0); // do it, don't only check
        let answer = ask(self.addr(), CREATE_TOPICS, &body).await?;
        let mut answer = Reader(&answer);
        answer.skip(8)?; // throttle time, number of topics
        answer.string()?;
        let code = answer.i16()?;
        ensure!(code == 0 || code == ALREADY_THERE, "topic {name} was refused: error {code}");
        let ready = async {
            while self.leaders(name).await?.len() != usize::try_from(partitions)? {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(Duration::from_secs(30), ready)
            .await
            .with_context(|| format!("topic {name} has no leaders after 30 s"))?
    }
}

impl Kafka {
    /// By partition: the broker that leads it. Partitions without a leader are left out.
    ///
    /// # Errors
    /// When the broker doesn't answer.
    pub async fn leaders(&self, topic: &str) -> anyhow::Result<BTreeMap<i32, i32>> {
        leaders(self.addr(), topic).await
    }
}

impl Deref for Kafka {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.0
    }
}

/// `Some` when a broker answers there that is registered and belongs to this cluster.
pub(crate) async fn is_ready(addr: SocketAddr, cluster: &str) -> Option<()> {
    let body = [0, 0, 0, 0, 0]; // no topics, make none
    let answer = ask(addr, METADATA, &body).await.ok()?;
    let mut answer = Reader(&answer);
    let brokers = skip_to_cluster(&mut answer).ok()?;
    (brokers > 0 && answer.string().ok()? == cluster).then_some(())
}

async fn leaders(addr: SocketAddr, topic: &str) -> anyhow::Result<BTreeMap<i32, i32>> {
    let mut body = Vec::from(1_i32.to_be_bytes());
    put_string(&mut body, topic)?;
    body.push(0); // make none
    let answer = ask(addr, METADATA, &body).await?;
    let mut answer = Reader(&answer);
    skip_to_cluster(&mut answer)?;
    answer.string()?;
    answer.skip(4 + 4 + 2)?; // controller, number of topics, error
    answer.string()?;
    answer.skip(1)?; // internal
    let mut leaders = BTreeMap::new();
    for _ in 0..answer.i32()? {
        let error = answer.i16()?;
        let partition = answer.i32()?;
        let leader = answer.i32()?;
        for _ in 0..3 {
            let nodes = usize::try_from(answer.i32()?)?;
            answer.skip(nodes.saturating_mul(4))?; // replicas, in sync, offline
        }
        if error == 0 && leader >= 0 {
            leaders.insert(partition, leader);
        }
    }
    Ok(leaders)
}

fn skip_to_cluster(answer: &mut Reader<'_>) -> anyhow::Result<i32> {
    answer.skip(4)?; // throttle time
    let brokers = answer.i32()?;
    for _ in 0..brokers {
        answer.skip(4)?;
        answer.string()?;
        answer.skip(4)?;
        answer.string()?; // rack
    }
    Ok(brokers)
}

async fn ask(addr: SocketAddr, (key, version): (i16, i16), body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut request = Vec::new();
    request.extend(key.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(1_i32.to_be_bytes()); // correlation
    put_string(&mut request, "testbed")?;
    request.extend(body);
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_i32(i32::try_from(request.len())?).await?;
    stream.write_all(&request).await?;
    let length = usize::try_from(stream.read_i32().await?)?;
    ensure!((4..ANSWER_LIMIT).contains(&length), "an answer of {length} bytes");
    stream.read_i32().await?;
    let mut answer = vec![0; length - 4];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn put_string(out: &mut Vec<u8>, text: &str) -> anyhow::Result<()> {
    out.extend(i16::try_from(text.len())?.to_be_bytes());
    out.extend(text.as_bytes());
    Ok(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> anyhow::Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count).context("the answer is cut short")?;
        self.0 = rest;
        Ok(head)
    }

    fn skip(&mut self, count: usize) -> anyhow::Result<()> {
        self.take(count).map(drop)
    }

    fn i16(&mut self) -> anyhow::Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }

    fn i32(&mut self) -> anyhow::Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    /// A string; none is the empty one.
    fn string(&mut self) -> anyhow::Result<&'a str> {
        let length = self.i16()?;
        let length = usize::try_from(length.max(0))?;
        Ok(std::str::from_utf8(self.take(length)?)?)
    }
}
