"""What each client's file begins with."""

import json
import sys
import urllib.request

FAKE = json.loads(sys.argv[1])
ABOUT, URL = FAKE["about"], FAKE["url"]
failed = False


def admin(path, body):
    request = urllib.request.Request(f"{URL}/_admin/{path}", data=json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def requests():
    with urllib.request.urlopen(f"{URL}/_admin/requests", timeout=10) as answer:
        return json.load(answer)["requests"]


def fault(name, **more):
    admin("faults", {"fault": name, **more})


def check(name, work):
    """Does one thing; it is as expected if it gives something true."""
    global failed
    try:
        value = work()
        good, why = bool(value), f"it gave {value!r}"
    except Exception as error:  # whatever a client raises is a finding
        good, why = False, f"{type(error).__name__}: {error}"
    failed |= not good
    print(f"ok {name}" if good else f"not {name}: {why}".replace("\n", " "))


def refused(error, work, test=lambda error: True):
    """Whether this work fails in the way that the client knows."""
    try:
        work()
    except error as raised:
        return test(raised)
    return False


def end():
    sys.exit(1 if failed else 0)
