//! The program `sdk.py`, which stands beside this file.

use std::path::Path;

use anyhow::{Result, ensure};

use super::{CliFixture, IMAGE};

#[test]
fn sdk_takes_a_node_from_enrolment_to_deletion() -> Result<()> {
    let lab = CliFixture::start()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients/sdk.py");
    let args = [
        script.as_os_str(),
        lab.server.base_url().as_ref(),
        IMAGE.as_ref(),
    ];
    let output = lab.run("python", &args)?;
    ensure!(
        output.status.success(),
        "{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
