//! What a caller may be allowed to do: the registry of permissions.

/// A permission that a handler can require by its type, `Can<permit::RunsRead>`.
pub trait Permit: Send + Sync + 'static {
    const PERMISSION: Permission;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What a caller may do within its organisation. [`Role`](crate::Role) says who may.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

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
                $(#[$doc])*
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
    /// Invite and remove members, change roles below owner.
    MembersManage = "members.manage";
    /// Change the organisation's settings.
    OrgManage = "org.manage";
    /// Name and remove owners, delete the organisation.
    OrgOwn = "org.own";
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
