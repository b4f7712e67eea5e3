//! The migrations are compiled into the program; a new one must make it compile again.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
