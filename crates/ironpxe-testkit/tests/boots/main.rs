//! The testkit proves itself: real firmware boots scripts written by hand.
//!
//! These tests also pin down what iPXE does with the commands that ironpxe's scripts are made of,
//! that of Debian 12 and the current one; what is surprising there is said where it is seen.

mod generations;
mod iscsi;
mod iso;
mod local_disk;
mod network;
mod uefi;

use std::time::Duration;

use anyhow::Result;
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::machine::Hardware;
use ironpxe_testkit::semaphore::Semaphore;

const MAC: &str = "52:54:00:12:34:56";
const BOOT: Duration = Duration::from_mins(1);

static MACHINES: Semaphore = Semaphore::new(2);

/// Serves a script of these commands, and makes a machine that boots it.
fn machine_for(server: &ImageServer, commands: &str) -> Hardware {
    server.serve("/script", format!("#!ipxe\n{commands}\n").into_bytes());
    Hardware::with_bootfile(MAC, &server.url("/script"))
}

/// A machine that boots these commands and needs nothing else; the server must live on.
fn machine(commands: &str) -> Result<(ImageServer, Hardware)> {
    let server = ImageServer::start()?;
    let hardware = machine_for(&server, commands);
    Ok((server, hardware))
}
