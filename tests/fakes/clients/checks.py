"""What the programs beside this one have in common: checks that are told one a line, and a fake's own requests."""

import json
import sys
import traceback
import urllib.request

failed = 0


def check(name):
    """Runs the function at once, and prints `ok NAME` or `not NAME: why`."""

    def run(act):
        global failed
        try:
            act()
            print(f"ok {name}", flush=True)
        except Exception as error:  # whatever goes wrong is a row of the table
            failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1].lineno
            print(f"not {name}: {type(error).__name__}: {error} (line {where})", flush=True)
        return act

    return run


def equal(left, right):
    assert left == right, f"{left!r} is not {right!r}"


def refused(kind, act):
    """The error that `act` must raise."""
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


class Admin:
    """`/_admin` of a fake."""

    def __init__(self, url):
        self.url = url

    def get(self, path):
        with urllib.request.urlopen(f"{self.url}/_admin/{path}", timeout=10) as answer:
            return json.load(answer)

    def post(self, path, body=None):
        request = urllib.request.Request(f"{self.url}/_admin/{path}", data=json.dumps(body or {}).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def end():
    sys.exit(1 if failed else 0)
