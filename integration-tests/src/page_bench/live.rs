//! What open pages cost: nothing happens, then leases come, and every page asks for itself as its script does.

use super::visitor::{Account, Visitor};
use crate::{
    lab::region::Region,
    link_bench::{facts::Source, report::Report},
};
use anyhow::Context;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use runtime::tasks::Tasks;
use std::{
    fs,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Notify;

const PAGES: usize = 200;
const PATH: &str = "/live?topics=lease";
const QUIET: Duration = Duration::from_secs(20);
const BUSY_SECONDS: u32 = 20;
/// Leases that come, in so many batches a second.
const A_SECOND: u64 = 1_000;
const BATCHES: u32 = 10;
/// As the script waits between two refreshes, beside four times what the last took.
const LEAST_WAIT: Duration = Duration::from_millis(500);
/// For the last message, with so many pages.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// What all pages together saw.
#[derive(Default)]
struct Seen {
    messages: AtomicU64,
    /// When each page was last told something, and when it last showed that.
    told: Mutex<Vec<Option<Instant>>>,
    fetched: Mutex<Vec<Duration>>,
}

pub(super) async fn measure(
    region: &Region,
    process: u32,
    source: &mut Source,
    report: &mut Report,
) -> anyhow::Result<()> {
    let tasks = Tasks::new();
    let account = Account::sign_in(region, &tasks).await?;
    report.remark(&format!("region's memory without a page: {} MB", memory(process)?))?;
    for fetching in [false, true] {
        let of = if fetching { ", each fetching what changed" } else { "" };
        let seen = Arc::new(Seen::default());
        seen.told.lock().unwrap_or_else(PoisonError::into_inner).resize(PAGES, None);
        for page in 0..PAGES {
            open(&account, &tasks, (page, fetching), &seen).await?;
        }
        if !fetching {
            let quiet = async {
                tokio::time::sleep(QUIET).await;
                Ok(())
            };
            let idle = share(process, quiet).await?;
            report.share(&format!("{PAGES} open pages, nothing happens"), idle)?;
        }
        let before = seen.messages.load(Ordering::Relaxed);
        let began = Instant::now();
        let busy = share(process, flood(source)).await?;
        let took = began.elapsed();
        let events = A_SECOND * u64::from(BUSY_SECONDS);
        report.rate(&format!("leases told to {PAGES} open pages{of}"), events, took)?;
        report.share(&format!("{PAGES} open pages meanwhile{of}"), busy)?;
        let ended = Instant::now();
        tokio::time::sleep(AFTERWARDS).await;
        let messages = seen.messages.load(Ordering::Relaxed) - before;
        let each = messages as f64 / PAGES as f64 / took.as_secs_f64();
        report.remark(&format!("messages to each page: {each:.1} a second{of}"))?;
        let told = seen.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let late = told.iter().map(|told| told.map(|told| told.saturating_duration_since(ended)));
        let late: Option<Vec<Duration>> = late.collect();
        let late = late.context("every page was told something")?;
        report.times(&format!("last lease recorded to the last message of a page{of}"), late)?;
        if fetching {
            let fetched = seen.fetched.lock().unwrap_or_else(PoisonError::into_inner).clone();
            report.times("a page's fetch meanwhile", fetched)?;
        }
    }
    report.remark(&format!("region's memory at the end: {} MB", memory(process)?))?;
    tasks.close(Duration::from_secs(5)).await;
    Ok(())
}

/// Resident, in megabytes.
fn memory(process: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a size")?;
    let kilobytes: u64 = line.split_whitespace().next().context("a number")?.parse()?;
    Ok(kilobytes / 1024)
}

async fn open(
    account: &Account,
    tasks: &Tasks,
    (page, fetching): (usize, bool),
    seen: &Arc<Seen>,
) -> anyhow::Result<()> {
    let mut stream = account.visit().await?.get(PATH).await?.into_body();
    let news = Arc::new(Notify::new());
    let (own, told, shutdown) = (seen.clone(), news.clone(), tasks.shutdown());
    tasks.spawn_brief("page", async move {
        tokio::select! {
            () = listen(&mut stream, page, &own, &told) => {}
            () = shutdown.cancelled() => {}
        }
    });
    if fetching {
        let (mut visitor, seen, shutdown) =
            (account.visit().await?, seen.clone(), tasks.shutdown());
        tasks.spawn_brief("fetches", async move {
            tokio::select! {
                () = refresh(&mut visitor, &seen, &news) => {}
                () = shutdown.cancelled() => {}
            }
        });
    }
    Ok(())
}

async fn listen(stream: &mut Incoming, page: usize, seen: &Seen, news: &Notify) {
    while let Some(Ok(frame)) = stream.frame().await {
        let Some(data) = frame.data_ref() else { continue };
        if data.windows(14).any(|part| part == b"event: changed") {
            seen.messages.fetch_add(1, Ordering::Relaxed);
            let mut told = seen.told.lock().unwrap_or_else(PoisonError::into_inner);
            told[page] = Some(Instant::now());
            news.notify_one();
        }
    }
}

async fn refresh(visitor: &mut Visitor, seen: &Seen, news: &Notify) {
    loop {
        news.notified().await;
        let began = Instant::now();
        if visitor.page("/leases").await.is_err() {
            return;
        }
        let took = began.elapsed();
        seen.fetched.lock().unwrap_or_else(PoisonError::into_inner).push(took);
        tokio::time::sleep(LEAST_WAIT.max(took * 4)).await;
    }
}

/// At a steady pace, as far as region records them.
async fn flood(source: &mut Source) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / BATCHES);
    for _ in 0..BUSY_SECONDS * BATCHES {
        tick.tick().await;
        source.bind(A_SECOND / u64::from(BATCHES)).await?;
    }
    Ok(())
}

/// How much of a core the process has while this goes on.
async fn share(
    process: u32,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<f64> {
    let (before, began) = (used(process)?, Instant::now());
    work.await?;
    Ok((used(process)? - before).as_secs_f64() / began.elapsed().as_secs_f64())
}

/// Time on any core, of all its threads.
fn used(process: u32) -> anyhow::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // What comes before the last bracket is a name, which may have spaces.
    let (_, rest) = text.rsplit_once(')').context("a name in brackets")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| {
        fields.get(at).context("a count of ticks")?.parse::<u64>().context(text.clone())
    };
    // User and system time, in hundredths of a second on every Linux (USER_HZ).
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}
