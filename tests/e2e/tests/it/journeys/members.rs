//! People come in, get other roles, and leave.

use e2e::{EMAIL, PASSWORD, SETUP_TOKEN, TestApp, secret_of, text};
use serde_json::{Value, json};

fn member<'a>(list: &'a Value, email: &str) -> &'a Value {
    let items = list["items"].as_array().unwrap();
    items.iter().find(|member| member["email"] == email).unwrap_or_else(|| panic!("{email} in {list}"))
}

#[tokio::test]
async fn somebody_is_invited_changed_and_removed() {
    let mut app = TestApp::start().await;
    let invited = json!({"email": "Grace@Example.com", "role": "editor"});
    let invitation = app.post("/v1/invitations", &invited).await.expect(201);
    assert_eq!((&invitation["email"], &invitation["role"]), (&json!("grace@example.com"), &json!("editor")));
    assert!(invitation.get("link").is_none(), "the link proves the address: only the mail has it");
    let mail = app.mails().pop().unwrap();
    assert!(mail.contains("To: grace@example.com") && mail.contains("Analytical Engines"), "{mail}");
    let token = secret_of(&mail);
    assert_eq!(app.get("/v1/invitations").await.expect(200)["items"][0]["id"], invitation["id"]);

    let nobody = app.fork().with_token("");
    let accept = async |token: &str, password: &str| {
        nobody.post("/v1/invitations/accept", &json!({"token": token, "password": password})).await
    };
    accept("pbi_guess", PASSWORD).await.refused(404, "invitation_not_found");
    accept(&token, "short").await.refused(422, "password_too_short");
    let tokens = accept(&token, PASSWORD).await.expect(200);
    accept(&token, PASSWORD).await.refused(404, "invitation_not_found");
    let grace = app.fork().with_token(text(&tokens["access_token"]));
    let me = grace.get("/v1/me").await.expect(200);
    assert_eq!((&me["name"], &me["role"]), (&json!("grace@example.com"), &json!("editor")));
    assert_eq!(me["organizations"][0]["name"], "Analytical Engines");
    app.post("/v1/invitations", &invited).await.refused(409, "already_member");

    // She builds, and manages nobody.
    grace.create_workflow(&e2e::manual("hers", json!([]))).await;
    grace.post("/v1/invitations", &invited).await.refused(403, "permission_denied");
    let list = grace.get("/v1/members").await.expect(200);
    let (ada, id) =
        (text(&member(&list, EMAIL)["id"]), text(&member(&list, "grace@example.com")["id"]).to_owned());
    grace.delete(&format!("/v1/members/{ada}")).await.refused(403, "permission_denied");

    // A role that is taken counts at once, with a token from before.
    let of_grace = format!("/v1/members/{id}");
    app.patch(&of_grace, &json!({"role": "king"})).await.refused(422, "invalid_role");
    app.patch(&of_grace, &json!({"role": "viewer"})).await.expect(200);
    grace.post("/v1/workflows", &e2e::manual("hers", json!([]))).await.refused(403, "permission_denied");
    grace.get("/v1/workflows").await.expect(200);
    assert_eq!(app.delete(&of_grace).await.status, 204);
    grace.get("/v1/workflows").await.refused(401, "token_invalid");
    app.delete(&of_grace).await.refused(404, "member_not_found");
    app.log_in("grace@example.com", PASSWORD).await.refused(403, "not_a_member");

    // An account that exists proves itself with its own password.
    app.post("/v1/invitations", &invited).await.expect(201);
    let token = secret_of(&app.mails().pop().unwrap());
    accept(&token, "not the right password").await.refused(401, "sign_in_failed");
    accept(&token, PASSWORD).await.expect(200);

    let withdrawn =
        app.post("/v1/invitations", &json!({"email": "eve@example.com", "role": "viewer"})).await.expect(201);
    let token = secret_of(&app.mails().pop().unwrap());
    let path = format!("/v1/invitations/{}", text(&withdrawn["id"]));
    assert_eq!(app.delete(&path).await.status, 204);
    app.delete(&path).await.refused(404, "invitation_not_found");
    accept(&token, PASSWORD).await.refused(404, "invitation_not_found");
}

#[tokio::test]
async fn only_owners_make_owners_and_the_last_one_stays() {
    let mut app = TestApp::start().await;
    let admin = app.invite("grace@example.com", "admin").await;
    let list = app.get("/v1/members").await.expect(200);
    let of = |email| format!("/v1/members/{}", text(&member(&list, email)["id"]));
    let (of_ada, of_grace) = (of(EMAIL), of("grace@example.com"));
    app.post("/v1/organization/leave", &json!({})).await.refused(409, "last_owner");
    app.patch(&of_ada, &json!({"role": "admin"})).await.refused(409, "last_owner");
    app.delete(&of_ada).await.refused(409, "last_owner");
    admin.delete(&of_ada).await.refused(403, "permission_denied");
    admin.patch(&of_ada, &json!({"role": "viewer"})).await.refused(403, "permission_denied");
    admin.patch(&of_grace, &json!({"role": "owner"})).await.refused(403, "permission_denied");
    let owner = json!({"email": "eve@example.com", "role": "owner"});
    admin.post("/v1/invitations", &owner).await.refused(403, "permission_denied");
    app.patch(&of_grace, &json!({"role": "owner"})).await.expect(200);
    assert_eq!(app.post("/v1/organization/leave", &json!({})).await.status, 204);
    app.get("/v1/me").await.refused(401, "token_invalid");
    assert_eq!(admin.get("/v1/me").await.expect(200)["role"], "owner");
}

#[tokio::test]
async fn one_person_belongs_to_several_organisations_and_goes_from_one_to_the_other() {
    let app = TestApp::start().await;
    let further = |token: &str| json!({"token": token, "name": "Difference Engines"});
    app.post("/v1/organizations", &further("guess")).await.refused(403, "setup_token_wrong");
    let made = app.post("/v1/organizations", &further(SETUP_TOKEN)).await.expect(201);
    app.create_workflow(&e2e::manual("of the first", json!([]))).await;

    let signed_in = app.log_in(EMAIL, PASSWORD).await;
    let body = json!({"organization": made["id"]});
    let over = app.post_with("/v1/auth/refresh", &[("cookie", &signed_in.cookie("pb_refresh"))], &body).await;
    let over = over.expect(200);
    assert_eq!(over["organization"], made["id"]);
    let there = app.fork().with_token(text(&over["access_token"]));
    assert_eq!(there.get("/v1/workflows").await.expect(200)["items"], json!([]));
    assert_eq!(there.get("/v1/organization").await.expect(200)["name"], "Difference Engines");
    let me = there.get("/v1/me").await.expect(200);
    assert_eq!(me["organizations"].as_array().unwrap().len(), 2);

    let body = json!({"email": EMAIL, "password": PASSWORD, "organization": made["id"]});
    assert_eq!(app.post("/v1/auth/login", &body).await.expect(200)["organization"], made["id"]);
    let body =
        json!({"email": EMAIL, "password": PASSWORD, "organization": "org_00000000000000000000000000"});
    app.post("/v1/auth/login", &body).await.refused(403, "not_a_member");
    let body = json!({"email": EMAIL, "password": PASSWORD, "organization": "x"});
    app.post("/v1/auth/login", &body).await.refused(422, "invalid_organization");
}

#[tokio::test]
async fn every_permission_names_its_roles() {
    let app = TestApp::shared().await;
    let roles = app.get("/v1/roles").await.expect(200);
    let of = |name: &str| {
        let items = roles["items"].as_array().unwrap();
        items.iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("{name}"))["roles"].clone()
    };
    assert_eq!(of("workflows.write"), json!(["owner", "admin", "editor"]));
    assert_eq!(of("org.own"), json!(["owner"]));
    assert_eq!(of("runs.read"), json!(["owner", "admin", "editor", "operator", "viewer"]));
    assert!(
        roles["items"].as_array().unwrap().iter().all(|p| text(&p["description"]).ends_with('.')),
        "{roles}"
    );
}
