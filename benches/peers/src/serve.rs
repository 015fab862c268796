//! The listener, the threads, the end.

use std::future::{Future, poll_fn};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::task::Poll;
use std::thread;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::handlers;
use crate::store::Store;

/// What both servers are told.
#[derive(Clone, Debug, clap::Args)]
pub struct Serving {
    /// Where to serve
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9816")]
    pub listen: SocketAddr,
    /// Worker threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Accounts of the demo
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(..=10_000_000))]
    pub demo_accounts: u32,
}

impl Serving {
    /// How many worker threads there are to be.
    #[must_use]
    pub fn threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(cores, usize::from)
    }

    /// A runtime with these threads.
    ///
    /// # Errors
    /// A sentence, where the system has no more of them.
    pub fn runtime(&self) -> Result<Runtime, String> {
        let runtime = Builder::new_multi_thread().worker_threads(self.threads()).enable_all().build();
        runtime.map_err(|error| format!("the threads: {error}"))
    }

    /// Serves `store` under this name until SIGTERM or SIGINT, and then answers what is in hand.
    ///
    /// # Errors
    /// A sentence: a port in use.
    pub async fn run<S: Store>(&self, name: &str, store: S) -> Result<(), String> {
        let failed = |error: io::Error| format!("--listen {}: {error}", self.listen);
        let end = ending().map_err(failed)?;
        let listener = TcpListener::bind(self.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        // Who reads this has nothing else to be told by.
        let _ = writeln!(io::stderr(), "{name} serves on http://{address}");
        let listener = listener.tap_io(|socket| {
            // A socket that has gone is found out when it is read.
            let _ = socket.set_nodelay(true);
        });
        axum::serve(listener, handlers::router(store)).with_graceful_shutdown(end).await.map_err(failed)
    }
}

/// Ends with the first signal to end.
fn ending() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(poll_fn(move |context| match terminate.poll_recv(context) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => interrupt.poll_recv(context).map(|_| ()),
    }))
}
