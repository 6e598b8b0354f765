//! What a lease may become: the one table of its transitions.

/// Where a lease stands. An address that has no lease at all is free as well, and was never given since its range was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Held for a client that was sent an OFFER; in memory only.
    Offered,
    Bound,
    /// Given back; the address is free, and remembered for its last client.
    Released,
    /// Not renewed, or offered and not taken; free and remembered likewise.
    Expired,
    /// Found in use by somebody else; nobody gets it for a while.
    Declined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An OFFER is made to its client.
    Offer,
    /// An ACK is given to its client.
    Bind,
    /// Its client, or an operator, gives it back.
    Release,
    /// Its client found the address in use.
    Decline,
    /// Its time is over.
    TimeOut,
    /// Its client went to another server, or was offered another address.
    Withdraw,
}

/// What follows; `None` where the event means nothing and is passed over.
pub fn next(state: State, event: Event) -> Option<State> {
    use Event::{Bind, Decline, Offer, Release, TimeOut, Withdraw};
    use State::{Bound, Declined, Expired, Offered, Released};
    match (state, event) {
        (Offered | Released | Expired, Offer) => Some(Offered),
        // a client that asks anew while it holds a lease is offered that lease, which goes on as it is
        (Bound, Offer) => Some(Bound),
        (Offered | Bound | Released | Expired, Bind) => Some(Bound),
        (Bound | Declined, Release) => Some(Released),
        (Bound, Decline) => Some(Declined),
        (Offered | Bound | Declined, TimeOut) => Some(Expired),
        (Offered, Withdraw) => Some(Expired),
        (Declined, Offer | Bind | Decline | Withdraw)
        | (Offered, Release | Decline)
        | (Bound, Withdraw)
        | (Released | Expired, Release | Decline | TimeOut | Withdraw) => None,
    }
}

/// Whether the lease log and region must know. An offer promises nothing, neither does its end.
pub fn is_recorded(from: State, to: State) -> bool {
    match to {
        State::Offered => false,
        State::Expired => from != State::Offered,
        State::Bound | State::Released | State::Declined => true,
    }
}

impl State {
    pub const ALL: [Self; 5] =
        [Self::Offered, Self::Bound, Self::Released, Self::Expired, Self::Declined];

    /// Its number in the lease log; never used again for another state.
    pub fn code(self) -> u8 {
        match self {
            Self::Offered => 1,
            Self::Bound => 2,
            Self::Released => 3,
            Self::Declined => 4,
            Self::Expired => 5,
        }
    }

    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// Whether the address may go to somebody else.
    pub fn is_ended(self) -> bool {
        match self {
            Self::Released | Self::Expired => true,
            Self::Offered | Self::Bound | Self::Declined => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_states() {
        use Event::{Bind, Decline, Offer, Release, TimeOut, Withdraw};
        let events = [Offer, Bind, Release, Decline, TimeOut, Withdraw];
        // a star: it is recorded
        let rows = [
            (State::Offered, "Offered Bound* - - Expired Expired"),
            (State::Bound, "Bound* Bound* Released* Declined* Expired* -"),
            (State::Released, "Offered Bound* - - - -"),
            (State::Expired, "Offered Bound* - - - -"),
            (State::Declined, "- - Released* - Expired* -"),
        ];
        for (from, expected) in rows {
            let show = |event| match next(from, event) {
                Some(to) if is_recorded(from, to) => format!("{to:?}*"),
                Some(to) => format!("{to:?}"),
                None => "-".into(),
            };
            assert_eq!(events.map(show).join(" "), expected, "{from:?}");
        }
    }

    #[test]
    fn a_state_is_read_back_from_the_log() {
        for state in State::ALL {
            assert_eq!(State::from_code(state.code()), Some(state));
        }
        assert_eq!((State::from_code(0), State::from_code(6)), (None, None));
    }
}
