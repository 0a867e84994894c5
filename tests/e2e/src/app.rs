//! One stack and its signed-in owner.

use crate::answer::Answer;
use crate::files::SECRETS;
use crate::process::Process;
use crate::{PATIENCE, answer};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};

/// What every stack's set-up token is fixed to.
pub const SETUP_TOKEN: &str = "set-up-token-of-the-tests";
pub const EMAIL: &str = "ada@example.com";
pub const PASSWORD: &str = "correct horse battery staple";

/// How a stack is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// `PATCHBAY_ALLOW_LOOPBACK`: whether HTTP steps may reach a `Target`.
    pub allow_loopback: bool,
    /// `CHAIN_BUDGET_STEPS`, where it is not the default.
    pub chain_steps: Option<u32>,
    /// `RATE_LIMIT_CALLER` and `RATE_LIMIT_ORGANIZATION`, requests a minute.
    pub rates: (u32, u32),
    /// `PATCHBAY_INSTEAD`: servers that are called in the place of vendors'.
    pub instead: String,
    /// `CREDENTIAL_STORAGE`, where it is not the default.
    pub storage: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        // One owner does in a minute what many would.
        Self {
            allow_loopback: true,
            chain_steps: None,
            rates: (1_000_000, 1_000_000),
            instead: String::new(),
            storage: "",
        }
    }
}

/// A stack, its owner, and a client of its own.
#[derive(Debug)]
pub struct TestApp {
    pub base: String,
    token: String,
    client: Client,
    own: Option<Own>,
}

/// What a stack that is not shared has.
#[derive(Debug)]
struct Own {
    process: Option<Process>,
    options: Options,
    folder: Arc<TempDir>,
}

/// A workflow as a test knows it.
#[derive(Debug, Clone)]
pub struct Workflow {
    pub id: String,
    pub version: u64,
    /// The path of its first webhook, such as `/hooks/hk_…`: the host changes with a restart.
    pub hook: String,
}

struct Shared {
    process: Process,
    token: String,
    _folder: TempDir,
}

static SHARED: OnceCell<Mutex<Shared>> = OnceCell::const_new();

impl TestApp {
    /// The stack that most tests share.
    pub async fn shared() -> Self {
        let shared = SHARED
            .get_or_init(|| async {
                let folder = folder();
                let process =
                    Process::start(&data(folder.path()), "127.0.0.1:0", &variables(&Options::default()));
                let mut app = Self::at(&process.base);
                app.set_up().await;
                Mutex::new(Shared { process, token: app.token, _folder: folder })
            })
            .await
            .lock()
            .await;
        Self { token: shared.token.clone(), ..Self::at(&shared.process.base) }
    }

    /// A stack of the test's own, with its owner.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        let mut app = Self::start_fresh(options);
        app.set_up().await;
        app
    }

    /// A stack of the test's own, before anybody made its owner.
    pub fn start_fresh(options: Options) -> Self {
        let folder = folder();
        let process = Process::start(&data(folder.path()), "127.0.0.1:0", &variables(&options));
        let mut app = Self::at(&process.base);
        app.own = Some(Own { process: Some(process), options, folder: Arc::new(folder) });
        app
    }

    fn at(base: &str) -> Self {
        Self { base: base.to_owned(), token: String::new(), client: client(), own: None }
    }

    /// A deployment that runs elsewhere, before anybody signed in.
    pub fn remote(base: &str) -> Self {
        Self::at(base)
    }

    /// Another pair of hands at the same stack.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { token: self.token.clone(), ..Self::at(&self.base) }
    }

    fn own(&mut self) -> &mut Own {
        self.own.as_mut().expect("the shared stack is not stopped")
    }

    /// What the program said before it was ready.
    pub fn said(&mut self) -> Vec<String> {
        self.own().process.as_ref().map(|p| p.said.clone()).unwrap_or_default()
    }

    /// The program's process id.
    pub fn id(&mut self) -> u32 {
        self.own().process.as_ref().expect("it runs").id()
    }

    /// The folder of tables and secrets.
    pub fn data(&mut self) -> PathBuf {
        data(self.own().folder.path())
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.own().process.take().expect("it runs").kill();
    }

    /// Ctrl-C; gives what the program ended with.
    pub fn interrupt(&mut self) -> ExitStatus {
        self.own().process.take().expect("it runs").interrupt()
    }

    /// Starts the program again on the same data and the same port.
    pub fn restart(&mut self) {
        let addr = self.base.trim_start_matches("http://").to_owned();
        let own = self.own();
        assert!(own.process.is_none(), "it runs still");
        own.process = Some(Process::start(&data(own.folder.path()), &addr, &variables(&own.options)));
        // The old one's connections lead to the process that is gone.
        self.client = client();
    }

    /// The same with another `CREDENTIAL_STORAGE`.
    pub fn restart_storing(&mut self, storage: &'static str) {
        self.own().options.storage = storage;
        self.restart();
    }

    /// The names of the secrets of connections in the emulated Secrets Manager.
    pub fn credential_secrets(&mut self) -> Vec<String> {
        let kept = std::fs::read(self.data().join(SECRETS)).expect("secrets are kept");
        let kept: Value = serde_json::from_slice(&kept).expect("they are JSON");
        let names = kept["secrets"].as_object().expect("they have names").keys();
        let mut names: Vec<String> = names.filter(|name| name.contains("/credentials/")).cloned().collect();
        names.sort();
        names
    }

    /// Makes the owner and signs in as such.
    pub async fn set_up(&mut self) -> Value {
        self.set_up_with(SETUP_TOKEN).await.expect(201)
    }

    /// Makes the owner, or signs in if there is one already.
    pub async fn set_up_or_sign_in(&mut self, setup_token: &str) {
        let done = self.set_up_with(setup_token).await;
        if done.status != 201 {
            done.refused(409, "already_set_up");
            self.sign_in().await;
        }
    }

    async fn set_up_with(&mut self, setup_token: &str) -> Answer {
        let body = json!({"token": setup_token, "email": EMAIL, "password": PASSWORD, "organization": "Analytical Engines"});
        let done = self.post("/v1/setup", &body).await;
        if done.status == 201 {
            text(&done.json()["access_token"]).clone_into(&mut self.token);
        }
        done
    }

    /// Signs in with the owner's password.
    pub async fn sign_in(&mut self) -> Value {
        let done =
            self.post("/v1/auth/login", &json!({"email": EMAIL, "password": PASSWORD})).await.expect(200);
        text(&done["access_token"]).clone_into(&mut self.token);
        done
    }

    /// The same hands with another token; an empty one is not sent.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    /// The access token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The texts of all mails that the stack has sent, in order.
    pub fn mails(&mut self) -> Vec<String> {
        let folder = self.data().join("mail");
        let files = std::fs::read_dir(folder).into_iter().flatten();
        let mut files: Vec<_> = files.map(|file| file.expect("it is there").path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read_to_string(file).expect("it is a text")).collect()
    }

    /// Somebody else, invited as this and signed in.
    pub async fn invite(&mut self, email: &str, role: &str) -> Self {
        self.post("/v1/invitations", &json!({"email": email, "role": role})).await.expect(201);
        let token = secret_of(self.mails().last().expect("a mail was sent"));
        let body = json!({"token": token, "password": PASSWORD});
        let accepted = self.fork().with_token("").post("/v1/invitations/accept", &body).await.expect(200);
        self.fork().with_token(text(&accepted["access_token"]))
    }

    /// Signs in; gives the answer, whatever it is.
    pub async fn log_in(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.fork().with_token("").post("/v1/auth/login", &body).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(with_json(self.request(Method::PATCH, path), body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Posts with further headers.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let request = with_json(self.request(Method::POST, path), body);
        self.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    /// A request to build on, with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let request = self.client.request(method, url);
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    /// Sends a request that must be answered, whatever the answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap_or_else(|e| panic!("no answer: {e:?}"))
    }

    pub async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let request = request.build()?;
        let asked = format!("{} {}", request.method(), request.url());
        Answer::of(asked, self.client.execute(request).await?).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(with_json(self.request(Method::POST, path), body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(with_json(self.request(Method::PUT, path), body)).await
    }

    /// Posts bytes as they are.
    pub async fn post_raw(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", content_type).body(body.into());
        self.send(request).await
    }

    pub async fn create_workflow(&self, definition: &Value) -> Workflow {
        Workflow::of(&self.post("/v1/workflows", definition).await.expect(201))
    }

    pub async fn change_workflow(&self, id: &str, definition: &Value) -> Workflow {
        Workflow::of(&self.put(&format!("/v1/workflows/{id}"), definition).await.expect(200))
    }

    pub async fn enable(&self, id: &str) {
        self.post(&format!("/v1/workflows/{id}/enable"), &json!({})).await.expect(200);
    }

    pub async fn disable(&self, id: &str) {
        self.post(&format!("/v1/workflows/{id}/disable"), &json!({})).await.expect(200);
    }

    /// Creates a workflow and enables it.
    pub async fn publish(&self, definition: &Value) -> Workflow {
        let workflow = self.create_workflow(definition).await;
        self.enable(&workflow.id).await;
        workflow
    }

    /// Sends a webhook, as somebody who has no token.
    pub async fn hook(&self, hook: &str, body: &Value) -> Answer {
        self.fork().with_token("").post(hook, body).await
    }

    /// Sends a webhook that starts a run; gives its id.
    pub async fn hook_run(&self, hook: &str, body: &Value) -> String {
        text(&self.hook(hook, body).await.expect(202)["id"]).to_owned()
    }

    /// Starts a run by hand; gives its id.
    pub async fn start_run(&self, workflow: &str, input: &Value) -> String {
        let started =
            self.post(&format!("/v1/workflows/{workflow}/runs"), &json!({"input": input})).await.expect(202);
        text(&started["id"]).to_owned()
    }

    /// Publishes steps as a workflow, and runs it by hand until it has this status.
    pub async fn run_steps(&self, steps: Value, input: &Value, status: &str) -> Value {
        let workflow = self.publish(&crate::manual("some steps", steps)).await;
        let run = self.start_run(&workflow.id, input).await;
        self.wait_until(&run, status).await
    }

    /// Puts an event on the bus.
    pub async fn put_event(&self, source: &str, detail_type: &str, detail: &Value) -> String {
        let event = json!({"source": source, "detail_type": detail_type, "detail": detail});
        text(&self.post("/v1/events", &event).await.expect(202)["id"]).to_owned()
    }

    pub async fn cancel(&self, run: &str) -> Answer {
        self.post(&format!("/v1/runs/{run}/cancel"), &json!({})).await
    }

    /// A run with its steps.
    pub async fn run(&self, run: &str) -> Value {
        self.get(&format!("/v1/runs/{run}")).await.expect(200)
    }

    /// Waits until a run has this status; gives the run. A run that ends otherwise fails the test.
    pub async fn wait_until(&self, run: &str, status: &str) -> Value {
        self.wait_for(&format!("run `{run}` to be {status}"), || async {
            let view = self.run(run).await;
            if view["status"] == status {
                return Some(view);
            }
            let over = ["succeeded", "failed", "cancelled", "timed_out"].contains(&text(&view["status"]));
            assert!(!over, "the run ended, but not as {status}: {view:#}");
            None
        })
        .await
    }

    /// All runs that a query selects, through every page.
    pub async fn runs(&self, query: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/v1/runs?limit=100&{query}{cursor}")).await.expect(200);
            all.extend(page["items"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// The runs of a workflow, once there are so many.
    pub async fn runs_of(&self, workflow: &str, count: usize) -> Vec<Value> {
        self.wait_for(&format!("{count} runs of `{workflow}`"), || async {
            let runs = self.runs(&format!("workflow={workflow}")).await;
            (runs.len() >= count).then_some(runs)
        })
        .await
    }

    /// Polls until there is something.
    pub async fn wait_for<T, F: Future<Output = Option<T>>>(
        &self,
        what: &str,
        mut look: impl FnMut() -> F,
    ) -> T {
        let since = Instant::now();
        let mut pause = Duration::from_millis(5);
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(since.elapsed() < PATIENCE, "waited too long for {what}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// Runs something small from start to end: whatever else goes on, this must work.
    pub async fn assert_undisturbed(&self) {
        let steps = json!([{"id": "sum", "type": "map", "output": {"n": "{{ $sum(trigger.input.of) }}"}}]);
        let run = self.run_steps(steps, &json!({"of": [1, 2, 3]}), "succeeded").await;
        assert_eq!(run["steps"][0]["output"], json!({"n": 6}), "{run:#}");
    }
}

impl Workflow {
    fn of(view: &Value) -> Self {
        let url = view["triggers"].as_array().into_iter().flatten().find_map(|t| t["url"].as_str());
        let hook = url.and_then(|url| url.find("/hooks/").map(|at| url[at..].to_owned()));
        Self {
            id: text(&view["id"]).to_owned(),
            version: view["version"].as_u64().expect("a version"),
            hook: hook.unwrap_or_default(),
        }
    }
}

/// What stands behind the `#` of the link in a mail.
#[track_caller]
pub fn secret_of(mail: &str) -> String {
    let rest = mail.split_once('#').unwrap_or_else(|| panic!("no link in {mail}")).1;
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// Finds a step of a run by its path.
#[track_caller]
pub fn step<'a>(run: &'a Value, path: &str) -> &'a Value {
    let steps = run["steps"].as_array().expect("a run has steps");
    steps.iter().find(|s| s["path"] == path).unwrap_or_else(|| panic!("no step `{path}` in {run:#}"))
}

/// Asserts that a run failed at a step with a code that has its page.
#[track_caller]
pub fn assert_failed(run: &Value, path: &str, code: &str) {
    assert_eq!(run["status"], "failed", "{run:#}");
    assert_eq!(run["error"]["code"], code, "{run:#}");
    assert_eq!(run["error"]["step"], path, "{run:#}");
    let step = step(run, path);
    assert_eq!((&step["status"], &step["error"]["code"]), (&json!("failed"), &json!(code)), "{run:#}");
    assert!(step["error"]["message"].as_str().is_some_and(|m| m.len() > 10), "{run:#}");
    assert!(step["finished_at"].is_string(), "{run:#}");
    answer::has_page(code);
}

#[track_caller]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text"))
}

fn with_json(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header("content-type", "application/json").body(body.to_string())
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(PATIENCE).build().expect("a plain client")
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("patchbay-e2e-").tempdir().expect("a temporary folder")
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn variables(options: &Options) -> Vec<(String, String)> {
    let mut all = vec![("PATCHBAY_SETUP_TOKEN".to_owned(), SETUP_TOKEN.to_owned())];
    if options.allow_loopback {
        all.push(("PATCHBAY_ALLOW_LOOPBACK".to_owned(), "1".to_owned()));
    }
    all.push(("CREDENTIAL_STORAGE".to_owned(), options.storage.to_owned()));
    all.push(("PATCHBAY_INSTEAD".to_owned(), options.instead.clone()));
    let (caller, organization) = options.rates;
    all.push(("RATE_LIMIT_CALLER".to_owned(), caller.to_string()));
    all.push(("RATE_LIMIT_ORGANIZATION".to_owned(), organization.to_string()));
    if let Some(steps) = options.chain_steps {
        all.push(("CHAIN_BUDGET_STEPS".to_owned(), steps.to_string()));
    }
    all
}
