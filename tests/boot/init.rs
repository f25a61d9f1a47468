//! The smallest first process: says that it runs, and waits. Built by the test with rustc alone.

fn main() {
    let id = std::process::id();
    println!("init: hello from process {id}");
    loop {
        std::thread::sleep(std::time::Duration::from_secs(3600));
    }
}
