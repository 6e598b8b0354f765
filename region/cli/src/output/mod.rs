//! What people and programs get to see.

mod screen;
mod show;
mod table;

pub(crate) use screen::Screen;
pub(crate) use show::{Form, Shape, json, plain_table};
