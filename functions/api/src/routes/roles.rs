//! What each role may do.

use auth::{Can, Permission, Role, permit};
use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Roles {
    items: Vec<PermissionView>,
}

/// A permission, and the roles that have it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Permission)]
pub(crate) struct PermissionView {
    #[schema(example = "workflows.write")]
    name: &'static str,
    #[schema(example = "Create, change, enable and delete workflows.")]
    description: &'static str,
    #[schema(example = json!(["owner", "admin", "editor"]))]
    roles: Vec<&'static str>,
}

/// Every permission, and the roles that have it. The same names are the scopes of API keys.
#[utoipa::path(get, path = "/v1/roles", tag = "members", security(("token" = [])), responses((status = 200, body = Roles)))]
pub(crate) async fn roles(_: Can<permit::OrgRead>) -> Json<Roles> {
    let items = Permission::ALL.iter().map(|permission| PermissionView {
        name: permission.as_str(),
        description: permission.describe(),
        roles: Role::ALL.iter().filter(|role| role.can(*permission)).map(|role| role.as_str()).collect(),
    });
    Json(Roles { items: items.collect() })
}
