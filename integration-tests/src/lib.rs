#![doc = include_str!("../README.md")]

pub mod browser;
pub mod demo;
pub mod fake_rack;
pub mod fake_region;
pub mod lab;
pub mod link_bench;
pub mod page_bench;
