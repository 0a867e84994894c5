//! What a caller may be allowed to do: the registry of permissions.

/// A permission that a handler can require by its type, `Can<permit::RunsRead>`.
pub trait Permit: Send + Sync + 'static {
    const PERMISSION: Permission;
}

macro_rules! permissions {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal;)*) => {
        /// What a caller may do within its organisation. [`Role`](crate::Role) says who may.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[doc = $doc])* $name,)*
        }

        impl Permission {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Reads a permission by its name.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|permission| permission.as_str() == text)
            }

            /// What it allows, in a sentence.
            pub fn describe(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),*).trim_ascii(),)*
                }
            }

            /// The stable name that users see.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }

        /// A type for each permission.
        pub mod permit {
            use super::{Permission, Permit};

            $(
                $(#[doc = $doc])*
                #[derive(Debug, Clone, Copy)]
                pub struct $name;

                impl Permit for $name {
                    const PERMISSION: Permission = Permission::$name;
                }
            )*
        }
    };
}

permissions! {
    /// See workflows and their versions.
    WorkflowsRead = "workflows.read";
    /// Create, change, enable and delete workflows.
    WorkflowsWrite = "workflows.write";
    /// Start a workflow by hand.
    WorkflowsRun = "workflows.run";
    /// See runs with their inputs and outputs.
    RunsRead = "runs.read";
    /// Cancel a run.
    RunsCancel = "runs.cancel";
    /// Put business events, which start workflows.
    EventsPut = "events.put";
    /// Try expressions, patterns and workflows out.
    ExpressionsEvaluate = "expressions.evaluate";
    /// See who one is, and see and end one's own sessions.
    AccountOwn = "account.own";
    /// See the organisation.
    OrgRead = "org.read";
    /// See who belongs to the organisation, people and service accounts.
    MembersRead = "members.read";
    /// Invite and remove members, change roles below owner.
    MembersManage = "members.manage";
    /// Make API keys that have no more rights than oneself, see them and delete them.
    ApiKeysWrite = "api_keys.write";
    /// See and delete everybody's API keys.
    ApiKeysManage = "api_keys.manage";
    /// Make, change and delete service accounts, and their API keys.
    ServiceAccountsManage = "service_accounts.manage";
    /// See variables; the values of secret ones are shown to nobody.
    VariablesRead = "variables.read";
    /// Set and delete variables.
    VariablesWrite = "variables.write";
    /// See connectors and connections; credentials are shown to nobody.
    ConnectionsRead = "connections.read";
    /// Make, change, test and delete connections.
    ConnectionsWrite = "connections.write";
    /// Read and export the audit ledger.
    AuditRead = "audit.read";
    /// See what the organisation uses, and of which quotas.
    UsageRead = "usage.read";
    /// Change the organisation's settings.
    OrgManage = "org.manage";
    /// Name and remove owners.
    OrgOwn = "org.own";
    /// Export everything that the organisation has.
    OrgExport = "org.export";
    /// Erase the organisation with everything that it has.
    OrgErase = "org.erase";
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
