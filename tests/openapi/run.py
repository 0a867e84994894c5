#!/usr/bin/env python3
"""Schemathesis against a running local stack: every operation of the OpenAPI document, with whatever the document allows and does not.

`tests/openapi/run` calls it with the program to test. It starts a stack of its own, makes an owner, and runs all phases with all
checks in its name. (Not with an API key: schemathesis finds that key in a list, and deletes it.) It fails unless schemathesis finds nothing, and sent 2,000 requests or more.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
LEAST = 2000
PASSWORD = "correct horse battery staple"
# These end the membership, the sessions or the password of whoever asks, or answer after a second each: journeys go through them.
LEFT_OUT = r"/leave$|/logout-everywhere$|/auth/password"


def post(base: str, path: str, body: dict) -> dict:
    request = urllib.request.Request(base + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def owner(base: str) -> str:
    """An access token. It counts for 15 minutes, which must be enough."""
    body = {"token": "openapi", "email": "ada@example.com", "password": PASSWORD, "organization": "Engines"}
    return post(base, "/v1/setup", body)["access_token"]


def main() -> int:
    program, more = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="patchbay-openapi-") as folder:
        log = open(pathlib.Path(folder) / "log", "w+")
        variables = {"PATCHBAY_SETUP_TOKEN": "openapi", "RATE_LIMIT_CALLER": "10000000", "RATE_LIMIT_ORGANIZATION": "10000000"}
        stack = subprocess.Popen([program, "--addr", "127.0.0.1:0", "--data", folder + "/data"], env=os.environ | variables,
                                 stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            base = next(line.split()[1] for line in stack.stdout if line.startswith("ready "))
            token = owner(base)
            report = pathlib.Path(folder) / "report.ndjson"
            began = time.monotonic()
            # The seed is fixed: a run that fails can be repeated.
            command = ["schemathesis", "--config-file", str(HERE / "schemathesis.toml"), "run", base + "/v1/openapi.json",
                       "-H", f"Authorization: Bearer {token}", "--checks", "all", "--seed", "1", "--no-color",
                       "--exclude-path-regex", LEFT_OUT, "--report", "ndjson", "--report-ndjson-path", str(report), *more]
            run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            seconds = time.monotonic() - began
            print(run.stdout[-20_000:] if run.returncode else run.stdout[run.stdout.rfind("\n=") + 1:])
            sent = [int(number) for number in re.findall(r"(\d[\d,]*) generated", run.stdout.replace(",", ""))]
            sent = sent[-1] if sent else 0
            log.seek(0)
            failed = [line for line in log if '"level":"ERROR"' in line or " ERROR " in line]
            for line in failed[:20]:
                print("the stack's log:", line.rstrip())
            print(f"schemathesis: {sent} requests in {seconds:.0f} s, exit {run.returncode}, {len(failed)} errors in the log")
            if run.returncode == 0 and sent < LEAST:
                print(f"fewer than {LEAST} requests")
            return int(run.returncode != 0 or sent < LEAST or bool(failed))
        finally:
            stack.kill()
            stack.wait()


if __name__ == "__main__":
    sys.exit(main())
