pub mod apply;
pub mod attach;
pub mod net;
pub mod scope;
pub mod services;
pub mod store;
