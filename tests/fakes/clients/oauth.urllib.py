"""The authorization server, as a careless and as a careful client meet it: its first argument is what the fake said of itself."""

import base64
import concurrent.futures
import hashlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

from checks import Admin, check, end, equal

url = json.loads(sys.argv[1])["url"]
admin = Admin(url)
BACK = "http://127.0.0.1:1/back"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def ask(path, form=None, headers=None):
    """Status and body of an answer; a redirect is not followed, and gives where it leads."""
    data = urllib.parse.urlencode(form).encode() if form else None
    request = urllib.request.Request(url + path, data=data, headers=headers or {})
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 302:
            return 302, dict(urllib.parse.parse_qsl(urllib.parse.urlparse(error.headers["location"]).query))
        return error.code, json.load(error)


def consent():
    query = urllib.parse.urlencode({
        "response_type": "code", "client_id": "public", "redirect_uri": BACK, "scope": "read", "state": "s",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    })
    _, back = ask(f"/authorize?{query}")
    equal(back["state"], "s")
    status, tokens = ask("/token", {
        "grant_type": "authorization_code", "client_id": "public", "code": back["code"], "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    })
    equal(status, 200)
    return tokens


def refresh(token):
    return ask("/token", {"grant_type": "refresh_token", "client_id": "public", "refresh_token": token})


def resource(tokens):
    return ask("/resource", headers={"authorization": f"Bearer {tokens['access_token']}"})[0]


@check("a consent, a refresh, an expiry")
def _():
    admin.post("reset")
    tokens = consent()
    equal(resource(tokens), 200)
    admin.post("clock", {"advance_seconds": 3600})
    equal(resource(tokens), 401)
    status, again = refresh(tokens["refresh_token"])
    equal((status, resource(again)), (200, 200))


@check("fifty refreshes at once with one token: one is granted, and the consent is revoked")
def _():
    admin.post("reset")
    tokens = consent()
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(refresh, [tokens["refresh_token"]] * 50))
    granted = [body for status, body in answers if status == 200]
    equal((len(granted), {body["error"] for status, body in answers if status != 200}), (1, {"invalid_grant"}))
    equal(resource(granted[0]), 401)
    counts = admin.get("counts")
    equal((counts["refreshes_asked"], counts["refreshes_granted"], counts["families_revoked"]), (50, 1, 1))


@check("a refresh whose answer is lost has spent the token")
def _():
    admin.post("reset")
    tokens = consent()
    admin.post("faults", {"fault": "reset_after_commit", "path": "/token"})
    try:
        refresh(tokens["refresh_token"])
        raise AssertionError("it was answered")
    except (urllib.error.URLError, ConnectionError):
        pass
    equal(refresh(tokens["refresh_token"])[1]["error"], "invalid_grant")


@check("a slow answer, and a server that is down")
def _():
    admin.post("reset")
    tokens = consent()
    admin.post("faults", {"fault": "503", "path": "/token"})
    equal(refresh(tokens["refresh_token"])[0], 503)
    admin.post("faults", {"fault": "slow", "seconds": 1, "path": "/token"})
    equal(refresh(tokens["refresh_token"])[0], 200)


end()
