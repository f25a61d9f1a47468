//! SIGINT and SIGTERM as something to act on, not as the end of this process.

use tokio::signal::unix::{SignalKind, signal};

use crate::stream::Fault;

/// Calls `act` with the number of each signal, on a thread of its own, until it says that nobody listens any
/// more.
pub(super) fn watch(mut act: impl FnMut(u8) -> bool + Send + 'static) -> Result<(), Fault> {
    let cannot = |e: std::io::Error| Fault::host("cannot wait for signals", &e);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(cannot)?;
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    drop(guard);
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let number = tokio::select! {
                    _ = interrupt.recv() => 2,
                    _ = terminate.recv() => 15,
                };
                if !act(number) {
                    return;
                }
            }
        });
    });
    Ok(())
}
