//! Real conversations as the first inputs of `datagrams`, so that it need not find DHCP by itself: `cargo run --example seeds -- FOLDER`.

#[path = "../../tests/support/capture.rs"]
mod capture;

use std::{env, fs, path::PathBuf};

/// Broadcast, half a minute after the one before, and a step of a transfer with it.
const WAY: u8 = 15 << 3 | 4;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(env::args_os().nth(1).expect("the folder to write to"));
    fs::create_dir_all(&folder)?;
    for capture in capture::all() {
        let from_client = capture.messages.iter().filter(|message| message.from_client);
        let seed: Vec<u8> = from_client
            .flat_map(|message| {
                let length = u16::try_from(message.payload.len()).expect("a packet");
                let [high, low] = length.to_be_bytes();
                [&[high, low, WAY], &message.payload[..]].concat()
            })
            .collect();
        fs::write(folder.join(capture.name), seed)?;
    }
    Ok(())
}
