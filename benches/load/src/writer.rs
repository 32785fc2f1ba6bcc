//! One client of the load: its documents, its dice, and the requests that both loads are made of.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::answer::WriteAnswer;
use crate::bulk::{Action, Answer, Bulk, Write};
use crate::cities::Cities;
use crate::client::{Class, Client, Reply};
use crate::ledger::{Key, Ledger, Writers};
use crate::run::LoadSettings;

/// The index of documents with ids of the clients' own.
pub const CITIES: &str = "cities";
/// The index of documents with generated ids, and of routed ones.
pub const EVENTS: &str = "events";
/// How many documents all clients write.
const HOT: u32 = 200;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// A client at work.
#[derive(Debug)]
pub struct Writer {
    pub number: usize,
    pub client: Client,
    pub random: StdRng,
    pub cities: Cities,
    /// Cities of this client, by number: nobody else writes them.
    pub own: Vec<usize>,
    pub progress: ProgressBar,
    ledger: Arc<Mutex<Ledger>>,
    /// Some generated ids that were told, to come back to.
    generated: VecDeque<String>,
    serial: u64,
    load: &'static str,
}

impl Writer {
    /// Client `number` of the load.
    ///
    /// # Errors
    /// When the HTTP client can't be made.
    pub fn new(
        settings: &LoadSettings,
        number: usize,
        ledger: Arc<Mutex<Ledger>>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            number,
            client: Client::new(&settings.url, settings.patience)?,
            random: StdRng::seed_from_u64(
                settings.seed.wrapping_mul(1_000).wrapping_add(number as u64),
            ),
            own: (number..settings.cities.len()).step_by(settings.clients).collect(),
            cities: settings.cities.clone(),
            progress: settings.progress.clone(),
            ledger,
            generated: VecDeque::new(),
            serial: 0,
            load: settings.mix.name(),
        })
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u32) -> bool {
        self.random.random_ratio(1, times)
    }

    /// One of this client's documents.
    pub fn any_own(&mut self) -> usize {
        let place = self.random.random_range(0..self.own.len());
        self.own[place]
    }

    /// The id of a city.
    #[must_use]
    pub fn city_id(city: usize) -> String {
        format!("city-{city}")
    }

    /// A document of this city that no other write has.
    pub fn document(&mut self, city: usize) -> Value {
        let mut document = self.cities.get(city).document();
        self.serial += 1;
        document["writer"] = json!(format!("{}-{}-{}", self.load, self.number, self.serial));
        document["visits"] = json!(self.random.random_range(0..5));
        document
    }

    /// A write to a city of this client.
    #[must_use]
    pub fn to_own(city: usize, action: Action) -> Write {
        let id = Some(Self::city_id(city));
        Write { index: CITIES, id, routing: None, writers: Writers::One, action }
    }

    /// A write to a document that all clients write.
    pub fn to_hot(&mut self, action: Action) -> Write {
        let id = Some(format!("hot-{}", self.random.random_range(0..HOT)));
        Write { index: CITIES, id, routing: None, writers: Writers::Many, action }
    }

    /// A write of a new document with a generated id.
    pub fn to_generated(&mut self) -> Write {
        let city = self.random.random_range(0..self.cities.len());
        let action = Action::Index(self.document(city));
        Write { index: EVENTS, id: None, routing: None, writers: Writers::One, action }
    }

    /// A write to a routed document of this client; the route follows from the id.
    #[must_use]
    pub fn to_routed(&self, number: u32, action: Action) -> Write {
        let id = Some(format!("routed-{}-{number}", self.number));
        let routing = Some(format!("route {}", number % 7));
        Write { index: EVENTS, id, routing, writers: Writers::One, action }
    }

    /// A delete of a document whose generated id was told before.
    pub fn to_told(&mut self) -> Option<Write> {
        let id = Some(self.generated.pop_front()?);
        let action = Action::Delete;
        Some(Write { index: EVENTS, id, routing: None, writers: Writers::One, action })
    }

    /// A write to a hot document on the condition that it is still as last known.
    pub fn conditional(&mut self) -> (Write, String) {
        let city = self.any_own();
        let document = self.document(city);
        let write = self.to_hot(Action::Index(document));
        let key = Key { index: CITIES, id: write.id.clone().unwrap_or_default() };
        match self.ledger.lock().version(&key) {
            None => (write, String::new()),
            Some(version) => {
                let (term, number) = (version.primary_term, version.seq_no);
                (write, format!("if_seq_no={number}&if_primary_term={term}"))
            }
        }
    }

    /// Sends one write by itself. `query` is added to the path.
    ///
    /// # Errors
    /// When the answer is a refusal that no write of this load should meet.
    pub async fn single(&mut self, write: &Write, query: &str) -> anyhow::Result<()> {
        let (class, method, endpoint, body) = match &write.action {
            Action::Index(document) if write.id.is_none() => {
                (Class::Write, Method::POST, "_doc", Some(document))
            }
            Action::Index(document) => (Class::Write, Method::PUT, "_doc", Some(document)),
            Action::Create(document) => (Class::Write, Method::PUT, "_create", Some(document)),
            Action::Delete => (Class::Delete, Method::DELETE, "_doc", None),
            Action::Update(body) => (Class::Update, Method::POST, "_update", Some(body)),
        };
        let id = write.id.as_ref().map_or(String::new(), |id| format!("/{id}"));
        let routing = write.routing.as_ref().map(|value| format!("routing={}", escaped(value)));
        let query = [routing.as_deref().unwrap_or(""), query].join("&");
        let path = format!("/{}/{endpoint}{id}?{}", write.index, query.trim_matches('&'));
        let body = body.map(serde_json::to_vec).transpose()?.map(|body| (JSON, body));
        let reply = self.client.send(class, method, path.trim_end_matches('?'), body, 1).await?;
        self.progress.inc(1);
        let mut ledger = self.ledger.lock();
        let Reply::Answered { status, body } = reply else {
            write.unanswered(&mut ledger);
            return Ok(());
        };
        match status {
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => ledger.refuse(),
            StatusCode::BAD_REQUEST if query.contains(REFUSED) => ledger.refuse(),
            StatusCode::NOT_FOUND => {
                write.not_found(&serde_json::from_slice(&body).unwrap_or_default(), &mut ledger);
            }
            status if status.is_success() => {
                let answer: WriteAnswer =
                    serde_json::from_slice(&body).with_context(|| format!("answer to {path}"))?;
                write.acknowledged(&answer, &mut ledger)?;
                if let (None, Some(id)) = (&write.id, answer.id) {
                    self.generated.push_back(id);
                    self.generated.truncate(100);
                }
            }
            status => bail!("{path} was refused: {status} {}", String::from_utf8_lossy(&body)),
        }
        Ok(())
    }

    /// Sends several writes at once.
    ///
    /// # Errors
    /// When the answer is a refusal, or doesn't fit.
    pub async fn bulk(&mut self, bulk: &Bulk, answer: Answer) -> anyhow::Result<()> {
        let first = bulk.writes.first().map_or(CITIES, |write| write.index);
        let one_index = bulk.writes.iter().all(|write| write.index == first);
        let by_path = one_index && self.once_in(2);
        let index = if by_path { format!("/{first}") } else { String::new() };
        let path = format!("{index}/_bulk{}", answer.query());
        let body = bulk.body(!by_path)?;
        let documents = bulk.writes.len() as u64;
        let body = Some((NDJSON, body));
        let reply = self.client.send(Class::Bulk, Method::POST, &path, body, documents).await?;
        self.progress.inc(documents);
        let mut ledger = self.ledger.lock();
        match reply {
            Reply::Unanswered => {
                bulk.writes.iter().for_each(|write| write.unanswered(&mut ledger));
            }
            Reply::Answered { status, .. } if status == StatusCode::TOO_MANY_REQUESTS => {
                bulk.writes.iter().for_each(|_| ledger.refuse());
            }
            Reply::Answered { status, body } if status.is_success() => {
                bulk.record(&body, &mut ledger)?;
            }
            Reply::Answered { status, body } => {
                bail!("{path} was refused: {status} {}", String::from_utf8_lossy(&body));
            }
        }
        Ok(())
    }

    /// One request that only reads.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn read(&mut self) -> anyhow::Result<()> {
        let city = self.any_own();
        let name = self.cities.get(city).name.clone();
        let id = Self::city_id(city);
        let by_name = json!({"query": {"match": {"name": name}}, "size": 3});
        let by_country = json!({
            "query": {"term": {"country": self.cities.get(city).country}},
            "size": 0,
            "aggs": {"visits": {"avg": {"field": "visits"}}}
        });
        let (method, path, body) = match self.random.random_range(0..6) {
            0 => (Method::GET, format!("/{CITIES}/_doc/{id}"), None),
            1 => (Method::HEAD, format!("/{CITIES}/_doc/{id}"), None),
            2 => (Method::POST, format!("/{CITIES}/_search"), Some(by_name)),
            3 => (Method::GET, format!("/{CITIES},{EVENTS}/_search"), Some(by_country)),
            4 => (Method::POST, format!("/{CITIES}/_mget"), Some(json!({"ids": [id, "hot-1"]}))),
            _ => (Method::GET, format!("/{EVENTS}/_count"), None),
        };
        let body = body.as_ref().map(serde_json::to_vec).transpose()?.map(|body| (JSON, body));
        match self.client.send(Class::Read, method, &path, body, 0).await? {
            Reply::Answered { status, body }
                if !status.is_success() && status != StatusCode::NOT_FOUND =>
            {
                bail!("{path} was refused: {status} {}", String::from_utf8_lossy(&body))
            }
            _ => Ok(()),
        }
    }
}

/// Marks a request whose refusal with 400 is what it is for: a parameter that every server knows.
pub const REFUSED: &str = "error_trace=false";

fn escaped(value: &str) -> String {
    value.replace(' ', "%20")
}
