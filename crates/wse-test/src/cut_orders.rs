//! The cuts that a test has ordered and that have not happened yet. It cuts nothing.

use crate::settings::Direction;
use std::{fmt, panic::Location};

/// A cut that a test has ordered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CutOrder {
    /// `None`: one connection of all has to be cut.
    pub(crate) number: Option<u64>,
    pub(crate) direction: Option<Direction>,
    /// The method that ordered it.
    pub(crate) what: &'static str,
    /// Where in the test.
    pub(crate) place: &'static Location<'static>,
}

/// The cuts that have to happen yet, at most one for each connection and direction.
#[derive(Debug, Default)]
pub(crate) struct CutOrders(Vec<CutOrder>);

impl CutOrders {
    /// Adds one, in the place of an earlier one for the same.
    pub(crate) fn add(&mut self, order: CutOrder) {
        self.0.retain(|other| (other.number, other.direction) != (order.number, order.direction));
        self.0.push(order);
    }

    /// Notes that this connection was cut.
    pub(crate) fn done(&mut self, number: u64) {
        self.0.retain(|order| order.number.is_some_and(|ordered| ordered != number));
    }

    /// Takes back those for a connection and a direction, or for all of them.
    pub(crate) fn take_back(&mut self, number: Option<u64>, direction: Option<Direction>) {
        self.0.retain(|order| {
            let other_connection = number.is_some() && order.number != number;
            let other_direction = direction.is_some() && order.direction != direction;
            other_connection || other_direction
        });
    }

    /// What did not happen; `None` when everything has.
    pub(crate) fn undone(&self) -> Option<String> {
        let undone = self.0.iter().map(ToString::to_string).collect::<Vec<_>>();
        (!undone.is_empty()).then(|| format!("a cut that was ordered did not happen: {}", undone.join("; ")))
    }
}

impl fmt::Display for CutOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, place, .. } = self;
        match self.number {
            Some(number) => write!(f, "`{what}` at {place} for connection {number}")?,
            None => write!(f, "`{what}` at {place}")?,
        }
        match self.direction {
            Some(Direction::ToServer) => f.write_str(", to the server"),
            Some(Direction::ToClient) => f.write_str(", to the client"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(number: Option<u64>, direction: Option<Direction>) -> CutOrder {
        CutOrder { number, direction, what: "cut_after()", place: Location::caller() }
    }

    #[test]
    fn a_cut_of_one_connection_is_done_by_that_one_and_a_cut_of_all_by_any() {
        let mut orders = CutOrders::default();
        orders.add(order(Some(1), None));
        orders.add(order(None, None));
        orders.done(2);
        assert!(orders.undone().unwrap().contains("for connection 1"), "{orders:?}");
        orders.done(1);
        assert_eq!(orders.undone(), None);
    }

    #[test]
    fn healing_takes_back_what_it_heals() {
        let mut orders = CutOrders::default();
        for number in [1, 2] {
            orders.add(order(Some(number), Some(Direction::ToServer)));
        }
        orders.take_back(Some(1), Some(Direction::ToClient));
        orders.take_back(Some(1), None);
        let undone = orders.undone().unwrap();
        assert!(undone.contains("connection 2, to the server") && !undone.contains("connection 1"), "{undone}");
        orders.take_back(None, Some(Direction::ToServer));
        assert_eq!(orders.undone(), None);
    }
}
