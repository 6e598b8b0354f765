//! The content of boot files goes once nothing has named it for an hour.

use runtime::telemetry::Causes;

use super::Context;
use crate::operations::{
    OperationError,
    boot_file::{self, CollectError},
};

pub(super) async fn run(context: Context) -> Result<(), OperationError> {
    let Some(store) = context.region.boot_files.clone() else { return Ok(()) };
    match boot_file::collect(&context.region, &store).await {
        Ok(()) => Ok(()),
        Err(CollectError::Operation(error)) => Err(error),
        Err(CollectError::Store(error)) => {
            // Said each time: nobody else looks at that folder.
            tracing::error!(error = %Causes(&error), "boot files that nothing names cannot be removed");
            Ok(())
        }
    }
}
