from scenario import ABOUT, admin, check, end, fault, refused, requests
import json
import openai
from pydantic import BaseModel

client = openai.OpenAI(api_key=ABOUT["api_key"], base_url=ABOUT["base_url"])
once = client.with_options(max_retries=0)
model = ABOUT["chat_models"][0]
ask = {"model": model, "messages": [{"role": "user", "content": "What is it?"}]}


class Step(BaseModel):
    kind: str
    count: int
    parts: list[float]
    note: str | None


def form(schema):
    return {"type": "json_schema", "json_schema": {"name": "step", "strict": True, "schema": schema}}


answer = client.chat.completions.create(**ask)
check("a chat", lambda: answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens > 0)
check("the same question, the same answer", lambda: client.chat.completions.create(**ask).choices[0].message.content == answer.choices[0].message.content)
check("a parsed answer", lambda: client.chat.completions.parse(**ask, response_format=Step).choices[0].message.parsed.count == 1)
check("a parsed response", lambda: client.responses.parse(model=model, input="What?", text_format=Step).output_parsed.count == 1)
kept = client.responses.create(model=model, input="What?")
check("responses", lambda: kept.status == "completed" and kept.output_text)
check("a response again", lambda: client.responses.retrieve(kept.id).output_text == kept.output_text)
check("no such response", lambda: refused(openai.NotFoundError, lambda: client.responses.retrieve("resp_no")))
check("a schema that is not strict", lambda: refused(openai.BadRequestError, lambda: client.chat.completions.create(**ask, response_format=form({"type": "object", "properties": {"a": {"type": "string"}}})), lambda e: e.param == "response_format"))
check("cut by its limit", lambda: client.chat.completions.create(**ask, max_completion_tokens=2).choices[0].finish_reason == "length")
check("a cut response", lambda: client.responses.create(model=model, input="x", max_output_tokens=2).incomplete_details.reason == "max_output_tokens")
fault("refusal")
check("a refusal", lambda: (lambda m: m.content is None and m.refusal)(client.chat.completions.create(**ask).choices[0].message))
fault("refusal")
check("a refusal in a response", lambda: client.responses.create(model=model, input="x").output[0].content[0].type == "refusal")
fault("content_filter")
check("a filtered answer", lambda: client.chat.completions.create(**ask).choices[0].finish_reason == "content_filter")
fault("length")
check("an answer that is cut is no JSON", lambda: refused(openai.LengthFinishReasonError, lambda: client.chat.completions.parse(**ask, response_format=Step)))
fault("insufficient_quota")
check("no quota", lambda: refused(openai.RateLimitError, lambda: once.chat.completions.create(**ask), lambda e: e.code == "insufficient_quota"))
admin("answers", [json.dumps({"planned": True})])
check("a planned answer", lambda: json.loads(client.chat.completions.create(**ask).choices[0].message.content)["planned"])
vector = client.embeddings.create(model=ABOUT["embedding_model"], input=["a", "b"])
check("embeddings", lambda: len(vector.data) == 2 and abs(sum(x * x for x in vector.data[0].embedding) - 1) < 1e-3)
check("embeddings asked for as numbers", lambda: abs(client.embeddings.create(model=ABOUT["embedding_model"], input="a", encoding_format="float").data[0].embedding[0] - vector.data[0].embedding[0]) < 1e-6)
check("fewer dimensions", lambda: len(client.embeddings.create(model=ABOUT["embedding_model"], input="a", dimensions=8).data[0].embedding) == 8)
check("models", lambda: model in [m.id for m in client.models.list()])
check("no such model", lambda: refused(openai.NotFoundError, lambda: client.chat.completions.create(model="no", messages=ask["messages"]), lambda e: e.code == "model_not_found"))
check("another key", lambda: refused(openai.AuthenticationError, lambda: openai.OpenAI(api_key="sk-no", base_url=ABOUT["base_url"]).models.list(), lambda e: e.code == "invalid_api_key"))
check("no messages", lambda: refused(openai.BadRequestError, lambda: client.chat.completions.create(model=model, messages=[])))
fault("503", next=2)
check("it tries again", lambda: client.models.list().data)
fault("429", seconds=1)
check("it waits", lambda: client.models.list().data)
fault("429")
check("limited", lambda: refused(openai.RateLimitError, lambda: once.models.list(), lambda e: e.code == "rate_limit_exceeded"))
fault("timeout_after_commit", seconds=1)
check("an answer that is lost", lambda: refused(openai.APIConnectionError, lambda: once.chat.completions.create(**ask)))
fault("truncated")
check("an answer that breaks off", lambda: refused(Exception, lambda: once.chat.completions.create(**ask)))
check("what is not modelled", lambda: refused(openai.APIStatusError, lambda: once.moderations.create(input="x"), lambda e: e.status_code == 501))
check("streams are not", lambda: refused(openai.APIStatusError, lambda: once.chat.completions.create(**ask, stream=True), lambda e: e.status_code == 501))
check("no credential is kept", lambda: ABOUT["api_key"] not in str(requests()))
end()
