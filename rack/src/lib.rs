pub mod services;
pub mod store;
