//! Against a server that misbehaves.
