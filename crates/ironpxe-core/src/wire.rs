//! JSON encoding of the domain's enums between API and conductor: each as Ironic's name.
//!
//! An unknown name (for example of a newer release) is an error at deserialization.

use std::borrow::Cow;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::boot_device::BootDevice;
use crate::mac::MacAddress;
use crate::power_state::{PowerState, PowerTarget};
use crate::provision::Verb;
use crate::provision_state::{ProvisionState, StoredState};

/// Serializes a type as the text of `$to`, and parses it with `$from`.
macro_rules! as_text {
    ($type:ty, $what:literal, $to:expr, $from:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let to: fn(&Self) -> Cow<'_, str> = $to;
                serializer.serialize_str(&to(self))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let from: fn(&str) -> Option<Self> = $from;
                let text = Cow::<'_, str>::deserialize(deserializer)?;
                from(&text)
                    .ok_or_else(|| D::Error::custom(format_args!("{text:?} is not {}", $what)))
            }
        }
    };
}

as_text!(
    ProvisionState,
    "a provision state",
    |state| state.name().into(),
    ProvisionState::from_name
);
as_text!(
    StoredState,
    "a provision state",
    |state| state.name().into(),
    |name| Some(StoredState::from_name(name))
);
as_text!(
    PowerState,
    "a power state",
    |state| state.name().into(),
    PowerState::from_name
);
as_text!(
    PowerTarget,
    "a power state that can be requested",
    |target| target.name().into(),
    PowerTarget::from_name
);
as_text!(
    BootDevice,
    "a boot device",
    |device| device.name().into(),
    BootDevice::from_name
);
as_text!(
    Verb,
    "a provision verb",
    |verb| verb.name().into(),
    |word| Verb::from_word(word).map(|(verb, _)| verb)
);
as_text!(
    MacAddress,
    "a MAC address",
    |mac| mac.to_string().into(),
    |text| text.parse().ok()
);

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::de::DeserializeOwned;
    use serde_json::{from_value, json, to_value};

    use super::*;
    use crate::node::Node;
    use crate::port::Port;
    use crate::volume::{VolumeConnector, VolumeTarget};

    fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
        let sent = to_value(value).unwrap();
        assert!(sent.as_str().is_some_and(|text| !text.is_empty()), "{sent}");
        assert_eq!(&from_value::<T>(sent).unwrap(), value);
    }

    #[test]
    fn every_named_value_round_trips() {
        for state in ProvisionState::all() {
            survives(&state);
            survives(&StoredState::from(state));
        }
        survives(&StoredState::Unknown("levitating".to_owned()));
        for state in [PowerState::On, PowerState::Off, PowerState::Error] {
            survives(&state);
        }
        PowerTarget::ALL.iter().for_each(survives);
        BootDevice::ALL.iter().for_each(survives);
        Verb::ALL.iter().for_each(survives);
        survives(&MacAddress::new([0x52, 0x54, 0, 0xaa, 0, 1]));
    }

    #[test]
    fn unknown_name_is_refused_and_quoted() {
        let error = from_value::<Verb>(json!("levitate")).unwrap_err();
        assert_eq!(error.to_string(), "\"levitate\" is not a provision verb");
        let error = from_value::<MacAddress>(json!("52:54")).unwrap_err();
        assert_eq!(error.to_string(), "\"52:54\" is not a MAC address");
    }

    /// During a rolling upgrade the conductor may be older than the API. A field that is added to a
    /// resource must therefore have a default: `#[serde(default)]`.
    #[test]
    fn resources_from_an_older_process_are_read() {
        let text = include_str!("../tests/upgrade/resources-0.1.json");
        let resources: serde_json::Value = serde_json::from_str(text).unwrap();
        let read = |name: &str| resources.get(name).cloned().unwrap();
        from_value::<Node>(read("node")).unwrap();
        from_value::<Port>(read("port")).unwrap();
        from_value::<VolumeConnector>(read("connector")).unwrap();
        from_value::<VolumeTarget>(read("target")).unwrap();
    }
}
