//! Who may do what, over HTTP with callers of our making.

mod matrix;
mod steps;
mod world;
