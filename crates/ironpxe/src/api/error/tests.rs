use ironpxe_core::id::NodeUuid;
use ironpxe_core::microversion::Microversion;

use super::*;

/// One of every fault. A new one is added here when the match in `status` asks for it.
pub(crate) fn faults() -> Vec<Fault> {
    let node: NodeUuid = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee".parse().unwrap();
    let text = |text: &str| text.to_owned();
    vec![
        Fault::NodeNotFound(text("n")),
        Fault::PortNotFound(text("p")),
        Fault::VolumeConnectorNotFound(text("c")),
        Fault::VolumeTargetNotFound(text("t")),
        Fault::NodeHistoryNotFound(text("e")),
        Fault::VolumeConnectorExists {
            kind: text("iqn"),
            connector_id: text("iqn.a:b"),
        },
        Fault::VolumeUuidExists {
            what: "target".into(),
            uuid: text("t"),
        },
        Fault::VolumeBootIndexExists(0),
        Fault::VifAlreadyAttached {
            vif: text("v"),
            port: "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee".parse().unwrap(),
        },
        Fault::NoFreePhysicalPorts(text("v")),
        Fault::VifNotAttached {
            vif: text("v"),
            node,
        },
        Fault::ConductorNotFound(text("c")),
        Fault::DriverNotFound(text("d")),
        Fault::DriverUnknown(text("d")),
        Fault::NotFound,
        Fault::NodeAlreadyExists(node),
        Fault::DuplicateName(text("n")),
        Fault::MacAlreadyExists(text("52:54:00:aa:00:01")),
        Fault::PortAlreadyExists(text("p")),
        Fault::PortDuplicateName(text("p")),
        Fault::InstanceAssociated {
            instance: text("i"),
            node: text("n"),
        },
        Fault::NodeLocked {
            node,
            host: text("h"),
        },
        Fault::InvalidParameterValue(text("a value is wrong")),
        Fault::MissingParameterValue(text("a value is missing")),
        Fault::InvalidStateRequested {
            action: text("a"),
            node,
            state: text("s"),
        },
        Fault::NodeNotDeletable {
            node,
            state: text("active"),
        },
        Fault::NodeProtected(node),
        Fault::NodeAssociated {
            node,
            instance: text("i"),
        },
        Fault::NodeInTransition(node),
        Fault::FieldFixedInState {
            node,
            field: "driver".into(),
        },
        Fault::NodeInMaintenance {
            operation: "provisioning".into(),
            node,
        },
        Fault::NodeIsRetired {
            operation: "provide".into(),
            node,
        },
        Fault::NoValidHost {
            driver: text("d"),
            group: String::new(),
        },
        Fault::InterfaceNotFound {
            kind: "boot".into(),
            name: text("x"),
            valid: text("ipxe, fake"),
        },
        Fault::UnsupportedDriverExtension {
            driver: text("d"),
            extension: text("x"),
        },
        Fault::NoPassthruMethod(text("m")),
        Fault::PassthruHttpMethod {
            method: text("m"),
            http_method: "PUT".into(),
        },
        Fault::InvalidState(text("not in this state")),
        Fault::InstanceDeployFailure(text("no image")),
        Fault::PatchError {
            patch: text("{}"),
            reason: text("r"),
        },
        Fault::NotAcceptable,
        Fault::NeedsVersion(30),
        Fault::NotInThisVersion,
        Fault::Unavailable {
            reason: text("The database is away"),
            retry_after: 5,
        },
        Fault::Internal(text("the secret cause")),
    ]
}

fn errors() -> Vec<ApiError> {
    let version = |text: &str, at_root| ApiError::Version {
        refused: Microversion::negotiate(text).unwrap_err(),
        at_root,
    };
    let mut errors: Vec<ApiError> = faults().into_iter().map(ApiError::Fault).collect();
    errors.extend([
        version("1.999", true),
        version("1.999", false),
        version("abc", false),
        ApiError::NoRoute,
        ApiError::MethodNotAllowed,
        ApiError::BadPath("Expected UUID or name for node: a b".to_owned()),
        ApiError::Missing("no such trait".to_owned()),
        ApiError::NotImplemented("not done here".to_owned()),
        ApiError::Conflict("later".to_owned()),
        ApiError::BodyTooLarge,
        ApiError::BodyTooDeep,
    ]);
    errors
}

async fn body(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn status_and_body_of_every_error_match_the_snapshot() {
    let mut table = String::new();
    for error in errors() {
        let variant = format!("{error:?}");
        let variant = match &error {
            ApiError::Fault(fault) => format!("{fault:?}"),
            _ => variant,
        };
        let variant = variant
            .split(['(', ' ', '{'])
            .next()
            .unwrap_or_default()
            .to_owned();
        let unversioned = if error.is_unversioned() {
            " unversioned"
        } else {
            ""
        };
        let answer = error.answer("req-1");
        let status = answer.status().as_u16();
        let retry = match answer.headers().get("retry-after") {
            Some(seconds) => format!(" retry-after={}", seconds.to_str().unwrap()),
            None => String::new(),
        };
        assert_eq!(answer.headers()["content-type"], "application/json");
        let line = format!(
            "{variant} {status}{retry}{unversioned}\n    {}\n",
            body(answer).await
        );
        table.push_str(&line);
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn cause_of_an_internal_error_is_only_logged() {
    let error = ApiError::from(Fault::Internal("the secret cause".to_owned()));
    assert_eq!(error.cause().as_deref(), Some("the secret cause"));
    let body = body(error.answer("req-1")).await;
    assert!(body.contains("req-1") && !body.contains("secret"), "{body}");
}
