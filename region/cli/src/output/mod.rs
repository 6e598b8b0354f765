//! What people and programs get to see.

pub(crate) mod events;
mod feed;
mod progress;
mod screen;
mod show;
mod table;

pub(crate) use feed::Feed;
pub(crate) use progress::{Progress, bytes};
pub(crate) use screen::{GREEN, RED, Screen, YELLOW};
pub(crate) use show::{Form, Shape, json, plain_table};
