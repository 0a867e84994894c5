#!/usr/bin/env python3
"""`make demo`: the platform and fakes of apps on this machine, with workflows that were fired once. Ctrl-C ends all."""

import argparse
import hashlib
import hmac
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
APPS = ["slack_notification", "transform_orders", "sheets_to_notion", "github_issue_to_oz"]
SIMPLE = ["map", "branch", "filter_items"]
FAKE_OF = {"google_sheets": "google"}
EMAIL = "demo@example.com"
PATIENCE = 60
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Failed(Exception):
    """What cannot go on, in words for the person at the terminal."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


# No proxy: everything is on this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect())


def call(method, url, body=None, token=None, headers=None, raw=None):
    """The status, the headers and the JSON of an answer."""
    sent = {"content-type": "application/json", **(headers or {})}
    if token:
        sent["authorization"] = f"Bearer {token}"
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=sent)
    try:
        with OPENER.open(request, timeout=PATIENCE) as answer:
            status, got, text = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        status, got, text = answer.code, answer.headers, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"{method} {url}: {error}") from error
    try:
        return status, got, json.loads(text or b"null")
    except ValueError:
        return status, got, text.decode(errors="replace")


def expect(status, answer, what):
    if answer[0] != status:
        raise Failed(f"{what}: {answer[0]} {answer[2]}")
    return answer[2]


class Program:
    """A program that says `ready` and runs until it is interrupted."""

    def __init__(self, command, **variables):
        # A session of its own: Ctrl-C in the terminal reaches this script only, which ends what it started, in order.
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=None, stdin=subprocess.DEVNULL, text=True, start_new_session=True,
            env={**{k: v for k, v in os.environ.items() if not k.startswith("PATCHBAY_")}, **variables})
        self.name = Path(command[0]).name

    def ready(self):
        for line in self.process.stdout:
            if line.startswith("ready "):
                # What it says later must not fill the pipe.
                threading.Thread(target=self.process.stdout.read, daemon=True).start()
                return line.removeprefix("ready ").strip()
        raise Failed(f"{self.name} ended before it was ready: is its address taken?")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def google_token(fake):
    """An access token, as a person gets one who consents."""
    client = fake["about"]["clients"][0]
    back = {"redirect_uri": "http://127.0.0.1/", "client_id": client["client_id"]}
    scopes = "https://www.googleapis.com/auth/spreadsheets https://www.googleapis.com/auth/drive.file"
    asked = urllib.parse.urlencode({**back, "response_type": "code", "scope": scopes})
    answer = call("GET", f"{fake['url']}/o/oauth2/v2/auth?{asked}")
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(answer[1]["location"]).query)["code"][0]
    form = {**back, "grant_type": "authorization_code", "code": code, "client_secret": client["client_secret"]}
    given = call("POST", f"{fake['url']}/token", raw=urllib.parse.urlencode(form).encode(),
                 headers={"content-type": "application/x-www-form-urlencoded"})
    return expect(200, given, "a token of Google's fake")["access_token"]


class Demo:
    def __init__(self, base, fakes, password):
        self.base, self.fakes, self.password = base, fakes, password
        self.token = None
        self.connections = {}

    def api(self, method, path, body=None, status=200):
        return expect(status, call(method, self.base + path, body, self.token), f"{method} {path}")

    def set_up(self, setup_token):
        made = self.api("POST", "/v1/setup", {"token": setup_token, "email": EMAIL, "password": self.password, "organization": "Demo"}, 201)
        self.token = made["access_token"]

    def fake(self, connector):
        return self.fakes[FAKE_OF.get(connector, connector)]

    def credentials(self, connector):
        fake = self.fake(connector)
        if connector == "google_sheets":
            self.google = google_token(fake)
            return self.google
        about = fake["about"]
        return about.get("token") or about.get("api_key") or about["tokens"][0]

    def connect(self, connector, auth):
        """The id of the connection of an app, which is made when it is first wanted."""
        if connector not in self.connections:
            made = self.api("POST", "/v1/connections", {
                "name": f"{connector} (fake)", "connector": connector, "auth": auth, "credentials": {"token": self.credentials(connector)}}, 201)
            self.connections[connector] = made["id"]
        return self.connections[connector]

    def workflow(self, example):
        """Sets up an example; gives the workflow."""
        text = json.dumps(example["definition"])
        for placeholder, of in example.get("connections", {}).items():
            text = text.replace(f'"{placeholder}"', json.dumps(self.connect(of["connector"], of["auth"])))
        for secret, group in ((False, "variables"), (True, "secrets")):
            for name, value in example.get(group, {}).items():
                self.api("PUT", f"/v1/variables/{name}", {"value": value, "secret": secret})
        made = self.api("POST", "/v1/workflows", json.loads(text), 201)
        self.api("POST", f"/v1/workflows/{made['id']}/enable")
        if rows := example.get("rows"):
            sheet = example["variables"]["spreadsheet"]
            url = f"{self.fakes['google']['url']}/v4/spreadsheets/{sheet}/values/{rows['range']}?valueInputOption=RAW"
            expect(200, call("PUT", url, {"values": rows["values"]}, self.google), "the rows of the spreadsheet")
        return made

    def fire(self, workflow, example):
        """Starts a workflow in the way of the example; gives the run's id, if the sender is told."""
        fire = example.get("fire") or {"input": example.get("input", {})}
        if "input" in fire:
            return self.api("POST", f"/v1/workflows/{workflow['id']}/runs", {"input": fire["input"]}, 202)["id"]
        url = next(trigger["url"] for trigger in workflow["triggers"] if trigger.get("url"))
        body = json.dumps(fire["body"]).encode()
        headers = dict(fire.get("headers", {}))
        if name := fire.get("signed_with"):
            headers["x-hub-signature-256"] = "sha256=" + hmac.new(example["secrets"][name].encode(), body, hashlib.sha256).hexdigest()
        answer = call("POST", url, raw=body, headers=headers)
        if answer[0] not in (200, 202):
            raise Failed(f"POST {url}: {answer[0]} {answer[2]}")
        if answer[0] == 202:
            return answer[2]["id"]
        return self.api("GET", f"/v1/runs?workflow={workflow['id']}")["items"][0]["id"]

    def finished(self, run):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            view = self.api("GET", f"/v1/runs/{run}")
            if view["status"] not in ("queued", "running", "waiting"):
                return view
            time.sleep(0.1)
        raise Failed(f"{run} is not over after {PATIENCE} s")


def parsed():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="the folder of patchbay-local and fakes")
    parser.add_argument("--addr", default="127.0.0.1:8787")
    parser.add_argument("--fakes", default="127.0.0.1:8800", help="the first of the fakes; each has a port")
    parser.add_argument("--data", default=".patchbay-demo", help="made anew at each start")
    return parser.parse_args()


def show(demo, fired):
    print("\nWorkflows, each fired once:")
    for name, workflow, run in fired:
        print(f"  {run['status']:<10} {name:<20} workflow {workflow['id']}  {run['id']}")
    print("\nThe owner, for this demo only:")
    print(f"  e-mail   {EMAIL}\n  password {demo.password}")
    print(f"\nThe API         {demo.base}/v1/docs")
    print("What each fake was asked:")
    for name, fake in demo.fakes.items():
        print(f"  {name:<10} {fake['url']}/_admin")
    last = fired[-1][2]["id"]
    print("\nWatch a run:")
    print(f"  TOKEN=$(curl -s {demo.base}/v1/auth/login -H 'content-type: application/json' \\\n"
          f"    -d '{{\"email\": \"{EMAIL}\", \"password\": \"{demo.password}\"}}' | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])')")
    print(f"  curl -s {demo.base}/v1/runs/{last} -H \"authorization: Bearer $TOKEN\" | python3 -m json.tool")
    hook = next(t["url"] for _, w, _ in fired for t in w["triggers"] if t.get("url"))
    print("Start another:")
    print(f"  curl -s {hook} -H 'content-type: application/json' -d '{{\"id\": \"order-2\", \"customer\": \"Grace\", \"total\": 500, \"currency\": \"EUR\"}}'")


def main():
    # Also where a shell has this ignore Ctrl-C; and whoever ends it with a plain `kill`, or closes the terminal, wants the rest ended, too.
    for ending in ENDINGS:
        signal.signal(ending, signal.default_int_handler)
    args = parsed()
    programs = []
    try:
        fakes = Program([str(args.bin / "fakes"), "--addr", args.fakes])
        programs.append(fakes)
        known = json.loads(fakes.ready())
        instead = ",".join(f"{address}={fake['url']}" for fake in known.values() for address in fake["stands_for"])
        setup_token = secrets.token_urlsafe(24)
        platform = Program([str(args.bin / "patchbay-local"), "--addr", args.addr, "--data", args.data, "--reset"],
                           PATCHBAY_ALLOW_LOOPBACK="1", PATCHBAY_INSTEAD=instead, PATCHBAY_SETUP_TOKEN=setup_token)
        programs.append(platform)
        demo = Demo(platform.ready(), known, secrets.token_urlsafe(12))
        demo.set_up(setup_token)
        fired = []
        for folder, names in ((EXAMPLES / "apps", APPS), (EXAMPLES, SIMPLE)):
            for name in names:
                example = json.loads((folder / f"{name}.json").read_text())
                workflow = demo.workflow(example)
                fired.append((name, workflow, demo.fire(workflow, example)))
        fired = [(name, workflow, demo.finished(run)) for name, workflow, run in fired]
        show(demo, fired)
        failed = [name for name, _, run in fired if run["status"] != "succeeded"]
        if failed:
            raise Failed(f"these did not succeed: {', '.join(failed)}")
        print("\nThe demo is ready. Ctrl-C ends it.", flush=True)
        while True:
            time.sleep(0.5)
            for program in programs:
                if program.process.poll() is not None:
                    raise Failed(f"{program.name} ended with {program.process.returncode}")
    except KeyboardInterrupt:
        print("\nThe demo is over.", flush=True)
        return 0
    except Failed as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    finally:
        # A second Ctrl-C must not leave something running.
        for ending in ENDINGS:
            signal.signal(ending, signal.SIG_IGN)
        for program in reversed(programs):
            program.stop()


if __name__ == "__main__":
    sys.exit(main())
