//! Bare timers: what a replayer's schedule error is measured against.

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::{Instant, sleep_until};

/// So many tasks, each of which wakes at its own moments.
pub(crate) async fn measure(rate: u64, tasks: u64, seconds: u64) -> anyhow::Result<()> {
    let begin = Instant::now() + Duration::from_millis(200);
    let running: Vec<_> = (0..tasks.max(1))
        .map(|task| {
            tokio::spawn(async move {
                let mut late = Vec::new();
                for number in (task..rate * seconds).step_by(tasks as usize) {
                    let moment = begin + Duration::from_nanos(number * 1_000_000_000 / rate);
                    sleep_until(moment).await;
                    late.push(moment.elapsed().as_micros() as u64);
                }
                late
            })
        })
        .collect();
    let mut all = Histogram::<u64>::new(3)?;
    for task in running {
        for late in task.await? {
            all.record(late)?;
        }
    }
    let millis = |quantile| all.value_at_quantile(quantile) as f64 / 1000.0;
    let told = serde_json::json!({"count": all.len(), "p50": millis(0.5), "p99": millis(0.99), "max": millis(1.0)});
    println!("{told}");
    Ok(())
}
