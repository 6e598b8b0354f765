//! How many clients a server of boot files has at once.

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) in_all: usize,
    pub(super) per_client: usize,
}
