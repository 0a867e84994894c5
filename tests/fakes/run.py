"""Starts the fakes, lets each client in `clients/` or beside this file do its scenario, and prints who could do what.

A client is one file: `clients/<fake>.<client>.py`, or `<fake>.<client>.mjs` beside this file. It gets the fake's address and what
signs in as JSON in its first argument, and prints a line for each thing it tried: `ok NAME`, or `not NAME: WHY`. What it left is
checked here: a client that prints nothing, or ends badly, has failed.
"""

import json
import os
import pathlib
import subprocess
import sys
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent


def asked(url: str, path: str, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url + path, data=data), timeout=10) as answer:
        return json.load(answer)


def main() -> int:
    fakes = subprocess.Popen([sys.argv[1], "--addr", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        for line in fakes.stdout:
            if line.startswith("ready "):
                known = json.loads(line.removeprefix("ready "))
                break
        else:
            print("the fakes did not start")
            return 1
        only = sys.argv[2:]
        rows, failed = [], False
        clients = sorted([*HERE.glob("clients/*.*.py"), *HERE.glob("*.*.mjs")], key=lambda path: path.name)
        for path in clients:
            fake, client = path.name.split(".")[:2]
            if only and fake not in only:
                continue
            url = known[fake]["url"]
            asked(url, "/_admin/reset", {})
            # A module finds its packages from where it is: the folder that they were installed in holds copies.
            program = [sys.executable, str(path)] if path.suffix == ".py" else ["node", str(pathlib.Path(os.environ["NODE_FOLDER"]) / path.name)]
            done = subprocess.run([*program, json.dumps(known[fake])], capture_output=True, text=True, timeout=120)
            lines = [line for line in done.stdout.splitlines() if line.startswith(("ok ", "not "))]
            wrong = [line for line in lines if line.startswith("not ")]
            calls = len(asked(url, "/_admin/requests")["requests"])
            well = bool(lines) and not wrong and done.returncode == 0 and calls > 0
            failed |= not well
            rows.append((fake, client, "Python" if path.suffix == ".py" else "Node", str(calls), f"{len(lines) - len(wrong)} of {len(lines)}", "ok" if well else "FAILED"))
            if not well:
                print(f"{path.name}:", *wrong, done.stderr[-2000:] if done.returncode or not lines else "", sep="\n  ")
        table = [("fake", "client", "of", "calls", "as expected", ""), *rows]
        widths = [max(len(row[at]) for row in table) for at in range(6)]
        for row in table:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        return 1 if failed or not rows else 0
    finally:
        fakes.terminate()
        fakes.wait(10)


if __name__ == "__main__":
    sys.exit(main())
