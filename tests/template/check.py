#!/usr/bin/env python3
"""Whether template.yaml fits the code, and what cfn-lint, sam and checkov say of it.

`run` beside this file calls it inside a virtual environment with the judges. The Rust sources are read as text: constants, variables
and routes are written the same way everywhere, and a form that is not understood here is a fault, not a pass.
"""

import fnmatch
import functools
import json
import os
import pathlib
import re
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Statements that may say `Resource: "*"`, as (role, Sid): why no narrower resource can be named.
UNAVOIDABLE_WILDCARDS: dict[tuple[str, str], str] = {
    ("ApiRole", "Files"): "objects are named by organisations and runs",
    ("ExecutorRole", "Files"): "objects are named by organisations and runs",
    ("EraserRole", "Files"): "objects are named by organisations and runs",
    ("ApiRole", "Mail"): "SES may have verified the address or its domain; a condition names the one address that mail comes from",
    ("ApiRole", "Credentials"): "secrets of connections are named by organisations",
    ("ApiRole", "NewCredentials"): "secrets of connections are named by organisations",
    ("ExecutorRole", "Credentials"): "secrets of connections are named by organisations",
    ("EraserRole", "Credentials"): "secrets of connections are named by organisations",
    ("EraserRole", "CredentialList"): "AWS knows no narrower resource for secretsmanager:ListSecrets, which gives names and nothing that is held",
    ("TimerRole", "Mail"): "SES may have verified the address or its domain; a condition names the one address that mail comes from",
}
# Where the secrets of connections are, and who may do what with them. The keyring is not among them.
CREDENTIALS = "${AWS::StackName}/credentials"
CREDENTIAL_SECRETS = {"Fn::Sub": "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:" + CREDENTIALS + "/*"}
CREDENTIAL_RIGHTS = {
    "api": {"secretsmanager:CreateSecret", "secretsmanager:GetSecretValue", "secretsmanager:DeleteSecret"},
    "executor": {"secretsmanager:GetSecretValue"},
    "eraser": {"secretsmanager:DeleteSecret"},
}
# Tables that hold nothing worth keeping: they go with the stack, and need no backup.
EPHEMERAL = {"TokensTable"}

# What each use of a queue, a bus or a secret needs, and nothing else may be granted on it.
CONSUME = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
CONSUME_STREAM = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}
DEAD_RETENTION = 14 * 24 * 3600
# The longest that an HTTP API waits for a function, in milliseconds.
HTTP_API_LONGEST = 30_000
# More essential alarms than this would cost more than docs/operations.md says.
ESSENTIAL_METRICS = 5


# ------------------------------------------------------------------ the template


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML with CloudFormation's short forms, written out long."""


def long_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix in ("Ref", "Condition"):
        return {suffix: value}
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", long_form)


def parse(text: str) -> dict:
    return yaml.load(text, Loader)


def target(value) -> str | None:
    """The logical id that `!Ref X`, `!GetAtt X.Arn` or `!Sub ${X.Arn}/…` names."""
    if not isinstance(value, dict):
        return None
    if "Ref" in value:
        return value["Ref"]
    if "Fn::GetAtt" in value:
        return value["Fn::GetAtt"][0]
    named = re.findall(r"\$\{(\w+)[.}]", value["Fn::Sub"]) if isinstance(value.get("Fn::Sub"), str) else []
    return named[0] if named else None


class Template:
    def __init__(self, text: str):
        self.text = text
        self.doc = parse(text)
        self.resources = self.doc["Resources"]
        self.defaults = self.doc.get("Globals", {}).get("Function", {})

    def of_type(self, kind: str) -> dict[str, dict]:
        return {name: r for name, r in self.resources.items() if r["Type"] == kind}

    @functools.cached_property
    def functions(self) -> dict[str, dict]:
        """Functions by the name of their program, with the globals put in."""
        found = {}
        for name, resource in self.of_type("AWS::Serverless::Function").items():
            own = resource["Properties"]
            merged = {**self.defaults, **own}
            variables = {**variables_of(self.defaults), **variables_of(own)}
            program = resource.get("Metadata", {}).get("BuildProperties", {}).get("Binary", name)
            found[program] = {"id": name, "properties": merged, "variables": variables, "metadata": resource.get("Metadata", {})}
        return found

    def sources(self, function: dict) -> list[dict]:
        events = function["properties"].get("Events", {}).values()
        return [e["Properties"] for e in events if e["Type"] == "SQS"]

    def streams(self, function: dict) -> list[dict]:
        events = function["properties"].get("Events", {}).values()
        return [e["Properties"] for e in events if e["Type"] == "DynamoDB"]

    def role(self, function: dict) -> str | None:
        return target(function["properties"].get("Role"))

    def grants(self, role: str) -> list[tuple[str, set[str], list]]:
        """What a role allows: (Sid, actions, resources) of each statement."""
        out = []
        for policy in self.resources[role]["Properties"].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                # What a condition grants counts as granted.
                statement = statement["Fn::If"][1] if "Fn::If" in statement else statement
                actions, resources = statement.get("Action", "*"), statement.get("Resource", "*")
                out.append((
                    statement.get("Sid", ""),
                    set(actions if isinstance(actions, list) else [actions]),
                    resources if isinstance(resources, list) else [resources],
                ))
        return out

    def allows(self, role: str, action: str, resource: str) -> bool:
        return any(action in actions and resource in map(target, resources) for _, actions, resources in self.grants(role))


def variables_of(properties: dict) -> dict:
    return properties.get("Environment", {}).get("Variables", {})


# ------------------------------------------------------------------ the code


class Code:
    """What the Rust sources say."""

    def __init__(self, root: pathlib.Path):
        self.root = root

    @functools.lru_cache(maxsize=None)
    def read(self, path: str) -> str:
        return without_comments((self.root / path).read_text())

    @functools.cached_property
    def limits(self) -> dict[str, float]:
        """The constants of limits.rs; durations in seconds."""
        unit = {"millis": 0.001, "secs": 1, "mins": 60, "hours": 3600}
        text = self.read("shared/domain/src/limits.rs")
        found = {
            name: int(number.replace("_", "")) * unit[of]
            for name, of, number in re.findall(r"pub const (\w+): Duration = Duration::from_(\w+)\(([\d_]+)\);", text)
        }
        for name, number in re.findall(r"pub const (\w+): u\d+ = ([\d_]+);", text):
            found[name] = int(number.replace("_", ""))
        return found

    @functools.cached_property
    def programs(self) -> set[str]:
        return {p.parent.name for p in (self.root / "functions").glob("*/Cargo.toml")}

    def variables(self, program: str) -> tuple[set[str], set[str]]:
        """The variables that a program cannot start without, and the ones that it reads besides."""
        source = "".join(self.read(f"functions/{program}/src/{f}") for f in ("config.rs", "main.rs"))
        shared = "".join(self.read(str(p.relative_to(self.root))) for p in sorted((self.root / "shared/runtime/src").glob("*.rs")))
        pattern = r'vars\s*\.\s*(required|optional|parsed)\(\s*"(\w+)"'
        required, optional = set(), set()
        for how, name in re.findall(pattern, source + shared):
            (required if how == "required" else optional).add(name)
        if "TableNames::read" in source:
            required |= set(re.findall(r'variable\("(\w+)"\)', self.read("shared/store/src/tables.rs")))
        if "QueueUrls::read" in source:
            required |= set(re.findall(r'variable\("(\w+)"\)', self.read("shared/dispatch/src/queue.rs")))
        if "RateLimits::read" in source:
            optional |= {name for _, name in re.findall(pattern, self.read("functions/api/src/layers/limits.rs"))}
        if "Bucket::read" in source:
            required |= {name for how, name in re.findall(pattern, self.read("shared/blobs/src/s3.rs")) if how == "required"}
        return required, optional

    @functools.cached_property
    def budget(self) -> dict[str, int]:
        text = self.read("functions/executor/src/budget.rs")
        steps, minutes = re.search(r"Self \{ steps: (\d+), time: Duration::from_mins\((\d+)\) \}", text).groups()
        return {"steps": int(steps), "ms": int(minutes) * 60_000}

    @functools.cached_property
    def tables(self) -> dict[str, dict]:
        """Each table as `create_table` makes it, by its name in `TableNames`."""
        text = self.read("shared/store/src/tables.rs")
        index_name = re.search(r'LIST_INDEX: &str = "(\w+)"', text).group(1)
        head, index_part = text.split("async fn create_table(", 1)[1].split("if with_list {", 1)
        key = r'key\("(\w+)", KeyType::(Hash|Range)\)'
        own = [(name, kind.upper()) for name, kind in re.findall(key, head)]
        index = {
            "name": index_name,
            "keys": [(name, kind.upper()) for name, kind in re.findall(key, index_part)],
            "with": re.findall(r'non_key_attributes\("(\w+)"\)', index_part),
        }
        ttl = re.search(r'attribute_name\("(\w+)"\)', index_part.split("TimeToLiveSpecification")[-1])
        return {
            name: {"keys": own, "index": index if flag == "true" else None, "ttl": ttl.group(1)}
            for name, flag in re.findall(r"\(&self\.tables\.(\w+), (true|false)\)", text)
        }

    @functools.cached_property
    def stream(self) -> dict:
        """What the function stream asks of its stream."""
        text = self.read("shared/store/src/tables.rs")
        view = re.search(r"StreamViewType::(\w+)\)", text).group(1)
        filters = json.loads((self.root / "functions/stream/src/filters.json").read_text())
        return {"view": re.sub(r"(?<!^)(?=[A-Z])", "_", view).upper(), "filters": filters}

    @functools.cached_property
    def routes(self) -> list[tuple[str, str]]:
        found = []
        for path in sorted((self.root / "functions/api/src/routes").rglob("*.rs")):
            text = self.read(str(path.relative_to(self.root)))
            here = re.findall(r'#\[utoipa::path\(\s*(\w+),\s*path = "([^"]+)"', text)
            if len(here) != text.count("utoipa::path("):
                raise SystemExit(f"{path}: a route is written in a form that this check does not read")
            found += [(method.upper(), route) for method, route in here]
        return found


def without_comments(text: str) -> str:
    return re.sub(r"//[^\n]*", "", text)


# ------------------------------------------------------------------ the checks: each yields faults


def programs(t: Template, code: Code):
    for missing in sorted(code.programs - t.functions.keys()):
        yield f"functions/{missing} is not in the template"
    for extra in sorted(t.functions.keys() - code.programs):
        yield f"the template builds `{extra}`, which is no folder of functions/"
    for name, f in t.functions.items():
        p = f["properties"]
        if (p.get("Runtime"), p.get("Handler")) != ("provided.al2023", "bootstrap"):
            yield f"{name}: Runtime and Handler must be provided.al2023 and bootstrap"
        if f["metadata"].get("BuildMethod") != "rust-cargolambda":
            yield f"{name}: BuildMethod must be rust-cargolambda"
        if p.get("Architectures") != [{"Ref": "Architecture"}]:
            yield f"{name}: the parameter Architecture decides, here it does not"


def variables(t: Template, code: Code):
    for name, f in t.functions.items():
        if name not in code.programs:
            continue
        required, optional = code.variables(name)
        needed = {v for v in required if not v.startswith("AWS_")}
        for v in sorted(needed - f["variables"].keys()):
            yield f"{name}: the variable {v} is read by its Config and not set"
        for v in sorted(f["variables"].keys() - required - optional):
            yield f"{name}: the variable {v} is set, and nothing reads it"
        for v in sorted(f["variables"].keys()):
            if v.startswith("AWS_"):
                yield f"{name}: {v} is Lambda's to set"
        if "PATCHBAY_ALLOW_LOOPBACK" in f["variables"]:
            yield f"{name}: PATCHBAY_ALLOW_LOOPBACK is for local development"
    wanted = {"TABLE_CONTROL": "ControlTable", "TABLE_RUNS": "RunsTable", "TABLE_DUE": "DueTable", "TABLE_LEDGER": "LedgerTable", "TABLE_TOKENS": "TokensTable", "STEP_QUEUE_URL": "StepsQueue", "BULK_QUEUE_URL": "BulkQueue",
              "EVENT_BUS": "Bus", "KEYRING_SECRET": "Keyring", "BUCKET_FILES": "FilesBucket"}
    for name, f in t.functions.items():
        for v, resource in wanted.items():
            if v in f["variables"] and f["variables"][v] != {"Ref": resource}:
                yield f"{name}: {v} must be !Ref {resource}"
    if "executor" in t.functions:
        v = t.functions["executor"]["variables"]
        parameter = t.doc["Parameters"].get("ChainBudget", {})
        if v.get("CHAIN_BUDGET_STEPS") != {"Ref": "ChainBudget"} or parameter.get("Default") != code.budget["steps"]:
            yield f"executor: CHAIN_BUDGET_STEPS must be the parameter ChainBudget, whose default is the code's {code.budget['steps']}"
        if v.get("CHAIN_BUDGET_MS") != str(code.budget["ms"]):
            yield f"executor: CHAIN_BUDGET_MS must be the code's {code.budget['ms']}"


def limits(t: Template, code: Code):
    limit = code.limits
    timeout = {name: f["properties"].get("Timeout") for name, f in t.functions.items()}

    def same(what, is_, must):
        if is_ != must:
            yield f"{what} is {is_}, and {must:g} in shared/domain/src/limits.rs"

    yield from same("the executor's Timeout", timeout.get("executor"), limit["EXECUTOR_TIMEOUT"])
    if limit["MAX_STEP_TIMEOUT"] + limit["STEP_START_MARGIN"] > limit["EXECUTOR_TIMEOUT"]:
        yield "the longest step does not fit into the executor's Timeout"
    if not limit["RESPOND_WITHIN"] + 2 <= timeout.get("hooks", 0) <= HTTP_API_LONGEST / 1000:
        yield f"hooks: Timeout must leave room for an answer after {limit['RESPOND_WITHIN']:g} s, within the 30 s of an HTTP API"
    if timeout.get("timer", 60) >= 60:
        yield "timer: Timeout must be below a minute"

    queues = t.of_type("AWS::SQS::Queue")
    for name, f in t.functions.items():
        for source in t.sources(f):
            queue = queues.get(target(source["Queue"]))
            if queue is None:
                yield f"{name}: its source is no queue of this template"
                continue
            visibility = queue["Properties"].get("VisibilityTimeout", 30)
            if visibility < 6 * timeout[name]:
                yield f"{target(source['Queue'])}: VisibilityTimeout {visibility} is less than six times the Timeout of {name}"
            if source.get("BatchSize") != 10:
                yield f"{name}: BatchSize must be 10"
            if source.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
                yield f"{name}: without ReportBatchItemFailures, one failed record repeats its whole batch"
    if "StepsQueue" in queues:
        yield from same("StepsQueue: VisibilityTimeout", queues["StepsQueue"]["Properties"].get("VisibilityTimeout"), limit["QUEUE_VISIBILITY"])

    dead = set()
    for name, queue in queues.items():
        redrive = queue["Properties"].get("RedrivePolicy")
        if redrive:
            dead.add(target(redrive["deadLetterTargetArn"]))
            yield from same(f"{name}: maxReceiveCount", redrive["maxReceiveCount"], limit["MAX_RECEIVE_COUNT"])
    for name, queue in queues.items():
        if name in dead:
            if queue["Properties"].get("MessageRetentionPeriod") != DEAD_RETENTION:
                yield f"{name}: a dead-letter queue keeps its messages for 14 days"
        elif "RedrivePolicy" not in queue["Properties"]:
            yield f"{name} has no dead-letter queue"
        if queue["Properties"].get("SqsManagedSseEnabled") is not True:
            yield f"{name} is not encrypted"

    concurrency = [s.get("ScalingConfig", {}).get("MaximumConcurrency") for s in t.sources(t.functions["executor"])]
    if concurrency != [{"Ref": "MaximumConcurrency"}, {"Ref": "BulkConcurrency"}]:
        yield "executor: the parameters MaximumConcurrency and BulkConcurrency must bound its sources"


def tables(t: Template, code: Code):
    declared = t.of_type("AWS::DynamoDB::Table")
    for name, made in code.tables.items():
        resource = declared.pop(f"{name.capitalize()}Table", None)
        if resource is None:
            yield f"the table `{name}` is not in the template"
            continue
        p = resource["Properties"]
        keys = lambda schema: [(k["AttributeName"], k["KeyType"]) for k in schema]
        if keys(p["KeySchema"]) != made["keys"]:
            yield f"table {name}: the keys are {keys(p['KeySchema'])}, and {made['keys']} in shared/store/src/tables.rs"
        ttl = p.get("TimeToLiveSpecification", {})
        if (ttl.get("AttributeName"), ttl.get("Enabled")) != (made["ttl"], True):
            yield f"table {name}: TTL must be on, by the attribute `{made['ttl']}`"
        indexes = [
            {"name": i["IndexName"], "keys": keys(i["KeySchema"]), "with": i["Projection"].get("NonKeyAttributes", [])}
            for i in p.get("GlobalSecondaryIndexes", [])
        ]
        if indexes != ([made["index"]] if made["index"] else []):
            yield f"table {name}: the indexes are {indexes}, and {made['index']} in shared/store/src/tables.rs"
        for i in p.get("GlobalSecondaryIndexes", []):
            if i["Projection"]["ProjectionType"] != "INCLUDE":
                yield f"table {name}: the index must project INCLUDE"
        if p.get("BillingMode") != "PAY_PER_REQUEST":
            yield f"table {name} must be billed per request"
    for name in declared:
        yield f"{name} is a table that the code does not know"


def streams(t: Template, code: Code):
    """The runs table tells the function stream what it counts, and nobody else; each batch says which shard it is of."""
    for name, table in t.of_type("AWS::DynamoDB::Table").items():
        view = table["Properties"].get("StreamSpecification", {}).get("StreamViewType")
        wanted = code.stream["view"] if name == "RunsTable" else None
        if view != wanted:
            yield f"{name}: its stream is {view}, and must be {wanted}"
    for name, f in t.functions.items():
        sources, role = t.streams(f), t.role(f)
        if bool(sources) != (name == "stream"):
            yield f"{name}: only the function stream is fed by a stream"
        granted = {a for _, actions, resources in t.grants(role) for a in actions & CONSUME_STREAM
                   if any(r == {"Fn::GetAtt": ["RunsTable", "StreamArn"]} for r in resources)}
        if granted != (CONSUME_STREAM if sources else set()):
            yield f"{name}: may {sorted(granted)} on the stream of RunsTable, and needs {sorted(CONSUME_STREAM if sources else set())}"
        for source in sources:
            if source.get("Stream") != {"Fn::GetAtt": ["RunsTable", "StreamArn"]} or source.get("StartingPosition") != "TRIM_HORIZON":
                yield f"{name}: must be fed by the stream of RunsTable, from its beginning"
            if not source.get("TumblingWindowInSeconds"):
                yield f"{name}: without a tumbling window Lambda does not say which shard a batch is of"
            if source.get("ParallelizationFactor", 1) != 1:
                yield f"{name}: a shard must be dealt with in order"
            if {"MaximumRetryAttempts", "MaximumRecordAgeInSeconds"} & source.keys():
                yield f"{name}: what could not be counted comes again for as long as the stream keeps it"
            patterns = [json.loads(p["Pattern"]) for p in source.get("FilterCriteria", {}).get("Filters", [])]
            if patterns != code.stream["filters"]:
                yield f"{name}: the filter is not that of functions/stream/src/filters.json"


def data(t: Template, _: Code):
    for name, r in t.resources.items():
        if r["Type"] in ("AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::S3::Bucket"):
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                if name not in EPHEMERAL and r.get(policy) != "Retain":
                    yield f"{name} holds data: its {policy} must be Retain"
        if r["Type"] == "AWS::DynamoDB::Table":
            p = r["Properties"]
            if name not in EPHEMERAL and p.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled") is not True:
                yield f"{name} has no point-in-time recovery"
            if p.get("SSESpecification", {}).get("SSEEnabled") is not True:
                yield f"{name}: SSESpecification must be on"
    secret = t.resources.get("Keyring", {}).get("Properties", {}).get("GenerateSecretString", {})
    if (secret.get("GenerateStringKey"), secret.get("SecretStringTemplate")) != ("setup_token", "{}"):
        yield 'Keyring must begin as {"setup_token": "…"}, see shared/vault/README.md'


def bucket(t: Template, code: Code):
    """One rule for each number of days in shared/domain/src/run/blob.rs, a private and encrypted bucket, and only what is needed."""
    text = code.read("shared/domain/src/run/blob.rs")
    days = [int(n) for n in re.search(r"KEPT_DAYS: \[u16; \d+\] = \[([\d, ]+)\]", text).group(1).split(",")]
    buckets = t.of_type("AWS::S3::Bucket")
    if list(buckets) != ["FilesBucket"]:
        yield f"there must be one bucket, FilesBucket; there are {sorted(buckets)}"
        return
    p = buckets["FilesBucket"]["Properties"]
    rules = p.get("LifecycleConfiguration", {}).get("Rules", [])
    have = {(r.get("Prefix"), r.get("ExpirationInDays"), r.get("Status")) for r in rules}
    if have != {(f"d{n}/", n, "Enabled") for n in days}:
        yield f"FilesBucket: what begins with dN/ must expire after N days, for N in {days}"
    if set(p.get("PublicAccessBlockConfiguration", {}).values()) != {True} or len(p["PublicAccessBlockConfiguration"]) != 4:
        yield "FilesBucket: all public access must be blocked"
    if not p.get("BucketEncryption"):
        yield "FilesBucket: BucketEncryption must be said"
    needed = {"executor": {"s3:GetObject", "s3:PutObject"}, "api": {"s3:GetObject", "s3:PutObject", "s3:ListBucket"},
              "eraser": {"s3:DeleteObject", "s3:ListBucket"}}
    for name, f in t.functions.items():
        granted = set()
        for _, actions, resources in t.grants(t.role(f)):
            if any(target(r) == "FilesBucket" for r in resources):
                granted |= actions
        if granted != needed.get(name, set()):
            yield f"{name}: may {sorted(granted)} in FilesBucket, and needs {sorted(needed.get(name, set()))}"


def reached(t: Template, method: str, path: str) -> str | None:
    """The function (logical id) that the HTTP API hands a request to, by its rules: exact, then variables, then greedy."""
    best = None
    for route in t.of_type("AWS::ApiGatewayV2::Route").values():
        p = route["Properties"]
        if target(p["ApiId"]) != "HttpApi":
            continue
        verb, _, pattern = p["RouteKey"].partition(" ")
        if verb not in (method, "ANY"):
            continue
        rank = match(pattern, path)
        if rank is not None and (best is None or (rank, verb != "ANY") > best[0]):
            integration = t.resources[target(p["Target"])]["Properties"]
            best = ((rank, verb != "ANY"), target(integration["IntegrationUri"]))
    return best[1] if best else None


def match(pattern: str, path: str) -> int | None:
    """How well a route's path matches: the number of segments that are not greedy."""
    wanted, given = pattern.strip("/").split("/"), path.lstrip("/").split("/")
    for i, segment in enumerate(wanted):
        if segment.endswith("+}"):
            return i if len(given) > i else None
        if i >= len(given) or not given[i] or (segment != given[i] and not segment.startswith("{")):
            return None
    return len(wanted) if len(wanted) == len(given) else None


def routes(t: Template, code: Code):
    api, hooks = (t.functions.get(n, {}).get("id") for n in ("api", "hooks"))
    if not code.routes:
        yield "no route was found in functions/api/src/routes"
    for method, path in code.routes:
        if reached(t, method, re.sub(r"\{\w+\}", "x", path)) != api:
            yield f"{method} {path} does not reach the function api"
    # As infra/local/src/gateway.rs: all under /hooks/ is the function's to answer, also what it refuses.
    for method, path in [("POST", "/hooks/hk_1"), ("POST", "/hooks/hk_1/"), ("GET", "/hooks/hk_1"), ("POST", "/hooks/a/b")]:
        if reached(t, method, path) != hooks:
            yield f"{method} {path} does not reach the function hooks"
    for name, integration in t.of_type("AWS::ApiGatewayV2::Integration").items():
        p = integration["Properties"]
        if p.get("PayloadFormatVersion") != "2.0":
            yield f"{name}: PayloadFormatVersion must be 2.0"
        called = {f["id"]: f for f in t.functions.values()}.get(target(p["IntegrationUri"]))
        longest = p.get("TimeoutInMillis", HTTP_API_LONGEST)
        if called and not called["properties"]["Timeout"] * 1000 < longest <= HTTP_API_LONGEST:
            yield f"{name}: TimeoutInMillis must outlast its function, within 30 s"
    for route in t.of_type("AWS::ApiGatewayV2::Route").values():
        p = route["Properties"]
        function = target(t.resources[target(p["Target"])]["Properties"]["IntegrationUri"])
        arn = "/*/*" + p["RouteKey"].partition(" ")[2]
        if not any(covers(perm["Properties"], function, arn) for perm in t.of_type("AWS::Lambda::Permission").values()):
            yield f"the HTTP API may not call {function} for `{p['RouteKey']}`"
    if t.functions.get("api", {}).get("variables", {}).get("PUBLIC_URL") != t.doc["Outputs"]["ApiUrl"]["Value"]:
        yield "PUBLIC_URL of api must be what the output ApiUrl shows"


def covers(permission: dict, function: str, arn: str) -> bool:
    if permission["Principal"] != "apigateway.amazonaws.com" or target(permission["FunctionName"]) != function:
        return False
    source = permission["SourceArn"]["Fn::Sub"].partition("${HttpApi}")[2]
    return bool(source) and fnmatch.fnmatchcase(arn, source)


def loops(t: Template, _: Code):
    """Functions on a circle of queues say `RecursiveLoop: Allow`, and no others: the rest keep Lambda's protection."""
    after: dict[str, set[str]] = {}
    for name, f in t.functions.items():
        sends = after.setdefault(name, set())
        if "STEP_QUEUE_URL" in f["variables"]:
            sends.add("StepsQueue")
        if "BULK_QUEUE_URL" in f["variables"]:
            sends.add("BulkQueue")
        if "EVENT_BUS" in f["variables"]:
            sends.add("Bus")
        for source in t.sources(f):
            after.setdefault(target(source["Queue"]), set()).add(name)
    for rule in t.of_type("AWS::Events::Rule").values():
        for to in rule["Properties"]["Targets"]:
            after.setdefault(target(rule["Properties"]["EventBusName"]), set()).add(target(to["Arn"]))
    for name, queue in t.of_type("AWS::SQS::Queue").items():
        if "RedrivePolicy" in queue["Properties"]:
            after.setdefault(name, set()).add(target(queue["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]))
    for name, f in t.functions.items():
        seen, todo = set(), [name]
        while todo:
            for following in after.get(todo.pop(), ()):
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
        allowed = f["properties"].get("RecursiveLoop") == "Allow"
        if name in seen and not allowed:
            yield f"{name} feeds itself: Lambda would stop its healthy runs without RecursiveLoop: Allow"
        if name not in seen and allowed:
            yield f"{name} feeds itself by no way: RecursiveLoop: Allow takes a protection away for nothing"
    if not any(r["Properties"].get("EventPattern") == {"source": [{"prefix": ""}]} and target(r["Properties"]["EventBusName"]) == "Bus"
               and "EventsQueue" in [target(x["Arn"]) for x in r["Properties"]["Targets"]] for r in t.of_type("AWS::Events::Rule").values()):
        yield "no rule sends every event of the bus to EventsQueue"


def roles(t: Template, _: Code):
    owners: dict[str, list[str]] = {}
    for name, f in t.functions.items():
        role = t.role(f)
        if role is None or role not in t.resources:
            yield f"{name} has no role of its own in this template"
            continue
        owners.setdefault(role, []).append(name)
        if "Policies" in f["properties"]:
            yield f"{name}: what it may do is written in its role, not in Policies"
        principals = [s["Principal"] for s in t.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]]
        if principals != [{"Service": "lambda.amazonaws.com"}]:
            yield f"{role} may be taken by others than Lambda"
        logs = target(f["properties"].get("LoggingConfig", {}).get("LogGroup"))
        if logs is None or not t.allows(role, "logs:PutLogEvents", logs):
            yield f"{name}: its role must allow writing to its own log group"
        uses = [("STEP_QUEUE_URL", "sqs:SendMessage", "StepsQueue"), ("BULK_QUEUE_URL", "sqs:SendMessage", "BulkQueue"), ("EVENT_BUS", "events:PutEvents", "Bus"),
                ("KEYRING_SECRET", "secretsmanager:GetSecretValue", "Keyring")]
        for variable, action, resource in uses:
            if (variable in f["variables"]) != t.allows(role, action, resource):
                yield f"{name}: {variable} and the right to {action} on {resource} go together"
        # One function rotates keys; the others only read them.
        if (name == "api") != t.allows(role, "secretsmanager:PutSecretValue", "Keyring"):
            yield f"{name}: api alone changes the keyring"
        consumed = {target(s["Queue"]) for s in t.sources(f)}
        for queue in t.of_type("AWS::SQS::Queue"):
            may = {a for a in CONSUME if t.allows(role, a, queue)}
            if queue in consumed and may != CONSUME:
                yield f"{role}: to be fed from {queue}, it also needs {', '.join(sorted(CONSUME - may))}"
            if queue not in consumed and "sqs:ReceiveMessage" in may:
                yield f"{role} may take messages of {queue}, which does not feed it"
    for role, names in owners.items():
        if len(names) > 1:
            yield f"{role} is shared by {', '.join(sorted(names))}: each function has its own"
    for role, resource in t.of_type("AWS::IAM::Role").items():
        if resource["Properties"].get("ManagedPolicyArns"):
            yield f"{role}: a managed policy grants more than is used"
        for action in ("dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"):
            if t.allows(role, action, "LedgerTable") and (role, action) != ("EraserRole", "dynamodb:DeleteItem"):
                yield f"{role} may {action} on LedgerTable: what was told is neither changed nor deleted"
        for sid, actions, resources in t.grants(role):
            for action in sorted(a for a in actions if "*" in a):
                yield f"{role}/{sid}: the action `{action}` is a wildcard"
            if (role, sid) in UNAVOIDABLE_WILDCARDS:
                continue
            for r in resources:
                text = r if isinstance(r, str) else json.dumps(r)
                if "*" in text:
                    yield f"{role}/{sid}: the resource {text} is a wildcard, and not among the reviewed ones"


def credentials(t: Template, _: Code):
    """Who reaches the secrets of connections: under their prefix alone, and with no right that is not used."""
    for name, f in t.functions.items():
        role, v = t.role(f), f["variables"]
        if role is None or role not in t.resources:
            continue
        wanted = CREDENTIAL_RIGHTS.get(name, set())
        granted = {a for _, actions, resources in t.grants(role) for a in actions if CREDENTIAL_SECRETS in resources}
        if granted != wanted:
            yield f"{name}: may {sorted(granted)} on secrets of connections, and needs {sorted(wanted)}"
        if v.get("CREDENTIALS_PREFIX") != ({"Fn::Sub": CREDENTIALS} if wanted else None):
            yield f"{name}: CREDENTIALS_PREFIX must be {CREDENTIALS} where secrets of connections are reached, and nowhere else"
        for sid, actions, resources in t.grants(role):
            secret = {a for a in actions if a.startswith("secretsmanager:")}
            if secret == {"secretsmanager:ListSecrets"} and name == "eraser":
                continue
            if secret and resources not in ([CREDENTIAL_SECRETS], [{"Fn::GetAtt": ["Keyring", "Id"]}]):
                yield f"{role}/{sid}: secrets other than the keyring and those of connections"
    api = t.functions.get("api", {"variables": {}})["variables"]
    if api.get("CREDENTIAL_STORAGE") != {"Ref": "CredentialStorage"}:
        yield "api: CREDENTIAL_STORAGE must be the parameter CredentialStorage"
    if t.doc["Parameters"].get("CredentialStorage", {}).get("Default") != "secrets-manager":
        yield "CredentialStorage must be secrets-manager by default, as in the code"


def parameters(t: Template, _: Code):
    for name, p in t.doc["Parameters"].items():
        if not p.get("Description"):
            yield f"parameter {name} has no description"
        if not any(k in p for k in ("AllowedValues", "AllowedPattern", "MinValue")):
            yield f"parameter {name} has no constraint"
        if not re.search(rf"\b{name}\b", t.text.split("\nConditions:")[1]):
            yield f"parameter {name} is used nowhere"
    for name, p in t.doc["Outputs"].items():
        if not p.get("Description"):
            yield f"output {name} has no description"


def watching(t: Template, _: Code):
    for name, group in t.of_type("AWS::Logs::LogGroup").items():
        if group["Properties"].get("RetentionInDays") != {"Ref": "LogRetentionDays"}:
            yield f"{name}: the parameter LogRetentionDays decides how long logs are kept"
    stages = t.of_type("AWS::ApiGatewayV2::Stage").values()
    for stage in stages:
        log = stage["Properties"].get("AccessLogSettings", {})
        if not log:
            yield "the HTTP API has no access log"
        elif re.search(r"\$context\.(path|http\.path)|rawPath|queryString", log["Format"]):
            yield "the access log shows paths: a webhook's address is its secret"
    alarms = t.of_type("AWS::CloudWatch::Alarm")
    essential = [a["Properties"] for a in alarms.values() if "Condition" not in a]
    metrics = sum(len([m for m in a.get("Metrics", [0]) if m == 0 or "MetricStat" in m]) for a in essential)
    if metrics > ESSENTIAL_METRICS:
        yield f"the essential alarms watch {metrics} metrics; each costs, and docs/operations.md counts {ESSENTIAL_METRICS}"
    for name, alarm in alarms.items():
        p = alarm["Properties"]
        if p.get("AlarmActions") != [{"Ref": "AlarmTopic"}]:
            yield f"alarm {name} tells nobody"
        if not p.get("AlarmDescription"):
            yield f"alarm {name} has no description"
    for f in t.functions.values():
        for kind in ("Errors", "Throttles", "Slow"):
            if f["id"] + kind not in alarms:
                yield f"the alarm {f['id']}{kind} is missing"
        slow = alarms.get(f["id"] + "Slow", {}).get("Properties", {})
        if slow and (slow["Threshold"], slow["ExtendedStatistic"]) != (f["properties"]["Timeout"] * 800, "p99"):
            yield f"{f['id']}Slow must ring at 80 % of the function's Timeout"


def ages(t: Template, code: Code):
    alarm = t.resources.get("StepsOld", {}).get("Properties", {})
    if alarm.get("Threshold", 0) <= code.limits["MAX_QUEUE_DELAY"] + code.limits["QUEUE_VISIBILITY"]:
        yield "StepsOld rings for a planned delay (MAX_QUEUE_DELAY) followed by one crash (QUEUE_VISIBILITY)"


def documents(t: Template, code: Code):
    """Each parameter is explained in docs/deploy.md, each alarm in docs/operations.md."""
    deploy, operations = ((code.root / "docs" / f).read_text() for f in ("deploy.md", "operations.md"))
    for name in t.doc["Parameters"]:
        if f"`{name}`" not in deploy:
            yield f"docs/deploy.md does not explain the parameter {name}"
    ids = sorted((f["id"] for f in t.functions.values()), key=len, reverse=True)
    for name in t.of_type("AWS::CloudWatch::Alarm"):
        kind = next((name.removeprefix(i) for i in ids if name.removeprefix(i) in ("Errors", "Throttles", "Slow")), name)
        wanted = f"### {name}" if kind == name else f"### …{kind}"
        if wanted not in operations:
            yield f"docs/operations.md has no section `{wanted}`"


def references(t: Template, _: Code):
    """cfn-lint lets references inside a serverless function pass that name nothing."""
    known = t.resources.keys() | t.doc["Parameters"].keys()

    def names(value):
        if isinstance(value, list):
            for v in value:
                yield from names(v)
        elif isinstance(value, dict):
            if isinstance(value.get("Ref"), str):
                yield value["Ref"]
            if isinstance(value.get("Fn::GetAtt"), list):
                yield value["Fn::GetAtt"][0]
            if isinstance(value.get("Fn::Sub"), str):
                yield from re.findall(r"\$\{([\w:]+)", value["Fn::Sub"])
            for v in value.values():
                yield from names(v)

    for name in sorted(set(names([t.defaults, t.resources, t.doc["Outputs"]])) - known):
        if not name.startswith("AWS::"):
            yield f"`{name}` is referred to and does not exist"
    for name in sorted(t.doc["Conditions"].keys() - set(re.findall(r"(?:Condition: |!If\s+(?:\[|- ))(\w+)", t.text))):
        yield f"condition {name} is used nowhere"


# What carries a name that is unique in an account and region; SAM names schedules by their logical id if nobody else does.
NAMED = {"AWS::Serverless::Function": "FunctionName", "AWS::Events::EventBus": "Name", "AWS::Logs::LogGroup": "LogGroupName",
         "AWS::CloudWatch::Dashboard": "DashboardName"}


def names(t: Template, _: Code):
    """Two stacks live side by side in one account."""
    given = [(n, r["Properties"].get(NAMED[r["Type"]])) for n, r in t.resources.items() if r["Type"] in NAMED]
    for f in t.functions.values():
        schedules = [(e, x) for e, x in f["properties"].get("Events", {}).items() if x["Type"] == "ScheduleV2"]
        given += [(f["id"] + event, x["Properties"].get("Name")) for event, x in schedules]
    for name, value in given:
        if "AWS::StackName" not in json.dumps(value):
            yield f"{name}: its name must begin with the stack's, or a second stack cannot be made"
    for name, r in t.resources.items():
        if r["Type"] in ("AWS::DynamoDB::Table", "AWS::SecretsManager::Secret") and {"TableName", "Name"} & r["Properties"].keys():
            yield f"{name} outlives its stack: with a name of its own, the next stack of that name could not be made"


def schedule(t: Template, _: Code):
    timer = t.functions.get("timer", {"properties": {}})["properties"].get("Events", {})
    if [e["Properties"].get("ScheduleExpression") for e in timer.values() if e["Type"] == "ScheduleV2"] != ["rate(1 minute)"]:
        yield "timer must be started each minute"


CHECKS = [references, names, schedule, programs, variables, limits, tables, streams, data, bucket, routes, loops, roles, credentials, parameters, watching, ages, documents]


def faults(text: str, root: pathlib.Path = ROOT) -> list[str]:
    template, code = Template(text), Code(root)
    return [fault for check in CHECKS for fault in check(template, code)]


# ------------------------------------------------------------------ the judges


def judge(path: pathlib.Path) -> list[str]:
    """What cfn-lint, sam and checkov have against the template."""
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "none",
                   "AWS_SECRET_ACCESS_KEY": "none"}

    def call(*command: str) -> subprocess.CompletedProcess:
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=path.parent, check=False)

    found = []
    lint = call("cfn-lint", path.name)
    if lint.returncode or lint.stdout.strip():
        found.append(f"cfn-lint:\n{lint.stdout}{lint.stderr}")
    sam = call("sam", "validate", "--lint", "--template-file", path.name)
    if sam.returncode:
        found.append(f"sam validate --lint:\n{sam.stdout}{sam.stderr}")
    checkov = call("checkov", "--file", path.name, "--framework", "cloudformation", "--skip-download", "--output", "json")
    return found + checkov_faults(checkov, path.read_text())


def checkov_faults(done: subprocess.CompletedProcess, text: str) -> list[str]:
    try:
        report = json.loads(done.stdout)
        summary, results = report["summary"], report["results"]
    except (ValueError, KeyError):
        return [f"checkov gave no report:\n{done.stdout}{done.stderr}"]
    found = [f"checkov: {c['check_id']} {c['check_name']}: {c['resource']}" for c in results["failed_checks"]]
    # A file that it cannot read is no failure to checkov.
    if summary["parsing_errors"] or not summary["passed"]:
        found.append("checkov could not read the template")
    skipped = {(c["resource"].split(".")[-1], c["check_id"]) for c in results["skipped_checks"]}
    for name, resource in parse(text)["Resources"].items():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            if not skip.get("comment"):
                found.append(f"{name}: {skip['id']} is skipped without a reason")
            if (name, skip["id"]) not in skipped:
                found.append(f"{name}: {skip['id']} is skipped, and would not fail")
    return found


def main() -> int:
    path = ROOT / "template.yaml"
    found = faults(path.read_text()) + judge(path)
    for fault in found:
        print(f"template.yaml: {fault}")
    if not found:
        print("template.yaml fits the code; cfn-lint, sam and checkov have nothing against it")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
