//! OpenAI's API: chat completions, responses, embeddings, models. Answers are made up, but always the same for the same question.

mod made_up;

use self::made_up::{digest, embedding, instance, strict};
use crate::call::Call;
use crate::desk::Desk;
use crate::rate::{Rule, whole_seconds};
use crate::reply;
use crate::vendor::Vendor;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const KEY: &str = "sk-fake-openai-key";
const CHAT_MODELS: [&str; 2] = ["gpt-fake", "gpt-fake-mini"];
const EMBEDDING_MODEL: &str = "text-embedding-fake";
const DIMENSIONS: usize = 1_536;
const RATE: Rule = Rule::per_minute(500);
const MOST_INPUTS: usize = 2_048;

#[derive(Debug)]
pub(crate) struct OpenAi {
    desk: Arc<Desk>,
    state: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    made: u64,
    responses: BTreeMap<String, Value>,
    /// What a test wants to be answered next.
    answers: VecDeque<String>,
}

/// What a model says, and why it stopped.
struct Said {
    text: String,
    refusal: bool,
    stop: &'static str,
    input_tokens: usize,
    output_tokens: usize,
}

type Answer = Result<Value, Response>;

impl OpenAi {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id(&self, start: &str) -> String {
        let mut state = self.state();
        state.made += 1;
        format!("{start}{:024x}", state.made)
    }

    /// Who calls, and how often: gives how many calls are left.
    fn enter(&self, call: &Call) -> Result<u32, Response> {
        let Some(key) = call.bearer() else {
            return Err(refused(401, "invalid_request_error", None, None, "You didn't provide an API key."));
        };
        if key != KEY {
            let message = "Incorrect API key provided.";
            return Err(refused(401, "invalid_request_error", None, Some("invalid_api_key"), message));
        }
        if call.fault.as_deref() == Some("insufficient_quota") {
            let message = "You exceeded your current quota, please check your plan and billing details.";
            return Err(refused(429, "insufficient_quota", None, Some("insufficient_quota"), message));
        }
        self.desk
            .take("requests", RATE)
            .map_err(|wait| reply::with_header(limited(), "retry-after", whole_seconds(wait)))
    }

    /// A body that is an object and names a model of this kind.
    fn asked(call: &Call, models: &[&str]) -> Result<(Value, String), Response> {
        let body = call
            .json()
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| invalid(None, "We could not parse the JSON body of your request."))?;
        let model =
            body["model"].as_str().ok_or_else(|| invalid(None, "you must provide a model parameter"))?;
        if !models.contains(&model) {
            let message = format!("The model `{model}` does not exist or you do not have access to it.");
            return Err(refused(404, "invalid_request_error", None, Some("model_not_found"), &message));
        }
        let model = model.to_owned();
        for unmodelled in ["tools", "functions", "modalities", "audio"] {
            if body.get(unmodelled).is_some_and(|value| !value.is_null()) {
                return Err(reply::not_modelled(
                    "openai",
                    call.method.as_str(),
                    &call.path,
                    Some(unmodelled),
                ));
            }
        }
        if body["stream"] == true {
            return Err(reply::not_modelled("openai", call.method.as_str(), &call.path, Some("`stream`")));
        }
        Ok((body, model))
    }

    /// What the model says to this input, in the form that is wanted.
    fn say(&self, call: &Call, input: &Value, format: &Value, most: Option<u64>) -> Said {
        let prompt = input.to_string();
        let planned = self.state().answers.pop_front();
        let text = match (planned, format["type"].as_str()) {
            (Some(text), _) => text,
            (None, Some("json_schema")) => {
                let schema = &format["schema"];
                instance(schema, schema, 0).to_string()
            }
            (None, Some("json_object")) => json!({ "answer": digest(&prompt) }).to_string(),
            (None, _) => format!("This is a made-up answer, {}.", digest(&prompt)),
        };
        let tokens = |text: &str| text.chars().count().div_ceil(4);
        let mut said = Said {
            input_tokens: tokens(&prompt),
            output_tokens: tokens(&text),
            text,
            refusal: false,
            stop: "stop",
        };
        match call.fault.as_deref() {
            Some("refusal") => {
                "I'm sorry, I can't help with that.".clone_into(&mut said.text);
                said.refusal = true;
            }
            Some("content_filter") => {
                said.text.clear();
                said.stop = "content_filter";
            }
            Some("length") => cut(&mut said, 1),
            _ => {
                if let Some(most) = most.filter(|most| said.output_tokens as u64 > *most) {
                    cut(&mut said, most as usize);
                }
            }
        }
        said
    }

    fn chat(&self, call: &Call) -> Answer {
        let (body, model) = Self::asked(call, &CHAT_MODELS)?;
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        let messages = messages.ok_or_else(|| {
            invalid(Some("messages"), "Invalid 'messages': expected an array with minimum length 1.")
        })?;
        for (at, message) in messages.iter().enumerate() {
            let role = message["role"].as_str().unwrap_or_default();
            if !["developer", "system", "user", "assistant", "tool"].contains(&role) {
                let param = format!("messages[{at}].role");
                return Err(invalid(Some(&param), &format!("Invalid value: '{role}'.")));
            }
        }
        if body["n"].as_u64().is_some_and(|n| n != 1) {
            return Err(reply::not_modelled("openai", "POST", &call.path, Some("`n` other than 1")));
        }
        let wanted = &body["response_format"];
        let mut format = json!({ "type": wanted["type"] });
        if wanted["type"] == "json_schema" {
            format = wanted["json_schema"].clone();
            check_format(&format, "response_format")?;
            format["type"] = json!("json_schema");
        }
        let most = body["max_completion_tokens"].as_u64().or_else(|| body["max_tokens"].as_u64());
        let said = self.say(call, &body["messages"], &format, most);
        let content =
            if said.refusal || said.stop == "content_filter" { Value::Null } else { json!(said.text) };
        Ok(json!({
            "id": self.id("chatcmpl-"), "object": "chat.completion", "created": call.now.as_second(), "model": model,
            "choices": [{
                "index": 0, "finish_reason": said.stop, "logprobs": null,
                "message": {
                    "role": "assistant", "content": content, "annotations": [],
                    "refusal": if said.refusal { json!(said.text) } else { Value::Null }
                }
            }],
            "usage": {
                "prompt_tokens": said.input_tokens, "completion_tokens": said.output_tokens,
                "total_tokens": said.input_tokens + said.output_tokens
            },
            "service_tier": "default", "system_fingerprint": null
        }))
    }

    fn respond(&self, call: &Call) -> Answer {
        let (body, model) = Self::asked(call, &CHAT_MODELS)?;
        if body["background"] == true {
            return Err(reply::not_modelled("openai", "POST", &call.path, Some("`background`")));
        }
        let input = &body["input"];
        if !input.is_string() && !input.is_array() {
            return Err(refused(
                400,
                "invalid_request_error",
                Some("input"),
                Some("missing_required_parameter"),
                "Missing required parameter: 'input'.",
            ));
        }
        let format = &body["text"]["format"];
        if format["type"] == "json_schema" {
            check_format(format, "text.format")?;
        }
        let said = self.say(call, input, format, body["max_output_tokens"].as_u64());
        let content = if said.refusal {
            json!([{ "type": "refusal", "refusal": said.text }])
        } else if said.stop == "content_filter" {
            json!([])
        } else {
            json!([{ "type": "output_text", "text": said.text, "annotations": [], "logprobs": [] }])
        };
        let reason = match said.stop {
            "length" => Some("max_output_tokens"),
            "content_filter" => Some("content_filter"),
            _ => None,
        };
        let status = if reason.is_some() { "incomplete" } else { "completed" };
        let id = self.id("resp_");
        let value = json!({
            "id": id, "object": "response", "created_at": call.now.as_second(), "status": status, "error": null,
            "incomplete_details": reason.map(|reason| json!({ "reason": reason })),
            "instructions": body["instructions"], "max_output_tokens": body["max_output_tokens"], "model": model,
            "output": [{ "id": self.id("msg_"), "type": "message", "role": "assistant", "status": status, "content": content }],
            "parallel_tool_calls": true, "previous_response_id": body["previous_response_id"],
            "store": body["store"] != false, "temperature": 1.0, "text": { "format": if format.is_null() { json!({ "type": "text" }) } else { format.clone() } },
            "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled", "metadata": {},
            "usage": {
                "input_tokens": said.input_tokens, "input_tokens_details": { "cached_tokens": 0 },
                "output_tokens": said.output_tokens, "output_tokens_details": { "reasoning_tokens": 0 },
                "total_tokens": said.input_tokens + said.output_tokens
            }
        });
        if body["store"] != false {
            self.state().responses.insert(id, value.clone());
        }
        Ok(value)
    }

    fn embed(call: &Call) -> Answer {
        let (body, model) = Self::asked(call, &[EMBEDDING_MODEL])?;
        let inputs = match &body["input"] {
            Value::String(text) if !text.is_empty() => vec![json!(text)],
            Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_u64) => vec![json!(items)],
            Value::Array(items)
                if !items.is_empty() && items.iter().all(|item| item.is_string() || item.is_array()) =>
            {
                items.clone()
            }
            _ => return Err(invalid(Some("input"), "'$.input' is invalid. Please check the API reference.")),
        };
        if inputs.len() > MOST_INPUTS || inputs.iter().any(|input| input == "") {
            return Err(invalid(Some("input"), "'$.input' is invalid. Please check the API reference."));
        }
        let size = match &body["dimensions"] {
            Value::Null => DIMENSIONS,
            wanted => wanted
                .as_u64()
                .filter(|n| (1..=DIMENSIONS as u64).contains(n))
                .ok_or_else(|| invalid(Some("dimensions"), "Invalid value for 'dimensions'."))?
                as usize,
        };
        let base64 = match body["encoding_format"].as_str() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(_) => return Err(invalid(Some("encoding_format"), "Invalid value for 'encoding_format'.")),
        };
        let mut tokens = 0;
        let mut data = Vec::new();
        for (index, input) in inputs.iter().enumerate() {
            tokens += input.to_string().chars().count().div_ceil(4);
            let vector = embedding(&input.to_string(), size);
            let embedding = if base64 {
                let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                json!(base64::engine::general_purpose::STANDARD.encode(bytes))
            } else {
                json!(vector)
            };
            data.push(json!({ "object": "embedding", "index": index, "embedding": embedding }));
        }
        Ok(json!({
            "object": "list", "data": data, "model": model,
            "usage": { "prompt_tokens": tokens, "total_tokens": tokens }
        }))
    }

    fn finish(&self, call: &Call, work: impl FnOnce() -> Answer) -> Response {
        let response = match self.enter(call) {
            Err(response) => response,
            Ok(left) => {
                let response =
                    work().map_or_else(|refusal| refusal, |value| reply::json(StatusCode::OK, &value));
                let response = reply::with_header(response, "x-ratelimit-limit-requests", RATE.calls);
                reply::with_header(response, "x-ratelimit-remaining-requests", left)
            }
        };
        reply::with_header(response, "x-request-id", self.id("req_"))
    }
}

fn refused(status: u16, kind: &str, param: Option<&str>, code: Option<&str>, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply::json(
        status,
        &json!({ "error": { "message": message, "type": kind, "param": param, "code": code } }),
    )
}

fn invalid(param: Option<&str>, message: &str) -> Response {
    refused(400, "invalid_request_error", param, None, message)
}

fn limited() -> Response {
    refused(429, "requests", None, Some("rate_limit_exceeded"), "Rate limit reached. Please try again later.")
}

fn cut(said: &mut Said, tokens: usize) {
    said.text = said.text.chars().take(tokens * 4).collect();
    said.output_tokens = tokens;
    said.stop = "length";
}

/// What is said of a form that is wanted, and of a strict schema.
fn check_format(format: &Value, param: &str) -> Result<(), Response> {
    let name = format["name"].as_str().unwrap_or_default();
    let fits = (1..=64).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !fits {
        return Err(invalid(
            Some(param),
            &format!("Invalid '{param}.name': '{name}' does not match '^[a-zA-Z0-9_-]+$'."),
        ));
    }
    if !format["schema"].is_object() {
        return Err(invalid(Some(param), &format!("Missing required parameter: '{param}.schema'.")));
    }
    if format["strict"] == true
        && let Err(message) = strict(&format["schema"])
    {
        return Err(invalid(Some(param), &format!("Invalid schema for {param} '{name}': {message}")));
    }
    Ok(())
}

async fn chat(State(fake): State<Arc<OpenAi>>, call: Call) -> Response {
    fake.finish(&call, || fake.chat(&call))
}

async fn respond(State(fake): State<Arc<OpenAi>>, call: Call) -> Response {
    fake.finish(&call, || fake.respond(&call))
}

async fn embed(State(fake): State<Arc<OpenAi>>, call: Call) -> Response {
    fake.finish(&call, || OpenAi::embed(&call))
}

async fn response(State(fake): State<Arc<OpenAi>>, Path(id): Path<String>, call: Call) -> Response {
    fake.finish(&call, || {
        let kept = fake.state().responses.get(&id).cloned();
        kept.ok_or_else(|| {
            let message = format!("Response with id '{id}' not found.");
            refused(404, "invalid_request_error", Some("response_id"), None, &message)
        })
    })
}

fn model(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 1_700_000_000, "owned_by": "openai" })
}

async fn models(State(fake): State<Arc<OpenAi>>, call: Call) -> Response {
    fake.finish(&call, || {
        let data: Vec<_> = CHAT_MODELS.iter().chain([&EMBEDDING_MODEL]).map(|id| model(id)).collect();
        Ok(json!({ "object": "list", "data": data }))
    })
}

async fn one_model(State(fake): State<Arc<OpenAi>>, Path(id): Path<String>, call: Call) -> Response {
    fake.finish(&call, || {
        if CHAT_MODELS.contains(&id.as_str()) || id == EMBEDDING_MODEL {
            return Ok(model(&id));
        }
        let message = format!("The model '{id}' does not exist");
        Err(refused(404, "invalid_request_error", Some("model"), Some("model_not_found"), &message))
    })
}

/// Plans texts that are answered next, one a call.
async fn plan(State(fake): State<Arc<OpenAi>>, body: axum::body::Bytes) -> Response {
    match serde_json::from_slice::<Vec<String>>(&body) {
        Ok(answers) => {
            fake.state().answers.extend(answers);
            reply::json(StatusCode::OK, &json!({}))
        }
        Err(error) => {
            reply::json(StatusCode::BAD_REQUEST, &json!({ "error": "admin", "message": error.to_string() }))
        }
    }
}

impl Vendor for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn about(&self) -> Value {
        json!({
            "base_url": format!("{}/v1", self.desk.url), "api_key": KEY, "chat_models": CHAT_MODELS,
            "embedding_model": EMBEDDING_MODEL,
            "admin": { "POST /_admin/answers": "[text, …]: what the model says next, one a call" }
        })
    }

    fn stands_for(&self) -> &'static [&'static str] {
        &["https://api.openai.com"]
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/responses", post(respond))
            .route("/v1/responses/{id}", get(response))
            .route("/v1/embeddings", post(embed))
            .route("/v1/models", get(models))
            .route("/v1/models/{id}", get(one_model))
            .with_state(self)
    }

    fn admin(self: Arc<Self>) -> Router {
        Router::new().route("/answers", post(plan)).with_state(self)
    }

    fn reset(&self) {
        *self.state() = Kept::default();
    }

    fn refusal(&self, status: StatusCode) -> Response {
        if status == StatusCode::TOO_MANY_REQUESTS {
            limited()
        } else {
            let message = "The server had an error while processing your request. Sorry about that!";
            refused(status.as_u16(), "server_error", None, None, message)
        }
    }

    fn faults(&self) -> &'static [&'static str] {
        &["refusal", "length", "content_filter", "insufficient_quota"]
    }
}
