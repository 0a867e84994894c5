"""Deploys the built template onto a local AWS, and goes through what a deployment lives through.

    rehearse.py --build DIR --tools VENV --smoke PROGRAM --work DIR [--old DIR]

`run` beside this file builds, makes the network namespace that this needs, and calls it. Everything is asked of the deployment from
outside: CloudFormation through the SAM CLI, the deployed HTTP API, and the AWS API where an operator would use it.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import zlib

import boto3

import roles

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
STACK = "patchbay-dev"
PORT = 4566
ENDPOINT = f"http://127.0.0.1:{PORT}"
# An address that HTTP steps may reach: infra/tools/own-network gives it to this machine.
PUBLIC = "93.184.215.14"
PATIENCE = 120
REGION = "eu-west-1"
# Milliseconds since 1970, in this decade and the next.
MOMENT = re.compile(r"\b(1[6-9]|2[01])\d{11}\b")

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": os.environ.get("HOME", "/"),
    "LANG": "C.UTF-8",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_ENDPOINT_URL": ENDPOINT,
    "SAM_CLI_TELEMETRY": "0",
}

began = time.monotonic()


def say(what: str):
    print(f"[{time.monotonic() - began:5.0f} s] {what}", flush=True)


def until(what: str, look, patience: float = PATIENCE):
    """Polls until `look` gives something."""
    end = time.monotonic() + patience
    while True:
        if found := look():
            return found
        if time.monotonic() > end:
            raise SystemExit(f"rehearsal: waited too long for {what}")
        time.sleep(0.3)


class Refused(Exception):
    """The SAM CLI could not do what it was told."""


class Cloud:
    """The local AWS, and clients of it."""

    def __init__(self, work: pathlib.Path):
        self.log = work / "cloud.log"
        self.calls_file = work / "calls.jsonl"
        self.calls_file.write_text("")
        environment = {
            **ENVIRONMENT,
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "GATEWAY_PORT": str(PORT),
            "TMPDIR": str(work),
            "S3_DATA_DIR": str(work / "s3"),
            "STATE_DIR": str(work / "state"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, HERE / "cloud.py", self.calls_file],
            env=environment, stdout=open(self.log, "w"), stderr=subprocess.STDOUT, start_new_session=True,
        )
        session = boto3.Session("test", "test", region_name=REGION)
        self.api = {name: session.client(name, endpoint_url=ENDPOINT)
                    for name in ("cloudformation", "dynamodb", "sqs", "lambda", "iam", "secretsmanager", "s3")}
        until("the local AWS", self.answers, 30)

    def answers(self) -> bool:
        if self.process.poll() is not None:
            raise SystemExit(f"rehearsal: the local AWS ended:\n{self.log.read_text()[-3000:]}")
        try:
            return bool(self.api["s3"].list_buckets())
        except Exception:  # noqa: BLE001  (not up yet)
            return False

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def __getattr__(self, name):
        return self.__dict__["api"]["lambda" if name == "functions" else name]

    def calls(self) -> list[dict]:
        return [json.loads(line) for line in self.calls_file.read_text().splitlines()]


class Deployment:
    def __init__(self, cloud: Cloud, tools: pathlib.Path):
        self.cloud, self.sam = cloud, tools / "bin/sam"

    def deploy(self, build: pathlib.Path, **parameters):
        overrides = {"Architecture": os.uname().machine.replace("aarch64", "arm64"), **parameters}
        self.run("deploy", "--template-file", build / "template.yaml", "--config-file", ROOT / "samconfig.toml", "--config-env", "dev",
                 "--region", REGION, "--parameter-overrides", " ".join(f"{k}={v}" for k, v in overrides.items()))
        status = self.stack()["StackStatus"]
        assert status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), status
        resources = self.cloud.cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
        self.ids = {r["LogicalResourceId"]: r["PhysicalResourceId"] for page in resources for r in page["StackResourceSummaries"]}
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in self.stack()["Outputs"]}

    def deploy_badly(self, build: pathlib.Path, **parameters):
        """An update that fails halfway, and that CloudFormation takes back by itself."""
        try:
            self.deploy(build, **parameters)
        except Refused:
            status = self.stack()["StackStatus"]
            assert status == "UPDATE_ROLLBACK_COMPLETE", status
        else:
            raise SystemExit("rehearsal: an update that must fail did not")

    def run(self, *command):
        done = subprocess.run([self.sam, *command], env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise Refused(f"sam {command[0]} failed:\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}\n{self.cloud.log.read_text()[-3000:]}")

    def stack(self) -> dict:
        return self.cloud.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]

    @property
    def url(self) -> str:
        """The deployed API, where the local AWS serves it."""
        return f"{ENDPOINT}/_aws/execute-api/{self.ids['HttpApi']}/$default"

    @property
    def setup_token(self) -> str:
        secret = self.cloud.secretsmanager.get_secret_value(SecretId=self.outputs["KeyringArn"])["SecretString"]
        return json.loads(secret)["setup_token"]

    def queue(self, name: str) -> str:
        return self.ids[name]

    def feeding(self, function: str, on: bool):
        """Switches the queue of a function on or off."""
        mappings = self.cloud.functions.list_event_source_mappings(FunctionName=self.ids[function])["EventSourceMappings"]
        for mapping in mappings:
            self.cloud.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)


class Owner:
    """Somebody who is signed in, with the standard library only."""

    PASSWORD = "correct horse battery staple"

    def __init__(self, deployment: Deployment, **organization):
        self.deployment, self.token = deployment, None
        self.token = self.post("/v1/auth/login", {"email": "ada@example.com", "password": self.PASSWORD, **organization})["access_token"]

    def ask(self, method: str, path: str, body=None):
        import urllib.request

        headers = {"content-type": "application/json", **({"authorization": f"Bearer {self.token}"} if self.token else {})}
        request = urllib.request.Request(self.deployment.url + path, method=method, headers=headers,
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            text = answer.read().decode()
            # An export is lines, each for itself.
            return [json.loads(line) for line in text.splitlines()] if "ndjson" in answer.headers["content-type"] else json.loads(text)

    def post(self, path: str, body):
        return self.ask("POST", path, body)

    def publish(self, name: str, triggers: list, steps: list, **settings) -> dict:
        workflow = self.post("/v1/workflows", {"name": name, "triggers": triggers, "steps": steps, **settings})
        self.post(f"/v1/workflows/{workflow['id']}/enable", {})
        return workflow

    def start(self, name: str, steps: list, **settings) -> str:
        workflow = self.publish(name, [{"id": "by_hand", "type": "manual"}], steps, **settings)["id"]
        return self.post(f"/v1/workflows/{workflow}/runs", {"input": {}})["id"]

    def runs_of(self, workflow: dict, count: int) -> list[dict]:
        def look():
            found = self.ask("GET", f"/v1/runs?workflow={workflow['id']}")["items"]
            return found if len(found) >= count else None

        return until(f"{count} runs of {workflow['name']}", look)

    def ends(self, run: str, status: str) -> dict:
        def look():
            view = self.ask("GET", f"/v1/runs/{run}")
            if view["status"] == status:
                return view
            over = ("succeeded", "failed", "cancelled", "timed_out")
            assert view["status"] not in over, f"the run ended, but not as {status}: {json.dumps(view, indent=1)}"
            return None

        return until(f"the run {run} to be {status}", look)


class Time:
    """Lets a run grow older at once: the functions' clocks are real, and nobody wants to wait for an hour."""

    def __init__(self, deployment: Deployment):
        self.deployment, self.db = deployment, deployment.cloud.dynamodb

    def items(self, table: str, run: str) -> list[dict]:
        found = self.db.get_paginator("scan").paginate(TableName=self.deployment.ids[table], ConsistentRead=True)
        return [i for page in found for i in page["Items"] if run in i["pk"]["S"] + i["sk"]["S"]]

    def forget(self, run: str, kind: str):
        """As if what is due of a run had been lost."""
        for item in self.items("DueTable", run):
            if item["sk"]["S"].endswith(f"#{kind}"):
                self.db.delete_item(TableName=self.deployment.ids["DueTable"], Key={k: item[k] for k in ("pk", "sk")})

    def age(self, run: str, hours: int):
        """Puts every moment of a run back, and what is due of it into this minute."""
        now = int(time.time() * 1000)

        def back(moment: re.Match) -> str:
            return str(int(moment[0]) - hours * 3_600_000)

        for item in self.items("RunsTable", run):
            for value in item.values():
                if "N" in value:
                    value["N"] = MOMENT.sub(back, value["N"])
                elif "B" in value:
                    # shared/store/src/codec.rs: the first byte says whether the JSON after it is deflated.
                    packed, text = value["B"][0], value["B"][1:]
                    text = zlib.decompress(text, -15) if packed else text
                    value["B"] = b"\0" + MOMENT.sub(back, text.decode()).encode()
            self.db.put_item(TableName=self.deployment.ids["RunsTable"], Item=item)
        for item in self.items("DueTable", run):
            old = {k: item[k] for k in ("pk", "sk")}
            item["pk"]["S"] = f"m#{now // 60_000}#{item['pk']['S'].split('#')[2]}"
            item["at"]["N"] = str(now)
            self.db.delete_item(TableName=self.deployment.ids["DueTable"], Key=old)
            self.db.put_item(TableName=self.deployment.ids["DueTable"], Item=item)


def smoke(program: pathlib.Path, deployment: Deployment, *what: str) -> subprocess.Popen:
    command = [program, deployment.url, deployment.setup_token, PUBLIC, *what]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended_well(journey: subprocess.Popen, deployment: Deployment):
    said, _ = journey.communicate(timeout=600)
    if journey.returncode:
        raise SystemExit(f"rehearsal: the journey failed:\n{said}\n{deployment.cloud.log.read_text()[-3000:]}")
    print("".join(f"          {line}\n" for line in said.splitlines()), end="")


def in_flight(program: pathlib.Path, deployment: Deployment, deploy):
    """Deploys while runs are on their way; all of them must end well, with each step once."""
    flight = smoke(program, deployment, "flight")
    try:
        for line in flight.stdout:
            if line.strip() == "in flight":
                break
        deploy()
        # A few more begin under what is deployed now; then it is told to land (`communicate` closes its input).
        time.sleep(3)
        ended_well(flight, deployment)
    finally:
        flight.kill()


def what_comes_twice(deployment: Deployment):
    owner, cloud = Owner(deployment), deployment.cloud

    def arrives(event: dict, times: int):
        body = {"version": "0", "time": "2026-01-01T00:00:00Z", "account": "0", "region": REGION, "resources": [], **event}
        for _ in range(times):
            cloud.sqs.send_message(QueueUrl=deployment.queue("EventsQueue"), MessageBody=json.dumps(body))

    note = [{"id": "note", "type": "map", "output": 1}]
    once = owner.publish("once", [{"id": "in", "type": "webhook", "dedupe": "{{ trigger.body.order }}"},
                                  {"id": "bus", "type": "event", "pattern": {"source": ["twice"]}}], note)
    hook = "/hooks/" + once["triggers"][0]["url"].split("/hooks/")[1]
    deployment.feeding("Executor", False)
    first, second = (owner.post(hook, {"order": 1, "try": n})["id"] for n in (1, 2))
    assert first == second, (first, second)
    arrives({"id": "e1", "source": "twice", "detail-type": "Order placed", "detail": {}}, 2)
    owner.runs_of(once, 2)
    until("both events to be taken", lambda: not queue_length(deployment, "EventsQueue"))
    deployment.feeding("Executor", True)
    for run in owner.runs_of(once, 2):
        owner.ends(run["id"], "succeeded")
    assert len(owner.runs_of(once, 2)) == 2, "what came twice was taken for two"
    say("a webhook and an event that came twice, while their runs were queued, started one run each")

    deep = owner.publish("deep", [{"id": "bus", "type": "event", "pattern": {"source": ["patchbay"], "detail-type": ["Hop"]}}], note)
    arrives({"id": "e2", "source": "patchbay", "detail-type": "Hop", "detail": {"run": "run_of_another_deployment", "depth": 16}}, 1)
    stopped = owner.ends(owner.runs_of(deep, 1)[0]["id"], "failed")
    assert stopped["error"]["code"] == "chain_too_deep", stopped
    say("a chain of runs was stopped where it was too deep")


def who_sends(deployment: Deployment):
    import urllib.error

    owner, key = Owner(deployment), "a key that the sender has"
    owner.ask("PUT", "/v1/variables/SENDER_KEY", {"value": key, "secret": True})
    verify = {"scheme": "token", "secret": "SENDER_KEY", "query": "key"}
    known = owner.publish("known", [{"id": "in", "type": "webhook", "verify": verify}], [{"id": "note", "type": "map", "output": 1}])
    hook = "/hooks/" + known["triggers"][0]["url"].split("/hooks/")[1]
    try:
        owner.post(hook + "?key=another", {})
        raise AssertionError("a sender without the key was believed")
    except urllib.error.HTTPError as refused:
        assert refused.code == 401, refused.code
    owner.ends(owner.post(hook + "?key=" + key.replace(" ", "+"), {})["id"], "succeeded")
    say("a webhook believed the sender that has its key, and no other")


def whose_turn_it_is(deployment: Deployment):
    """An app that takes two requests a second, and that cannot be reached from here: its turns are taken all the same."""
    owner, table = Owner(deployment), deployment.ids["TokensTable"]
    connection = owner.post("/v1/connections", {"name": "Mails", "connector": "resend", "auth": "key",
                                                "credentials": {"token": "re_rehearsal"}})["id"]
    step = {"id": "ask", "type": "action", "use": "resend.list_domains", "connection": connection, "input": {}, "retry": {"max_attempts": 1}}
    runs = [owner.start(f"turn {n}", [step]) for n in range(3)]
    for run in runs:
        error = owner.ends(run, "failed")["error"]
        assert error["code"] in ("dns_failed", "connect_failed"), error
    turns = [item for page in deployment.cloud.dynamodb.get_paginator("scan").paginate(TableName=table) for item in page["Items"]
             if item["pk"]["S"].endswith(f"#limit#{connection}")]
    assert len(turns) == 1 and "ttl" in turns[0], turns
    say("three runs took their turns at an app")


def queue_length(deployment: Deployment, queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    held = deployment.cloud.sqs.get_queue_attributes(QueueUrl=deployment.queue(queue), AttributeNames=names)["Attributes"]
    return sum(int(held[name]) for name in names)


def takes(deployment: Deployment, queue: str, count: int) -> list[str]:
    """Loses `count` messages of a queue that feeds nothing at the moment, and gives their bodies."""
    sqs, url, bodies = deployment.cloud.sqs, deployment.queue(queue), []
    while len(bodies) < count:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def what_time_does(deployment: Deployment):
    owner, clock, cloud = Owner(deployment), Time(deployment), deployment.cloud
    hour = [{"id": "w", "type": "wait", "for": "PT1H"}, {"id": "after", "type": "map", "output": 1}]
    note = [{"id": "note", "type": "map", "output": 1}]

    waited, late = owner.start("long wait", hour), owner.start("too long", hour, timeout="PT30M")
    owner.ends(waited, "waiting")
    owner.ends(late, "waiting")
    assert any("#wake" in i["sk"]["S"] for i in clock.items("DueTable", waited)), "a wait of an hour is a due entry"
    clock.forget(late, "wake")

    deployment.feeding("Executor", False)
    lost, poison = owner.start("lost message", note), owner.start("poison", note)
    lost_bulk = owner.start("lost bulk message", note, priority="bulk")
    letter = next(body for body in takes(deployment, "StepsQueue", 2) if poison in body)
    takes(deployment, "BulkQueue", 1)
    deployment.feeding("Executor", True)
    cloud.sqs.send_message(QueueUrl=deployment.queue("StepsDeadQueue"), MessageBody=letter)
    assert owner.ends(poison, "failed")["error"]["code"] == "dead_letter"
    say("a run whose message is a dead letter was failed visibly")

    for run in (waited, late, lost, lost_bulk):
        clock.age(run, 2)
    say("two hours later; now the schedule must start the timer, within a minute")
    owner.ends(waited, "succeeded")
    say("a wait of an hour was over, and the timer woke its run")
    assert owner.ends(late, "timed_out")["error"]["code"] == "run_timeout"
    say("a run over its time limit was timed out")
    for run in (lost, lost_bulk):
        owner.ends(run, "succeeded")
    say("the runs whose messages were lost, one in either queue, were found and carried on")


def what_quotas_do(deployment: Deployment):
    """What was used is counted, and a quota keeps events and schedules from starting more."""
    owner, cloud = Owner(deployment), deployment.cloud

    def counted():
        total = owner.ask("GET", "/v1/usage")["total"]
        return total if total["runs"]["started"] > 50 and total["connector_calls"] > 5 and total["estimated_dollars"] > 0 else None

    total = until("usage to be counted", counted)
    say(f"counted out of the stream: {total['runs']['started']} runs, {total['steps']} steps, {total['connector_calls']} calls")
    org = owner.ask("GET", "/v1/organization")["id"]
    quotas = {"token": deployment.setup_token, "runs_per_day": 1}
    assert owner.ask("PUT", f"/v1/organizations/{org}/quotas", quotas)["runs_per_day"] == 1

    def told(function: str) -> bool:
        # Functions believe for half a minute what they read of a quota.
        owner.post("/v1/events", {"source": "twice", "detail_type": "Order placed", "detail": {}})
        role, table = deployment.ids[f"{function}Role"], deployment.ids["LedgerTable"]
        time.sleep(1)
        return any(c["role"] == role and c["action"] == "dynamodb:PutItem" and c["resource"].endswith(f"/{table}") for c in cloud.calls())

    for function in ("Ingest", "Timer"):
        until(f"{function} to be stopped by the quota", lambda: told(function), 200)
    records = owner.ask("GET", "/v1/audit?action=org.quota_reached")["items"]
    assert len(records) == 1, records
    say("an event and a schedule started no more runs than the quota lets, and the ledger tells so once")
    owner.ask("PUT", f"/v1/organizations/{org}/quotas", {"token": deployment.setup_token})


def what_an_erasure_leaves(deployment: Deployment):
    """A further organisation is made, worked in, exported and erased: by the owner's request, the bus, and the schedule."""
    db, ids, name = deployment.cloud.dynamodb, deployment.ids, "To be erased"
    org = Owner(deployment).post("/v1/organizations", {"token": deployment.setup_token, "name": name})["id"]
    owner = Owner(deployment, organization=org)
    owner.post("/v1/invitations", {"email": "nobody@example.com", "role": "viewer"})
    owner.post("/v1/connections", {"name": "Erased", "connector": "slack", "auth": "bot", "credentials": {"token": "xoxb-rehearsal"}})
    owner.post("/v1/api-keys", {"name": "k", "scopes": ["org.read"]})
    hour = [{"id": "w", "type": "wait", "for": "PT1H"}]
    waits = owner.start("waits", hour, concurrency={"limit": 1})
    gathers = owner.publish("gathers", [{"id": "bus", "type": "event", "pattern": {"source": ["erased"]}, "batch": {"for": "PT1S"}}], hour)
    owner.post("/v1/events", {"source": "erased", "detail_type": "x", "detail": {}})
    large = [{"id": "large", "type": "map", "output": {str(n): "x" * 8000 for n in range(25)}},
             {"id": "larger", "type": "map", "output": ["{{ steps.large }}", "{{ steps.large }}"]}]
    owner.ends(owner.start("large", large), "succeeded")
    owner.ends(waits, "waiting")
    owner.runs_of(gathers, 1)
    kinds = {line["kind"] for line in owner.ask("GET", "/v1/organization/export")}
    assert {"organization", "member", "invitation", "api_key", "workflow_version", "run", "step", "file", "audit_record"} <= kinds, kinds
    owner.ask("DELETE", "/v1/organization", {"name": name, "password": owner.PASSWORD})
    key = {"pk": {"S": org}, "sk": {"S": "org"}}

    def gone():
        item = db.get_item(TableName=ids["ControlTable"], Key=key, ConsistentRead=True).get("Item")
        if item and b"until" in item["es"]["B"]:
            # Nobody wants to wait for the minutes after which whatever had begun has ended, and is listed.
            packed = MOMENT.sub(lambda moment: str(int(moment[0]) - 600_000), item["es"]["B"].decode()).encode()
            change = {"UpdateExpression": "SET es = :es", "ConditionExpression": "attribute_exists(er) AND es = :was",
                      "ExpressionAttributeValues": {":es": {"B": packed}, ":was": item["es"]}}
            try:
                db.update_item(TableName=ids["ControlTable"], Key=key, **change)
            except db.exceptions.ConditionalCheckFailedException:
                pass
        return not item

    until("the organisation to be erased, a part each minute", gone, 10 * 60)
    told = db.get_item(TableName=ids["ControlTable"], Key={"pk": {"S": "system"}, "sk": {"S": f"erased#{org}"}})
    assert "Item" in told, "nothing tells when it was erased"
    for table in ("ControlTable", "RunsTable", "LedgerTable", "TokensTable"):
        pages = db.get_paginator("scan").paginate(TableName=ids[table], ConsistentRead=True)
        left = [item for page in pages for item in page["Items"] if org in repr(item) and item["pk"]["S"] != "system"]
        assert not left, f"{table}: {left}"
    objects = deployment.cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=ids["FilesBucket"])
    left = [found["Key"] for page in objects for found in page.get("Contents", []) if org in found["Key"]]
    assert not left, f"objects are left: {left}"
    secrets = deployment.cloud.secretsmanager.get_paginator("list_secrets").paginate()
    left = [secret["Name"] for page in secrets for secret in page["SecretList"] if org in secret["Name"]]
    assert not left, f"secrets are left: {left}"
    say("an organisation was exported and erased: nothing of it is in the tables, in the bucket and in secrets")


def least_privilege(deployment: Deployment) -> list[str]:
    cloud, ids = deployment.cloud, deployment.ids
    functions = [name for name in ("Api", "Hooks", "Ingest", "Executor", "Timer", "Deadletter", "Stream", "Eraser")]
    granted, fed = {}, {}
    account = ids["AlarmTopic"].split(":")[4]
    names = {physical.split(":")[-1].split("/")[-1]: logical for logical, physical in ids.items()}
    for function in functions:
        role = ids[f"{function}Role"]
        documents = [cloud.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
                     for name in cloud.iam.list_role_policies(RoleName=role)["PolicyNames"]]
        assert not cloud.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"], f"{role} has a managed policy"
        granted[role] = roles.grants(documents)
        sources = cloud.functions.list_event_source_mappings(FunctionName=ids[function])["EventSourceMappings"]
        logs = f"arn:aws:logs:{REGION}:{account}:log-group:{ids[function + 'Logs']}"
        fed[role] = {m["EventSourceArn"] for m in sources} | {logs, f"{logs}:*"}
    rows, faults = roles.compare(granted, cloud.calls(), fed)
    print(f"\n{'function':12}{'action':32}{'resource':18}use")
    for role, action, resource, how in rows:
        last = resource.split(":")[-1] if ":logs:" not in resource else resource.split(":")[6]
        table, _, index = last.removeprefix("table/").removeprefix("event-bus/").partition("/index/")
        # A log group is named after its function, and a secret's ARN ends in six characters of its own.
        shown = next((logical for name, logical in names.items() if name == table or table.rsplit("-", 1)[0] == name), table)
        shown = f"{function_of(names[role])}Logs" if action.startswith("logs:") else shown
        print(f"{function_of(names[role]).lower():12}{action:32}{shown + ('/' + index if index else ''):18}{how}")
    print()
    return faults


def function_of(role: str) -> str:
    return role.removesuffix("Role")


def who_asks_for_tokens(deployment: Deployment):
    """An app whose server of tokens cannot be reached from here: the lease for them is taken and given back all the same."""
    owner = Owner(deployment)
    connection = owner.post("/v1/connections", {"name": "Shop", "connector": "shopify", "auth": "app", "fields": {
        "shop": "rehearsal", "client_id": "rehearsal"}, "credentials": {"client_secret": "rehearsal-secret"}})["id"]
    step = {"id": "ask", "type": "action", "use": "shopify.get_shop", "connection": connection, "input": {}, "retry": {"max_attempts": 1}}
    for n in range(2):
        error = owner.ends(owner.start(f"tokens {n}", [step]), "failed")["error"]
        assert error["code"] == "app_unavailable", error
    say("new tokens were asked for with a lease, twice")
    # Each change makes a secret of its own, and takes the one before away.
    def secrets() -> set[str]:
        pages = deployment.cloud.secretsmanager.get_paginator("list_secrets").paginate()
        return {s["Name"] for page in pages for s in page["SecretList"] if s["Name"].startswith(f"{STACK}/credentials/")}

    before = secrets()
    assert len(before) == 2, f"a secret for each of two connections: {before}"
    owner.ask("PATCH", f"/v1/connections/{connection}", {"credentials": {"client_secret": "another-secret"}})
    after = secrets()
    assert len(after - before) == len(before - after) == 1, (before, after)
    # Asked of the app by the function api, which opens it for that.
    tested = owner.post(f"/v1/connections/{connection}/test", {})
    assert tested["error"]["code"] == "app_unavailable", tested
    error = owner.ends(owner.start("another secret", [step]), "failed")["error"]
    assert error["code"] == "app_unavailable", error
    say("credentials are kept in a secret of Secrets Manager, which a change replaces")


def keys(cloud: Cloud, table: str):
    """The keys of every item of a table."""
    schema = cloud.dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]
    names = {f"#k{at}": key["AttributeName"] for at, key in enumerate(schema)}
    pages = cloud.dynamodb.get_paginator("scan").paginate(
        TableName=table, ProjectionExpression=", ".join(names), ExpressionAttributeNames=names, ConsistentRead=True
    )
    for page in pages:
        yield from page["Items"]


def removed(deployment: Deployment):
    """Deletes the stack. What it holds in tables, and its keys, stay."""
    cloud = deployment.cloud
    tables = [deployment.ids[table] for table in ("ControlTable", "RunsTable", "DueTable", "LedgerTable")]

    def held() -> dict[str, set]:
        return {table: {tuple(sorted(str(key) for key in item.values())) for item in keys(cloud, table)} for table in tables}

    def at_rest():
        # What the journeys started may still be at work: what is counted is what no function changes any more.
        before = held()
        time.sleep(5)
        return before if held() == before else None

    kept = until("the tables are at rest", at_rest)
    assert len(kept[deployment.ids["RunsTable"]]) > 50 and len(kept[deployment.ids["ControlTable"]]) > 5, kept
    secret = deployment.setup_token
    deployment.run("delete", "--stack-name", STACK, "--no-prompts", "--region", REGION)
    gone = cloud.functions.list_functions()["Functions"]
    assert not gone, f"functions are left: {gone}"
    for table, before in kept.items():
        lost = before - held()[table]
        assert not lost, f"{table} had {len(before)} items before the stack was deleted, and has lost {lost}"
        described = cloud.dynamodb.describe_table(TableName=table)["Table"]
        assert described["DeletionProtectionEnabled"], f"{table} is not protected from deletion"
    assert deployment.setup_token == secret
    say(f"stack deleted; kept: {', '.join(f'{len(items)} items of {table}' for table, items in kept.items())}, and the secret")


def same(old: pathlib.Path, new: pathlib.Path, program: pathlib.Path) -> bool:
    return (old / program).read_bytes() == (new / program).read_bytes()


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("build", "tools", "smoke", "work"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--old", type=pathlib.Path)
    given = parser.parse_args()
    shutil.rmtree(given.work, ignore_errors=True)
    given.work.mkdir(parents=True)
    # Without an older version, "old" is the same program in another package: what CloudFormation does is the same.
    old = given.old
    if old and all(same(old, given.build, b.relative_to(old)) for b in old.glob("*/bootstrap")):
        raise SystemExit("rehearsal: the older version's programs are the same as this one's")
    if old is None:
        old = given.work / "old"
        shutil.copytree(given.build, old, copy_function=os.link)
        for bootstrap in old.glob("*/bootstrap"):
            (bootstrap.parent / "REHEARSED").write_text("an older package\n")

    cloud = Cloud(given.work)
    try:
        deployment = Deployment(cloud, given.tools)
        deployment.deploy(old)
        say("deployed")
        ended_well(smoke(given.smoke, deployment), deployment)
        say("smoke journey passed, through the deployed HTTP API")
        in_flight(given.smoke, deployment, lambda: deployment.deploy(given.build, ChainBudget=1, Dashboard="yes"))
        say("upgraded with runs in flight")
        ended_well(smoke(given.smoke, deployment), deployment)
        say("smoke journey passed with ChainBudget 1")
        # This local AWS knows no alarms over metric math: an update that fails halfway, as any may.
        in_flight(given.smoke, deployment, lambda: deployment.deploy_badly(old, Alarms="all"))
        say("a failed update was taken back by CloudFormation, with runs in flight")
        in_flight(given.smoke, deployment, lambda: deployment.deploy(old))
        say("rolled back to the version before, with runs in flight")
        deployment.deploy(given.build)
        ended_well(smoke(given.smoke, deployment), deployment)
        say("smoke journey passed, after the last upgrade")
        what_comes_twice(deployment)
        who_sends(deployment)
        whose_turn_it_is(deployment)
        who_asks_for_tokens(deployment)
        what_time_does(deployment)
        what_quotas_do(deployment)
        what_an_erasure_leaves(deployment)
        faults = least_privilege(deployment)
        if given.old:
            # An older version's programs may have used what this one's no longer use: only refusals count.
            faults = [fault for fault in faults if "lacks" in fault]
        removed(deployment)
    except BaseException:
        print(f"the local AWS's log: {cloud.log}", file=sys.stderr)
        raise
    finally:
        cloud.stop()
    for fault in faults:
        print(f"fault: {fault}")
    say("rehearsed" if not faults else f"rehearsed, with {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
