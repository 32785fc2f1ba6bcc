use proptest::prelude::*;

use super::*;

const SKEW: u64 = 5;

fn key(number: u64) -> ExchangeKey {
    ExchangeKey(number)
}

fn plain(began: u64, answered: u64, index: &str) -> Closed {
    Closed { began, answered, scope: Scope::of_index(index), role: Role::Plain }
}

fn control(began: u64, answered: u64, index: &str) -> Closed {
    Closed { role: Role::Control, ..plain(began, answered, index) }
}

fn put(order: &mut Order, number: u64, closed: Closed) {
    order.open(key(number), closed.began, None);
    order.close(key(number), closed);
}

fn ready(order: &mut Order) -> Vec<u64> {
    order.take_ready().iter().map(|ready| ready.key.0).collect()
}

#[test]
fn nothing_runs_before_the_low_water_mark() {
    let mut order = Order::new(SKEW);
    put(&mut order, 1, plain(10, 20, "a"));
    order.advance(24);
    assert!(ready(&mut order).is_empty());
    order.advance(25);
    assert_eq!(ready(&mut order), [1]);
    assert_eq!(order.pending(), 1);
    order.finished(key(1));
    assert_eq!(order.pending(), 0);
}

#[test]
fn what_is_finished_before_its_turn_holds_nobody_up() {
    let mut order = Order::new(SKEW);
    put(&mut order, 1, control(10, 20, "a"));
    put(&mut order, 2, plain(10, 21, "a"));
    put(&mut order, 3, control(10, 22, "a"));
    order.finished(key(1));
    order.advance(100);
    assert_eq!(ready(&mut order), [2]);
    order.finished(key(2));
    assert_eq!(ready(&mut order), [3]);
    order.finished(key(3));
    assert_eq!(order.pending(), 0);
}

#[test]
fn a_control_waits_and_is_waited_for() {
    let mut order = Order::new(SKEW);
    put(&mut order, 1, plain(10, 20, "a"));
    put(&mut order, 2, plain(10, 21, "b"));
    put(&mut order, 3, control(10, 30, "a"));
    put(&mut order, 4, plain(31, 40, "a"));
    put(&mut order, 5, plain(31, 41, "b"));
    order.advance(100);
    assert_eq!(ready(&mut order), [1, 2, 5]);
    assert_eq!(order.waits_for(key(3)), [key(1)]);
    assert_eq!(order.waits_for(key(4)), [key(3)]);
    order.finished(key(2));
    assert!(ready(&mut order).is_empty());
    order.finished(key(1));
    assert_eq!(ready(&mut order), [3]);
    order.finished(key(3));
    assert_eq!(ready(&mut order), [4]);
}

#[test]
fn a_reading_goes_in_front_of_a_control_whose_moment_has_not_come() {
    let mut order = Order::new(SKEW);
    put(&mut order, 1, control(10, 20, "a"));
    put(&mut order, 2, plain(21, 30, "a"));
    order.advance(100);
    assert_eq!(ready(&mut order), [1]);
    order.add_reading(key(8), Scope::of_index("a"), Role::Reading);
    assert_eq!(ready(&mut order), [8]);
    assert!(!order.begin(key(1)));
    order.finished(key(8));
    assert_eq!(ready(&mut order), [1]);
    assert!(order.begin(key(1)));
    // It has begun: what is read now waits for it.
    order.add_reading(key(9), Scope::of_index("a"), Role::Reading);
    assert!(ready(&mut order).is_empty());
    order.finished(key(1));
    assert_eq!(ready(&mut order), [2, 9]);
}

#[test]
fn what_comes_late_goes_in_front_of_later_controls_that_have_not_begun() {
    for begun in [false, true] {
        let mut order = Order::new(SKEW);
        put(&mut order, 1, control(90, 95, "a"));
        put(&mut order, 2, plain(96, 98, "a"));
        order.advance(200);
        assert_eq!(ready(&mut order), [1]);
        if begun {
            assert!(order.begin(key(1)));
        }
        // From a partition that another had read before.
        put(&mut order, 3, plain(10, 20, "a"));
        put(&mut order, 4, control(30, 40, "a"));
        assert_eq!(ready(&mut order), [3]);
        assert_eq!(order.begin(key(1)), begun);
        order.finished(key(3));
        assert_eq!(ready(&mut order), [4]);
        order.finished(key(4));
        let free = ready(&mut order);
        assert_eq!(free, if begun { Vec::new() } else { vec![1] });
        order.finished(key(1));
        assert_eq!(ready(&mut order), [2]);
    }
}

#[test]
fn answers_decide_and_not_arrival() {
    let mut order = Order::new(SKEW);
    put(&mut order, 1, control(10, 30, "*"));
    put(&mut order, 2, control(10, 20, "a"));
    order.advance(100);
    assert_eq!(ready(&mut order), [2]);
    order.finished(key(2));
    assert_eq!(ready(&mut order), [1]);
}

#[test]
fn a_write_that_overlaps_a_deletion_is_told() {
    let mut order = Order::new(SKEW);
    let deletes = || Some(Scope::of_index("a"));
    // Answered while the deletion was under way, which is known from its request alone.
    order.open(key(9), 100, deletes());
    put(&mut order, 1, plain(50, 96, "a"));
    put(&mut order, 2, plain(50, 94, "a"));
    put(&mut order, 3, plain(50, 110, "b"));
    order.advance(120);
    let told: Vec<(u64, bool)> =
        order.take_ready().iter().map(|ready| (ready.key.0, ready.overlaps_deletion)).collect();
    assert_eq!(told, [(2, false), (1, true), (3, false)]);
    for number in 1..=3 {
        order.finished(key(number));
    }
    // Begun before its answer; and after.
    order.close(key(9), control(100, 130, "a"));
    order.open(key(4), 134, None);
    order.advance(140);
    assert_eq!(ready(&mut order), [9]);
    order.finished(key(9));
    order.close(key(4), plain(134, 150, "a"));
    put(&mut order, 5, plain(136, 150, "a"));
    order.advance(200);
    let told: Vec<(u64, bool)> =
        order.take_ready().iter().map(|ready| (ready.key.0, ready.overlaps_deletion)).collect();
    assert_eq!(told, [(4, true), (5, false)]);
    order.finished(key(4));
    order.finished(key(5));
    assert!(order.deletions.is_empty());
}

#[test]
fn a_doubt_waits_for_all_that_began_before_its_answer() {
    let mut order = Order::new(SKEW);
    order.open(key(1), 10, None);
    order.open(key(2), 26, None);
    order.advance(24);
    assert!(!order.doubt_ready(20), "the mark is not past the skew");
    order.advance(30);
    assert!(!order.doubt_ready(20), "the first is open");
    order.close(key(1), plain(10, 22, "a"));
    assert!(!order.doubt_ready(20), "the first is not finished");
    order.finished(key(1));
    assert!(order.doubt_ready(20));
    assert!(!order.doubt_ready(21), "the second began within the skew");
}

#[test]
fn a_reading_keeps_its_place_among_the_controls() {
    let mut order = Order::new(SKEW);
    put(&mut order, 1, control(10, 20, "a"));
    order.advance(25);
    assert!(order.begin(key(1)));
    order.add_reading(key(2), Scope::of_index("a"), Role::Reading);
    order.add_reading(key(4), Scope::of_index("a"), Role::Reading);
    put(&mut order, 3, control(21, 30, "a"));
    order.advance(40);
    assert_eq!(ready(&mut order), [1]);
    order.finished(key(1));
    assert_eq!(ready(&mut order), [2]);
    order.finished(key(2));
    assert_eq!(ready(&mut order), [4], "one reading after the other");
    order.finished(key(4));
    assert_eq!(ready(&mut order), [3]);
}

#[derive(Clone, Debug)]
struct Captured {
    closed: Closed,
    deletes: bool,
    is_read: bool,
}

fn captured() -> impl Strategy<Value = Captured> {
    let scope = prop_oneof![
        4 => prop::sample::subsequence(vec!["a", "b", "c"], 1..=2)
            .prop_map(|names| Scope::Indices(names.into_iter().map(str::to_owned).collect())),
        1 => Just(Scope::All),
    ];
    (0..200u64, 0..60u64, scope, 0..8u8).prop_map(|(began, took, scope, kind)| Captured {
        closed: Closed {
            began,
            answered: began + took,
            scope,
            role: if kind < 3 { Role::Control } else { Role::Plain },
        },
        deletes: kind < 2,
        is_read: kind == 7,
    })
}

/// What of the journal has been read at a time: requests at their beginning, answers at their end.
fn read_until(order: &mut Order, captured: &[Captured], from: u64, until: u64) {
    for (number, exchange) in captured.iter().enumerate() {
        let number = key(number as u64);
        let closed = &exchange.closed;
        if (from..until).contains(&closed.began) && !exchange.is_read {
            order.open(number, closed.began, exchange.deletes.then(|| closed.scope.clone()));
        }
    }
    for (number, exchange) in captured.iter().enumerate() {
        if (from..until).contains(&exchange.closed.answered) {
            order.close(key(number as u64), exchange.closed.clone());
        }
    }
    order.advance(until.saturating_sub(1));
}

fn conflict(left: &Closed, right: &Closed) -> bool {
    (left.role == Role::Control || right.role == Role::Control)
        && left.scope.intersects(&right.scope)
}

fn overlaps(write: &Closed, deletion: &Closed) -> bool {
    write.scope.intersects(&deletion.scope)
        && write.began <= deletion.answered + SKEW
        && deletion.began <= write.answered + SKEW
}

proptest! {
    #[test]
    fn all_run_in_order(
        captured in prop::collection::vec(captured(), 1..40),
        steps in prop::collection::vec((1..40u64, 0..64usize, 0..4usize), 0..200),
    ) {
        let mut order = Order::new(SKEW);
        let mut read = 0;
        let mut running: Vec<usize> = Vec::new();
        let mut finished = vec![false; captured.len()];
        let mut started = vec![false; captured.len()];
        let end = (400u64, 0, 1);
        let endless = steps.into_iter().chain(std::iter::repeat_n(end, captured.len() + 1));
        for (time, choice, finishing) in endless {
            let until = read + time;
            read_until(&mut order, &captured, read, until);
            read = until;
            for now in order.take_ready() {
                let number = now.key.0 as usize;
                let this = &captured[number].closed;
                prop_assert!(!started[number], "{number} runs twice");
                prop_assert!(this.answered + SKEW < read, "before the low-water mark");
                started[number] = true;
                running.push(number);
                for (earlier, other) in captured.iter().enumerate() {
                    let before = (other.closed.answered, earlier) < (this.answered, number);
                    if before && conflict(&other.closed, this) {
                        prop_assert!(finished[earlier], "{number} runs before {earlier}");
                    }
                }
                let overlapping = this.role == Role::Plain
                    && captured.iter().any(|other| other.deletes && overlaps(this, &other.closed));
                // A read isn't opened, and leaves no doubt either.
                prop_assert!(now.overlaps_deletion == overlapping || captured[number].is_read);
            }
            for answered in (0..260).step_by(7) {
                if order.doubt_ready(answered) {
                    let older = |exchange: &Captured| {
                        !exchange.is_read && exchange.closed.began <= answered + SKEW
                    };
                    let mut all = captured.iter().zip(&finished);
                    prop_assert!(all.all(|(exchange, finished)| *finished || !older(exchange)));
                }
            }
            for _ in 0..finishing {
                if !running.is_empty() {
                    let number = running.swap_remove(choice % running.len());
                    finished[number] = true;
                    order.finished(key(number as u64));
                }
            }
        }
        prop_assert!(finished.iter().all(|finished| *finished), "a deadlock");
        prop_assert_eq!(order.pending(), 0);
        order.advance(u64::MAX);
        prop_assert!(order.deletions.is_empty() && order.began.is_empty() && order.places.is_empty());
        prop_assert!(order.doubt_ready(1_000));
    }
}
