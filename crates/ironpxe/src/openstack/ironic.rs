//! The bare-metal API of another Ironic: GET requests, whose bodies [`ironpxe_core::beside::rest`]
//! reads.

use super::error::OpenStackError;
use super::service::{ApiRequest, Service};
use super::settings::{Settings, SetupError};

/// The oldest version whose responses have all that a boot needs: that of Ironic 17.0.
const MICROVERSION: &str = "1.72";

/// An Ironic client.
#[derive(Debug, Clone)]
pub(crate) struct Ironic {
    service: Service,
}

impl Ironic {
    /// Builds a client without connecting.
    pub(crate) fn new(settings: &Settings) -> Result<Self, SetupError> {
        Ok(Self {
            service: Service::new("Ironic", "baremetal", "/v1", settings)?,
        })
    }

    /// The body of `GET /v1<path>`; `asked` is its purpose, for messages. Not retried more often
    /// than the settings say.
    pub(crate) async fn get(&self, asked: String, path: String) -> Result<Vec<u8>, OpenStackError> {
        let question = ApiRequest {
            microversion: Some(MICROVERSION),
            ..ApiRequest::get(asked, path)
        };
        self.service.bytes(&question).await
    }
}
