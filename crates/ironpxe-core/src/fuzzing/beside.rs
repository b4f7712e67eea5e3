//! Answers of another Ironic's API.

use std::collections::BTreeMap;

use super::boot::boot;
use crate::beside::{Problem, rest};
use crate::boot::{BootPlan, BootSettings, boots_from_volume};
use crate::id::NodeUuid;
use crate::mac::MacAddress;
use crate::mask::STARS;

/// A port, a node, targets and connectors, as four answers: a machine whose script has no masked
/// value, or a problem in one line.
pub(super) fn ironic_answers(data: &[u8]) {
    let mut answers = data.split(|byte| *byte == 0xFE);
    let mut next = || answers.next().unwrap_or_default();
    let address = MacAddress::new([0x52, 0x54, 0, 0xaa, 0, 1]);
    let Some(port) = accepted(rest::port(address, next())) else {
        return;
    };
    if let Some(port) = &port {
        assert_eq!(port.address, address);
    }
    let uuid = NodeUuid(uuid::Uuid::nil());
    let Some(mut machine) = accepted(rest::machine(uuid, port, next())) else {
        return;
    };
    assert_eq!(machine.node.uuid, uuid);
    if boots_from_volume(&machine.node).is_some() {
        match accepted(rest::with_volumes(machine, next(), next())) {
            Some(with_volumes) => machine = with_volumes,
            None => return,
        }
    }
    let http_urls = BTreeMap::from([("conductor-1".to_owned(), "http://192.0.2.10".to_owned())]);
    for text in texts(&boot(machine.machine(&http_urls), &BootSettings::default())) {
        assert!(!text.contains(STARS), "{text:?}");
    }
}

fn accepted<T>(answer: Result<T, Problem>) -> Option<T> {
    if let Err(problem) = &answer {
        let text = problem.to_string();
        assert!(text.len() < 600, "{text:?}");
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    answer.ok()
}

/// What of a plan comes from the node.
fn texts(plan: &BootPlan) -> Vec<String> {
    match plan {
        BootPlan::Linux(linux) => {
            let images = [&linux.kernel, &linux.ramdisk].map(|it| it.as_str().to_owned());
            [&images[..], linux.args.words()].concat()
        }
        BootPlan::Volume(volume) => {
            let drives = volume.drives.iter().flat_map(|drive| {
                let chap = drive.chap.iter();
                let chap = chap.flat_map(|it| [&it.username, it.password.expose()]);
                chap.chain(drive.uris.iter().map(String::as_str))
            });
            drives.map(str::to_owned).collect()
        }
        BootPlan::Iso(iso) => vec![iso.as_str().to_owned()],
        BootPlan::LocalDisk(_) | BootPlan::Refuse(_) => Vec::new(),
    }
}
