//! Who asks: what Keystone says about a token.

/// What a validated token says about its bearer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Names of the roles.
    pub roles: Vec<String>,
    /// UUID of the user.
    pub user_id: Option<String>,
    /// Name of the user. Not in the language of rules; for the log.
    pub user_name: Option<String>,
    /// Domain of the user.
    pub user_domain_id: Option<String>,
    /// UUID of the project, if the token is for a project.
    pub project_id: Option<String>,
    /// Name of the project.
    pub project_name: Option<String>,
    /// Domain of the project.
    pub project_domain_id: Option<String>,
    /// The domain, if the token is for a domain.
    pub domain_id: Option<String>,
    /// `all`, if the token is for the system.
    pub system_scope: Option<String>,
    /// Whether the project is Keystone's admin project; true if Keystone does not say.
    pub is_admin_project: bool,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All of the deployment.
    System,
    /// A domain.
    Domain,
    /// A project. A token without scope counts as one, as in oslo.policy.
    Project,
}

impl Scope {
    /// Its name in Ironic's `scope_types`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Domain => "domain",
            Self::Project => "project",
        }
    }
}

impl Credentials {
    /// What a check can compare.
    pub(super) const NAMES: &'static [&'static str] = &[
        "roles",
        "project_id",
        "project_name",
        "project_domain_id",
        "user_id",
        "user_domain_id",
        "domain_id",
        "system_scope",
        "is_admin_project",
        "is_public_api",
    ];

    /// What the token is for.
    pub const fn scope(&self) -> Scope {
        if self.system_scope.is_some() {
            Scope::System
        } else if self.domain_id.is_some() {
            Scope::Domain
        } else {
            Scope::Project
        }
    }

    /// A credential, as a check names it; `None` if there is none of that name. `roles` is the only
    /// one with several values.
    pub(super) fn get(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "project_id" => Value::text(self.project_id.as_deref()),
            "project_name" => Value::text(self.project_name.as_deref()),
            "project_domain_id" => Value::text(self.project_domain_id.as_deref()),
            "user_id" => Value::text(self.user_id.as_deref()),
            "user_domain_id" => Value::text(self.user_domain_id.as_deref()),
            "domain_id" => Value::text(self.domain_id.as_deref()),
            "system_scope" => Value::text(self.system_scope.as_deref()),
            "is_admin_project" => Value::Bool(self.is_admin_project),
            // Rules are not asked on public routes.
            "is_public_api" => Value::Bool(false),
            _ => return None,
        })
    }
}

/// A value that checks compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// No value: a project-less caller, an unowned node.
    Null,
    /// `True` or `False`.
    Bool(bool),
    /// Text.
    Text(&'a str),
}

impl<'a> Value<'a> {
    pub(super) fn text(value: Option<&'a str>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}
