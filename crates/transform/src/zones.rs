//! How many replicas a cluster takes that spreads copies evenly over its zones.

/// The fewest replicas, not fewer than `replicas`, with which each of `zones` has as many copies of a shard as the
/// others: clusters that balance replicas (`cluster.routing.allocation.awareness.balance`) refuse other numbers.
/// `zones` 0 and 1: any number will do.
pub fn replicas_for(zones: u32, replicas: u32) -> u32 {
    if zones < 2 {
        return replicas;
    }
    let copies = replicas.saturating_add(1);
    match copies.checked_next_multiple_of(zones) {
        Some(copies) => copies - 1,
        None => replicas,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_a_multiple_of_the_zones() {
        for (zones, replicas, needed) in [
            (0, 1, 1),
            (1, 0, 0),
            (2, 0, 1),
            (2, 1, 1),
            (2, 2, 3),
            (3, 0, 2),
            (3, 1, 2),
            (3, 2, 2),
            (3, 3, 5),
        ] {
            assert_eq!(replicas_for(zones, replicas), needed, "{zones} zones, {replicas} replicas");
        }
        assert_eq!(replicas_for(3, u32::MAX), u32::MAX - 1);
    }
}
