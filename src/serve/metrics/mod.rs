//! What Prometheus may ask: a page of numbers over HTTP.
//!
//! Owns the server: a thread of its own, which answers `GET /metrics` and `GET /healthz` and nothing else, with
//! limits on connections, on the size of a request and on its time. The numbers are a [`Snapshot`], which is
//! taken anew for each request; how they are written down is in [`page`]. Knows nobody: who can connect can read.

mod page;
mod snapshot;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

pub use page::page;
pub use snapshot::{DriveNow, DriveState, Snapshot, job_state};

use crate::stream::{Blame, Fault};

/// How far the server goes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; others wait.
    pub connections: usize,
    /// From connecting to the end of the answer.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connections: 16, time: Duration::from_secs(10) }
    }
}

/// The longest head of a request, bytes: the least that hyper takes.
pub const REQUEST_BYTES_MAX: usize = 8192;
/// Headers of a request at most.
const HEADERS_MAX: usize = 64;

/// Makes the numbers of this moment. Runs on the server's thread.
pub type Take = Arc<dyn Fn() -> Snapshot + Send + Sync>;

/// A running server; it ends when this is dropped.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Listens at `address` and starts the thread.
    pub fn start(address: SocketAddr, take: Take, limits: Limits) -> Result<Server, Fault> {
        let cannot = || format!("cannot listen on {address} for metrics");
        let listener = std::net::TcpListener::bind(address).map_err(|error| {
            Fault::host(cannot(), &error)
                .hint("is another service there? see `metrics` in the file")
        })?;
        let failed = |error: std::io::Error| Fault::host(cannot(), &error);
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    fault = serve(listener, take, limits) => tracing::error!(%fault, "no metrics any more"),
                }
            });
        };
        let thread = std::thread::Builder::new().name("metrics".to_owned()).spawn(run);
        let thread = thread.map_err(|error| {
            Fault::later(Blame::Host, format!("cannot start a thread: {error}"))
        })?;
        Ok(Server { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take()
            && stop.send(()).is_err()
        {
            tracing::debug!("the metrics ended before");
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the metrics panicked");
        }
    }
}

/// Takes connections until that is impossible.
async fn serve(listener: std::net::TcpListener, take: Take, limits: Limits) -> Fault {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return Fault::host("cannot listen for metrics", &error),
    };
    let seats = Arc::new(Semaphore::new(limits.connections));
    loop {
        // Who finds no seat waits in the kernel's queue.
        let Ok(seat) = seats.clone().acquire_owned().await else {
            return Fault::never(Blame::Ours, "the seats for metrics are closed");
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // A connection that is gone again, or no descriptors left: neither is for ever.
            Err(error) => {
                tracing::debug!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let take = take.clone();
        tokio::spawn(async move {
            if tokio::time::timeout(limits.time, converse(stream, take)).await.is_err() {
                tracing::debug!("somebody who asks for metrics is too slow");
            }
            drop(seat);
        });
    }
}

/// One request and its answer.
async fn converse(stream: TcpStream, take: Take) {
    let service = service_fn(|request| {
        let answer = answer(&request, &take);
        async { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(REQUEST_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "somebody who asks for metrics makes no sense");
    }
}

fn answer(request: &Request<Incoming>, take: &Take) -> Response<String> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            text(StatusCode::OK, kind, page(&take()))
        }
        (&Method::GET, "/healthz") => plain(StatusCode::OK, "ok\n"),
        (_, "/metrics" | "/healthz") => {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is possible here\n");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            answer
        }
        _ => plain(StatusCode::NOT_FOUND, "there are /metrics and /healthz\n"),
    }
}

fn plain(status: StatusCode, body: &str) -> Response<String> {
    text(status, "text/plain; charset=utf-8", body.to_owned())
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<String> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
