//! The child: limits itself, then answers one request after another until its standard input ends.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use expr::{Expression, codes};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::protocol::{HELLO, MARKER, Request, Response, TAKEN, WireFailure, read_frame, write_frame};

/// CPU seconds for one request: a backstop for the case that the parent is gone and cannot kill.
const CPU_SECONDS: u64 = 2;

/// Set by the panic hook: what panicked may have lost memory, so the child does not stay.
static PANICKED: AtomicBool = AtomicBool::new(false);
/// Set when the panic said that memory ran out.
static OUT_OF_MEMORY: AtomicBool = AtomicBool::new(false);

/// Becomes the guarded child and never returns, if the first argument says so. Call it first in every `main`:
/// before a runtime starts threads, before configuration is read.
pub fn child_entry() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != MARKER) {
        return;
    }
    let memory = arguments.next().and_then(|bytes| bytes.to_str()?.parse().ok()).unwrap_or(64 * 1024 * 1024);
    let code = match run(memory) {
        Ok(()) => 0,
        Err(_) => 3,
    };
    std::process::exit(code);
}

fn run(memory: u64) -> io::Result<()> {
    let image = image_bytes()?;
    limit(Resource::As, image + memory)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, 16)?;
    std::panic::set_hook(Box::new(|panic| {
        PANICKED.store(true, Ordering::Relaxed);
        let text = panic.to_string();
        if text.contains("mmap") || text.contains("alloc") {
            OUT_OF_MEMORY.store(true, Ordering::Relaxed);
        }
    }));
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    output.write_all(HELLO)?;
    output.flush()?;
    while let Some(frame) = read_frame(&mut input)? {
        output.write_all(&[TAKEN])?;
        output.flush()?;
        rearm_cpu()?;
        let mut response = answer(&frame);
        // What earlier requests left behind is room that later ones lack.
        response.last = PANICKED.load(Ordering::Relaxed) || image_bytes()? > image + memory / 4;
        let body = serde_json::to_vec(&response).map_err(io::Error::other)?;
        write_frame(&mut output, &body)?;
        if response.last {
            break;
        }
    }
    Ok(())
}

fn answer(frame: &[u8]) -> Response {
    let mut response = Response { values: Vec::new(), failure: None, last: false };
    let request: Request = match serde_json::from_slice(frame) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("the request cannot be read: {error}");
            response.failure = Some(WireFailure { item: 0, code: codes::GUARD_UNAVAILABLE.into(), message });
            return response;
        }
    };
    let mut limits: expr::Limits = request.limits.into();
    for (item, asked) in request.items.iter().enumerate() {
        let result = Expression::parse(&asked.source).map_err(|fault| (fault.code, fault.message)).and_then(
            |expression| {
                expr::evaluate_any(&expression, &request.scope, &asked.seed, &limits)
                    .map_err(|failure| (failure.code, failure.message))
            },
        );
        match result {
            Ok(value) => {
                // The answer as a whole has one size limit.
                let size = value.as_ref().map_or(0, |value| value.to_string().len());
                limits.max_output_bytes = limits.max_output_bytes.saturating_sub(size);
                response.values.push(value.into_iter().collect());
            }
            Err((code, message)) => {
                let memory = OUT_OF_MEMORY.load(Ordering::Relaxed);
                let (code, message) = if memory {
                    (codes::MEMORY, "the expression needs too much memory".into())
                } else {
                    (code, message)
                };
                response.failure = Some(WireFailure { item, code: code.to_owned(), message });
                break;
            }
        }
    }
    response
}

/// Address space in use.
fn image_bytes() -> io::Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0);
    Ok(pages * rustix::param::page_size() as u64)
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

/// Gives this request its CPU seconds; they are counted from the start of the process.
fn rearm_cpu() -> io::Result<()> {
    let used = u64::try_from(clock_gettime(ClockId::ProcessCPUTime).tv_sec).unwrap_or(0);
    Ok(setrlimit(Resource::Cpu, Rlimit { current: Some(used + CPU_SECONDS), maximum: None })?)
}
