//! A real rack against a region that says what the test wants: what crosses the link, in which order, and what is said again.

mod enrolment;
mod facts;
mod scopes;
mod stage;
