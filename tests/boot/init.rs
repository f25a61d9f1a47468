//! The smallest first process: loads the image's modules, says how it went, and waits.
//!
//! Built by the test with rustc alone, so it calls the kernel by itself. Under Secure Boot the kernel takes only
//! modules that Debian signed. As an update it passes every test before its start; `BROKEN` at its build says how it
//! fails then: it `crashes`, or it `hangs` with the watchdog running.

use std::ffi::{c_char, c_int, c_long, c_ulong};
use std::fs::File;
use std::os::fd::AsRawFd;

/// finit_module(2) of x86-64.
const FINIT_MODULE: c_long = 313;

unsafe extern "C" {
    fn mount(
        what: *const c_char,
        at: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_char,
    ) -> c_int;
    fn syscall(number: c_long, file: c_int, options: *const c_char, flags: c_int) -> c_long;
}

/// Loads one module; that there is no device for it is fine.
fn load(file: &str) -> Result<(), String> {
    let module = File::open(format!("/modules/{file}")).map_err(|e| e.to_string())?;
    // SAFETY: the descriptor is open and the options end with a NUL for as long as the call takes.
    match unsafe { syscall(FINIT_MODULE, module.as_raw_fd(), c"".as_ptr(), 0) } {
        0 => Ok(()),
        _ => {
            let error = std::io::Error::last_os_error();
            // ENODEV, EEXIST
            if matches!(error.raw_os_error(), Some(19 | 17)) { Ok(()) } else { Err(error.to_string()) }
        }
    }
}

/// What a box does about its watchdog, once.
fn watch() -> std::io::Result<File> {
    std::fs::create_dir_all("/dev")?;
    // SAFETY: all four texts end with a NUL and live as long as the program.
    let done = unsafe {
        let (none, at, kind) = (c"none".as_ptr(), c"/dev".as_ptr(), c"devtmpfs".as_ptr());
        mount(none, at, kind, 0, c"".as_ptr())
    };
    // EBUSY: it is there.
    match std::io::Error::last_os_error() {
        error if done != 0 && error.raw_os_error() != Some(16) => return Err(error),
        _ => File::options().write(true).open("/dev/watchdog"),
    }
}

fn main() {
    if std::env::args().any(|word| word == "preflight") {
        return;
    }
    println!("init: hello from process {}", std::process::id());
    let list = std::fs::read_to_string("/modules.list").expect("the image has a list");
    let mut count = 0;
    for line in list.lines() {
        let file = line.split(' ').nth(1).unwrap_or_default();
        match load(file) {
            Ok(()) => count += 1,
            Err(why) => println!("init: {file}: {why}"),
        }
    }
    println!("init: {count} of {} modules", list.lines().count());
    let _watchdog = match option_env!("BROKEN") {
        Some("crashes") => return println!("init: crashes"),
        Some(_) => Some(watch().expect("the board has a watchdog")),
        None => None,
    };
    println!("init: waits");
    loop {
        std::thread::sleep(std::time::Duration::from_secs(3600));
    }
}
