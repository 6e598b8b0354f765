//! `hostler boot-file push`: a file to region, which goes on where an earlier push broke, and sends nothing that is there already.

use anyhow::Context as _;
use aws_lc_rs::digest::{Context, SHA256};
use clap::ArgMatches;
use prost_reflect::DynamicMessage;
use proto::{
    describe,
    masks::to_dynamic,
    v1::{self, push_request::Part},
};
use runtime::backoff::Backoff;
use std::{io::SeekFrom, path::Path, time::Duration};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic_types::StatusExt;

use super::{typed, wait};
use crate::{
    failure::{self, Exit, Failure},
    grammar,
    output::{Progress, Screen, Shape},
    profile::Target,
    region::{Answer, Client, Fill},
};

/// Region takes 1 MiB at once.
const CHUNK: usize = 512 * 1024;
/// Read ahead of the network.
const AHEAD: usize = 2;
/// After so many broken connections in a row over which nothing came, it is for the person to say when.
const ATTEMPTS: u32 = 5;
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

pub(crate) async fn run(arguments: &ArgMatches) -> anyhow::Result<Exit> {
    let kind = describe::kind("boot-file").expect("the contract has it");
    let shape = Shape::of(kind, arguments, Screen::of_stdout())?;
    let mut source = Source::open(Path::new(&grammar::word(arguments, "file"))).await?;
    let name = match grammar::typed::<String>(arguments, "as") {
        Some(name) => name,
        None => source.own_name()?,
    };
    let mut client = Client::connect(&Target::of(arguments)?).await?;
    let begin = v1::PushBegin {
        path: name,
        size: source.size,
        sha256: source.digest().await?,
        offset: 0,
        note: grammar::typed(arguments, "note"),
        write: Some(typed::write(arguments)),
    };
    let (pushed, cursor) = push(&mut client, &mut source, begin).await?;
    let item = to_dynamic(&pushed.item.unwrap_or_default());
    if pushed.unchanged {
        eprintln!("that is what it is already; nothing was changed");
    }
    shape.screen.print(&shape.one(&item)?)?;
    wait::after(&mut client, arguments, &Answer { item, cursor }).await
}

/// The file that is pushed.
struct Source {
    path: String,
    file: File,
    size: u64,
}

impl Source {
    async fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let file = File::open(path).await.with_context(|| shown.clone())?;
        let about = file.metadata().await.with_context(|| shown.clone())?;
        if !about.is_file() {
            return Err(Failure::usage(format!("{shown}: is no file")));
        }
        Ok(Self { path: shown, file, size: about.len() })
    }

    fn own_name(&self) -> anyhow::Result<String> {
        let name = Path::new(&self.path).file_name().and_then(|name| name.to_str());
        name.map(str::to_owned)
            .ok_or_else(|| Failure::usage("say what it shall be called: --as NAME"))
    }

    async fn digest(&mut self) -> anyhow::Result<String> {
        let (mut digest, mut chunk) = (Context::new(&SHA256), vec![0; CHUNK]);
        let mut progress = Progress::new("reading", self.size);
        let mut at = 0;
        loop {
            let some = self.file.read(&mut chunk).await.with_context(|| self.path.clone())?;
            if some == 0 {
                break;
            }
            digest.update(&chunk[..some]);
            at += some as u64;
            progress.at(at);
        }
        progress.end();
        anyhow::ensure!(at == self.size, "{}: changed while it was read", self.path);
        Ok(digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// What is left of it, in parts, for as long as somebody takes them.
    async fn feed(
        &mut self,
        begin: v1::PushBegin,
        progress: &mut Progress,
        to: mpsc::Sender<v1::PushRequest>,
    ) -> anyhow::Result<()> {
        let mut at = begin.offset;
        self.file.seek(SeekFrom::Start(at)).await.with_context(|| self.path.clone())?;
        if to.send(v1::PushRequest { part: Some(Part::Begin(begin)) }).await.is_err() {
            return Ok(());
        }
        while at < self.size {
            let most = usize::try_from(self.size - at).unwrap_or(CHUNK).min(CHUNK);
            let mut chunk = vec![0; most];
            let some = self.file.read(&mut chunk).await.with_context(|| self.path.clone())?;
            anyhow::ensure!(some > 0, "{}: became shorter while it was pushed", self.path);
            chunk.truncate(some);
            if to.send(v1::PushRequest { part: Some(Part::Chunk(chunk)) }).await.is_err() {
                return Ok(());
            }
            at += some as u64;
            progress.at(at);
        }
        Ok(())
    }
}

async fn push(
    client: &mut Client,
    source: &mut Source,
    mut begin: v1::PushBegin,
) -> anyhow::Result<(v1::PushResponse, Option<String>)> {
    let (mut pause, mut attempts, mut best) = (Backoff::new(PAUSE.0, PAUSE.1), 0, 0);
    let only_judged = begin.write.as_ref().is_some_and(|write| write.validate_only);
    loop {
        if !only_judged {
            begin.offset = there(client, &begin).await?;
        }
        if begin.offset > best {
            (best, attempts) = (begin.offset, 0);
            pause.reset();
        }
        let status = match attempt(client, source, begin.clone(), only_judged).await? {
            Ok(pushed) => return Ok(pushed),
            Err(status) => status,
        };
        attempts += 1;
        let again = failure::is_lost(&status) || is_stale(&status, &begin);
        if !again || attempts >= ATTEMPTS {
            let kept = failure::is_lost(&status) && best > 0;
            let error = client.failed(status);
            return Err(if kept { error.context(KEPT) } else { error });
        }
        eprintln!("broken off ({}); going on from there", failure::cause(&status));
        tokio::time::sleep(pause.next()).await;
    }
}

const KEPT: &str = "what came is kept for a day; the same command goes on from there";

/// How much of the content region has.
async fn there(client: &mut Client, begin: &v1::PushBegin) -> anyhow::Result<u64> {
    let method = describe::method("hostler.v1.BootFilePush", "PushStatus");
    let mut request = DynamicMessage::new(method.input());
    request.text("sha256", &begin.sha256);
    let answer = client.unary(&method, request).await?.item;
    let status: v1::PushStatusResponse = answer.transcode_to()?;
    if status.complete {
        return Ok(begin.size);
    }
    Ok(status.received.min(begin.size))
}

/// The connection did not last, or region refused: the inner error.
async fn attempt(
    client: &mut Client,
    source: &mut Source,
    begin: v1::PushBegin,
    only_judged: bool,
) -> anyhow::Result<Result<(v1::PushResponse, Option<String>), Status>> {
    if begin.offset > 0 && begin.offset < begin.size {
        eprintln!("region has {} of {} bytes; going on from there", begin.offset, begin.size);
    }
    let mut progress = Progress::new(&begin.path, begin.size);
    let (to, from) = mpsc::channel(AHEAD);
    let call = client.push(ReceiverStream::new(from));
    tokio::pin!(call);
    let begin = if only_judged { v1::PushBegin { offset: begin.size, ..begin } } else { begin };
    let outcome = tokio::select! {
        answered = &mut call => answered,
        fed = source.feed(begin, &mut progress, to) => {
            fed?;
            call.await
        }
    };
    progress.end();
    Ok(outcome)
}

/// What region had is gone, or was no part of this content: the next attempt begins anew.
fn is_stale(status: &Status, begin: &v1::PushBegin) -> bool {
    let details = status.get_error_details();
    let refused = details.bad_request().map(|refused| refused.field_violations.as_slice());
    begin.offset > 0
        && refused
            .unwrap_or_default()
            .iter()
            .any(|one| one.field == "offset" || one.field == "sha256")
}
