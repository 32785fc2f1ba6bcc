//! What may be asked of a replay while it runs: `POST /pause`, `/resume`, `/speed?speedup=N` or `/speed?rate=N`,
//! `GET /speed`. Each answers how it goes then.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::{
    schedule::Schedule,
    settings::{Pace, pace},
};

/// The routes, beside `/livez`, `/readyz` and `/metrics`.
pub(crate) fn routes(schedule: Arc<Schedule>) -> Router {
    Router::new()
        .route("/pause", post(pause))
        .route("/resume", post(resume))
        .route("/speed", get(going).post(speed))
        .with_state(schedule)
}

async fn going(State(schedule): State<Arc<Schedule>>) -> Response {
    answer(&schedule)
}

async fn pause(State(schedule): State<Arc<Schedule>>) -> Response {
    schedule.pause();
    told(&schedule, "paused")
}

async fn resume(State(schedule): State<Arc<Schedule>>) -> Response {
    schedule.resume();
    told(&schedule, "resumed")
}

async fn speed(State(schedule): State<Arc<Schedule>>, RawQuery(query): RawQuery) -> Response {
    match wanted(query.as_deref().unwrap_or_default()) {
        Ok(pace) => {
            schedule.set(pace);
            told(&schedule, "another pace")
        }
        Err(why) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    }
}

/// The pace that a query asks for.
fn wanted(query: &str) -> Result<Pace, String> {
    let (name, number) = query.split_once('=').ok_or("say ?speedup=N or ?rate=N")?;
    let number = number.parse().map_err(|_| format!("`{number}` is no number"))?;
    let (speedup, rate) = match name {
        "speedup" => (Some(number), None),
        "rate" => (None, Some(number)),
        _ => return Err(format!("`{name}` is not known: say ?speedup=N or ?rate=N")),
    };
    pace(speedup, rate).map_err(|error| error.to_string())
}

fn told(schedule: &Schedule, what: &'static str) -> Response {
    let going = schedule.going();
    tracing::info!(paused = going.paused, speedup = going.speedup, rate = going.rate, what);
    answer(schedule)
}

fn answer(schedule: &Schedule) -> Response {
    match serde_json::to_string(&schedule.going()) {
        Ok(text) => ([("content-type", "application/json")], text + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_asked_for_by_name() {
        assert_eq!(wanted("speedup=2.5"), Ok(Pace::Speedup(2.5)));
        assert_eq!(wanted("speedup=0"), Ok(Pace::Free));
        assert_eq!(wanted("rate=100"), Ok(Pace::Rate(100.0)));
        for bad in ["", "rate", "rate=0", "rate=x", "speedup=-1", "speed=1", "speedup=NaN"] {
            assert!(wanted(bad).is_err(), "{bad}");
        }
    }
}
