"""A local AWS (ministack) that enforces the functions' roles and writes down what each of them did.

    cloud.py CALLS

Listens where ministack's own variables say, and appends one line of JSON to the file CALLS whenever a role does something that it did
not do before: {"role", "action", "resource", "allowed"}. With `AUTH=true` ministack checks signatures and evaluates the roles' policies.
Five things are changed in it, and nothing else:

- its evaluator is listened to;
- a function's process is given what Lambda gives it, not the variables of this machine;
- an invocation that is under way when its function is replaced goes on to its end, as on AWS, where ministack would kill it;
- requests count as encrypted on the way: it speaks plain HTTP, and the bucket's policy refuses that;
- `ScalingConfig.MaximumConcurrency` may come as text, as CloudFormation passes a parameter of type Number.
"""

import json
import os
import sys
import threading
import time

calls = sys.argv.pop()

from ministack import app  # noqa: E402  (it reads sys.argv)
from ministack.core import iam_evaluator, lambda_runtime  # noqa: E402
from ministack.services import lambda_svc  # noqa: E402

# What a process on Lambda finds besides its own variables and those that begin with AWS_ or LAMBDA_.
GIVEN = {"PATH", "LANG", "TZ", "_HANDLER"}

lock = threading.Lock()
known: set[tuple] = set()
evaluate = iam_evaluator.enforce


def listened(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
    denied = evaluate(access_key_id, iam_action, service, region, resource_arn=resource_arn, service_context=service_context)
    arn = (iam_evaluator.resolve_caller_identity(access_key_id or "") or {}).get("userArn", "")
    if ":assumed-role/" in arn:
        entry = (arn.split("/")[1], iam_action, resource_arn, denied is None)
        with lock:
            if entry not in known:
                known.add(entry)
                with open(calls, "a") as file:
                    file.write(json.dumps(dict(zip(("role", "action", "resource", "allowed"), entry))) + "\n")
    return denied


condition_of = iam_evaluator._resolve_condition_key


def encrypted_on_the_way(key, context):
    return "true" if key.lower() == "aws:securetransport" else condition_of(key, context)


variables_of = lambda_svc._provided_worker_env


def as_on_lambda(config, code_dir, port):
    own = (config.get("Environment") or {}).get("Variables") or {}
    given = variables_of(config, code_dir, port)
    return {k: v for k, v in given.items() if k in own or k in GIVEN or k.startswith(("AWS_", "LAMBDA_"))}


kill = lambda_runtime.kill_workers


def when_they_are_done(workers):
    def later(worker):
        while worker.in_use:
            time.sleep(0.1)
        kill([worker])

    for worker in workers:
        threading.Thread(target=later, args=(worker,), daemon=True).start()


concurrency_of = lambda_svc._sqs_esm_concurrency


def as_a_number(esm, *others):
    scaling = esm.get("ScalingConfig") or {}
    if "MaximumConcurrency" in scaling:
        scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
    return concurrency_of(esm, *others)


iam_evaluator.enforce = listened
iam_evaluator._resolve_condition_key = encrypted_on_the_way
lambda_svc._provided_worker_env = as_on_lambda
lambda_runtime.kill_workers = when_they_are_done
lambda_svc._sqs_esm_concurrency = as_a_number

if __name__ == "__main__":
    assert os.environ.get("AUTH") == "true", "without AUTH=true nothing is enforced"
    app.main()
