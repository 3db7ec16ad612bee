//! Builds the program again when the page that it embeds was built again.

fn main() {
    println!("cargo::rerun-if-changed=web/dist");
    println!("cargo::rerun-if-changed=web/plain");
}
