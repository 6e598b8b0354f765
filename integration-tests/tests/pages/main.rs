//! The console in a real browser, with real clients and racks behind it. Needs Chromium, which `deploy/test --only pages` brings.

mod desk;
mod inert;
mod keyboard;
mod operator;
mod outage;
mod parts;
mod scriptless;
mod tour;
