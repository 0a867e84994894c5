//! Who may do what: each role as a set of permissions, in one table.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::permission::Permission;

/// What a member is to an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, ownership included.
    Owner,
    /// Everything but ownership.
    Admin,
    /// Builds workflows.
    Editor,
    /// Runs workflows that others built.
    Operator,
    /// Looks on.
    Viewer,
}

impl Role {
    pub const ALL: &[Self] = &[Self::Owner, Self::Admin, Self::Editor, Self::Operator, Self::Viewer];

    /// Whether this role has `permission`.
    pub fn can(self, permission: Permission) -> bool {
        granted_to(permission).contains(&self)
    }

    /// All that this role may do.
    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.can(*permission))
    }

    /// Reads a role by its name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.as_str() == text)
    }

    /// Whether somebody with this role may give and take `other`: only owners make owners.
    pub fn may_grant(self, other: Self) -> bool {
        self == Self::Owner || (self.can(Permission::MembersManage) && other != Self::Owner)
    }

    /// The stable name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }
}

/// The table. A permission that is missing here does not compile.
#[expect(
    clippy::match_same_arms,
    reason = "one row for each permission, so that a row can be read and changed alone"
)]
fn granted_to(permission: Permission) -> &'static [Role] {
    use Role::{Admin, Editor, Operator, Owner, Viewer};
    match permission {
        Permission::WorkflowsRead => &[Owner, Admin, Editor, Operator, Viewer],
        Permission::WorkflowsWrite => &[Owner, Admin, Editor],
        Permission::WorkflowsRun => &[Owner, Admin, Editor, Operator],
        Permission::RunsRead => &[Owner, Admin, Editor, Operator, Viewer],
        Permission::RunsCancel => &[Owner, Admin, Editor, Operator],
        Permission::EventsPut => &[Owner, Admin, Editor, Operator],
        Permission::ExpressionsEvaluate => &[Owner, Admin, Editor],
        Permission::VariablesRead => &[Owner, Admin, Editor, Operator],
        Permission::VariablesWrite => &[Owner, Admin, Editor],
        Permission::ConnectionsRead => &[Owner, Admin, Editor, Operator],
        Permission::ConnectionsWrite => &[Owner, Admin, Editor],
        Permission::AccountOwn => &[Owner, Admin, Editor, Operator, Viewer],
        Permission::OrgRead => &[Owner, Admin, Editor, Operator, Viewer],
        Permission::MembersRead => &[Owner, Admin, Editor, Operator, Viewer],
        Permission::MembersManage => &[Owner, Admin],
        Permission::ApiKeysWrite => &[Owner, Admin, Editor, Operator, Viewer],
        Permission::ApiKeysManage => &[Owner, Admin],
        Permission::ServiceAccountsManage => &[Owner, Admin],
        Permission::AuditRead => &[Owner, Admin],
        Permission::UsageRead => &[Owner, Admin],
        Permission::OrgManage => &[Owner, Admin],
        Permission::OrgOwn => &[Owner],
        Permission::OrgExport => &[Owner],
        Permission::OrgErase => &[Owner],
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_what_the_next_one_has_and_more() {
        for pair in Role::ALL.windows(2) {
            let (higher, lower) = (pair[0], pair[1]);
            assert!(
                lower.permissions().all(|permission| higher.can(permission)),
                "{higher} lacks what {lower} has"
            );
            assert!(
                higher.permissions().count() > lower.permissions().count(),
                "{higher} is no more than {lower}"
            );
        }
    }

    #[test]
    fn the_ends_of_the_table() {
        assert!(Role::Owner.permissions().eq(Permission::ALL.iter().copied()));
        let viewer: Vec<_> = Role::Viewer.permissions().map(Permission::as_str).collect();
        assert_eq!(
            viewer,
            ["workflows.read", "runs.read", "account.own", "org.read", "members.read", "api_keys.write"]
        );
        assert!(Role::Admin.may_grant(Role::Admin) && !Role::Admin.may_grant(Role::Owner));
        assert!(Role::Owner.may_grant(Role::Owner) && !Role::Editor.may_grant(Role::Viewer));
        assert!(!Role::Admin.can(Permission::OrgOwn));
        assert!(!Role::Operator.can(Permission::WorkflowsWrite));
    }

    /// docs/roles.md is this table. `PATCHBAY_WRITE=1 cargo test -p auth the_documented_table` writes it anew.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a developer says so, in the environment of this test")]
    fn the_documented_table_is_this_one() {
        let names: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
        let mut page = "# Roles and permissions\n\nWhat each role may do. The names of permissions are the scopes of API keys, too. \
             This page is made of\n`shared/auth/src/role.rs`; `GET /v1/roles` tells the same.\n\n"
            .to_owned();
        let rows = Permission::ALL.iter().map(|permission| {
            let has: Vec<_> =
                Role::ALL.iter().map(|role| if role.can(*permission) { "yes" } else { "" }).collect();
            format!("| `{permission}` | {} | {} |\n", permission.describe(), has.join(" | "))
        });
        let head =
            format!("| Permission | | {} |\n|---|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
        page.extend(std::iter::once(head).chain(rows));
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/roles.md");
        if std::env::var_os("PATCHBAY_WRITE").is_some() {
            std::fs::write(file, &page).unwrap();
        }
        let written = std::fs::read_to_string(file).unwrap_or_default();
        assert!(written == page, "docs/roles.md is not the table: run this test with PATCHBAY_WRITE=1");
    }

    #[test]
    fn roles_are_written_as_they_are_shown() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
            assert_eq!(Role::parse(role.as_str()), Some(*role));
            assert_eq!(serde_json::from_value::<Role>(role.as_str().into()).unwrap(), *role);
        }
        assert!(serde_json::from_str::<Role>("\"root\"").is_err());
    }
}
