//! Who may do what, over HTTP with callers of our making.

mod differences;
mod matrix;
mod world;
