//! The services of OpenStack that ironpxe asks: [`faulty`] is one of ours that misbehaves as told.

pub mod faulty;
