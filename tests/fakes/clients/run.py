"""Starts the fakes, runs each client's program against its fake, and prints a table of what was seen."""

import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
python, node, program = sys.argv[1:4]

CLIENTS = [
    ("pyairtable", "airtable", [python, str(HERE / "airtable.py")]),
    ("airtable.js", "airtable", ["node", f"{node}/airtable.mjs"]),
    ("google-api-python-client", "google", [python, str(HERE / "google_sheets.py")]),
    ("oauth", "oauth", [python, str(HERE / "oauth.py")]),
]


def main() -> int:
    fakes = subprocess.Popen([program, "--addr", "127.0.0.1:0", "--only", "airtable,google,oauth"], stdout=subprocess.PIPE, text=True)
    failed = 0
    try:
        ready = next(line for line in fakes.stdout if line.startswith("ready "))
        urls = {name: fake["url"] for name, fake in json.loads(ready.removeprefix("ready ")).items()}
        print("| Client | Check | |\n|---|---|---|")
        for client, fake, command in CLIENTS:
            run = subprocess.run([*command, urls[fake]], capture_output=True, text=True, timeout=300, check=False)
            rows = [line for line in run.stdout.splitlines() if line.startswith(("ok ", "FAILED "))]
            for row in rows:
                outcome, _, name = row.partition(" ")
                print(f"| {client} | {name} | {outcome} |")
            failed += sum(row.startswith("FAILED") for row in rows)
            # A program that ended before its checks did has failed, whatever it printed.
            if not rows or (run.returncode != 0 and not any(row.startswith("FAILED") for row in rows)):
                print(f"| {client} | it did not end | FAILED |\n{run.stderr}", file=sys.stderr)
                failed += 1
    finally:
        fakes.terminate()
        fakes.wait()
    print(f"fakes: {'ok' if not failed else f'{failed} failed'}")
    return 1 if failed else 0


sys.exit(main())
