//! What a durable append costs by itself: nothing else is in the way.

use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use hdrhistogram::Histogram;
use journal::{AppendError, AppendSettings, Appender, JournalUrl, Urgency};

/// A tenth of the appends come first and don't count.
pub(crate) fn measure(url: &JournalUrl, size: usize, count: u64) -> anyhow::Result<()> {
    let journal = Appender::open(url, &AppendSettings::default())?;
    let lane = journal.lane("append-alone");
    let record = Bytes::from(vec![b'x'; size]);
    let mut took = Histogram::<u64>::new(3)?;
    crate::runtime(1)?.block_on(async {
        let warm_up = count / 10;
        for number in 1..=warm_up + count {
            let began = Instant::now();
            loop {
                match journal.append(&lane, number, record.clone(), Urgency::Held) {
                    Ok(()) => break,
                    Err(AppendError::Full(_)) => journal.room().await,
                    Err(error) => return Err(error.into()),
                }
            }
            lane.durable().reached(number).await?;
            if number > warm_up {
                took.record(began.elapsed().as_nanos() as u64)?;
            }
        }
        anyhow::Ok(())
    })?;
    let left = journal.close(Duration::from_secs(10));
    anyhow::ensure!(left == 0, "{left} bytes did not become durable");
    let micros = |quantile: f64| took.value_at_quantile(quantile) as f64 / 1e3;
    let answer = serde_json::json!({
        "count": took.len(), "size": size,
        "p50_us": micros(0.5), "p99_us": micros(0.99), "p999_us": micros(0.999),
    });
    println!("{}", serde_json::to_string(&answer).context("as JSON")?);
    Ok(())
}
