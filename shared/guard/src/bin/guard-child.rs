//! The guarded child as a program of its own, for this crate's tests: a function re-executes itself instead.

fn main() {
    guard::child_entry();
    eprintln!("this program only runs as the guarded child of another");
    std::process::exit(2);
}
