//! Builds the server again when the demo page that is embedded in it was built again.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A watched path that does not exist would count as changed on every build. So, before the page is first
    // built, watch the folder in which it will appear.
    for folder in ["../www/dist", "../www"] {
        if Path::new(folder).is_dir() {
            println!("cargo::rerun-if-changed={folder}");
            return;
        }
    }
}
