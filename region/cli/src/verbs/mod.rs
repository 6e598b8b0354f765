//! What the verbs do. Those that all kinds share are written once, over the contract.

pub(crate) mod boot_trace;
pub(crate) mod grave;
mod list;
pub(crate) mod own;
pub(crate) mod push;
mod secret;
pub(crate) mod typed;
pub(crate) mod wait;
mod write;

use clap::ArgMatches;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use proto::describe::Kind;

use crate::{
    failure::Exit,
    grammar,
    output::{Screen, Shape},
    profile::Target,
    region::{Answer, Client},
};

/// A verb on its way: what it is about, what was typed, and the connection.
pub(crate) struct Task<'a> {
    pub(crate) kind: &'static Kind,
    pub(crate) arguments: &'a ArgMatches,
    pub(crate) client: Client,
    pub(crate) screen: Screen,
}

pub(crate) async fn run(
    kind: &'static Kind,
    verb: &str,
    arguments: &ArgMatches,
) -> anyhow::Result<Exit> {
    let client = Client::connect(&Target::of(arguments)?).await?;
    let mut task = Task { kind, arguments, client, screen: Screen::of_stdout() };
    match verb {
        "list" if arguments.get_flag("watch") => crate::watch::run(&mut task).await,
        "watch" => crate::watch::run(&mut task).await,
        "list" => list::run(&mut task).await,
        "get" => get(&mut task).await,
        "create" => write::create(&mut task).await,
        "update" => write::update(&mut task).await,
        "delete" => write::delete(&mut task).await,
        "boot-as" => write::boot_as(&mut task).await,
        other => {
            let method = own::method_of_verb(kind, other).expect("the grammar has no other verb");
            own::run(&mut task, &method).await
        }
    }
}

impl Task<'_> {
    async fn call(
        &mut self,
        method: &MethodDescriptor,
        request: DynamicMessage,
    ) -> anyhow::Result<Answer> {
        self.client.unary(method, request).await
    }
}

async fn get(task: &mut Task<'_>) -> anyhow::Result<Exit> {
    let shape = Shape::of(task.kind, task.arguments, task.screen)?;
    let item = task.client.get(task.kind, &grammar::word(task.arguments, "id")).await?;
    task.screen.print(&shape.one(&item)?)?;
    Ok(Exit::Done)
}
