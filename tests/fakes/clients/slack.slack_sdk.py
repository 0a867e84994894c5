from scenario import ABOUT, URL, admin, check, end, fault, refused, requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.signature import SignatureVerifier
import http.server
import threading
import time
import urllib.parse
import urllib.request

client = WebClient(token=ABOUT["token"], base_url=ABOUT["base_url"])
narrow = WebClient(token=ABOUT["token_with_few_scopes"], base_url=ABOUT["base_url"])
member, other, archived = (ABOUT["channels"][name] for name in ("member", "not_a_member", "archived"))


def code(error, work):
    return refused(SlackApiError, work, lambda raised: raised.response["error"] == error)


check("auth.test", lambda: client.auth_test()["user_id"] == ABOUT["bot_user_id"])
check("a wrong token", lambda: code("invalid_auth", WebClient(token="xoxb-no", base_url=ABOUT["base_url"]).auth_test))
check("a revoked token", lambda: code("token_revoked", WebClient(token=ABOUT["token_that_is_revoked"], base_url=ABOUT["base_url"]).auth_test))
check("no token", lambda: code("not_authed", WebClient(base_url=ABOUT["base_url"]).auth_test))
check("a scope that is missing", lambda: code("missing_scope", narrow.conversations_list))

posted = client.chat_postMessage(channel=member, text="hello", blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": "*hello*"}}])
check("chat.postMessage", lambda: posted["message"]["blocks"][0]["type"] == "section" and posted["channel"] == member)
check("chat.update", lambda: client.chat_update(channel=member, ts=posted["ts"], text="changed")["text"] == "changed")
check("reactions.add", lambda: client.reactions_add(channel=member, timestamp=posted["ts"], name="eyes")["ok"])
check("a reaction twice", lambda: code("already_reacted", lambda: client.reactions_add(channel=member, timestamp=posted["ts"], name="eyes")))
check("chat.postEphemeral", lambda: client.chat_postEphemeral(channel=member, user="U0FAKE00001", text="psst")["message_ts"])
admin("rates", {"enabled": False})
check("a thread", lambda: client.chat_postMessage(channel=member, text="reply", thread_ts=posted["ts"])["message"]["thread_ts"] == posted["ts"])
check("conversations.replies", lambda: len(client.conversations_replies(channel=member, ts=posted["ts"])["messages"]) == 2)
check("conversations.history", lambda: [m["text"] for m in client.conversations_history(channel=member)["messages"]] == ["changed"])
check("chat.delete", lambda: client.chat_delete(channel=member, ts=posted["ts"])["ok"])
check("a message that is gone", lambda: code("message_not_found", lambda: client.chat_update(channel=member, ts=posted["ts"], text="x")))
check("no text", lambda: code("no_text", lambda: client.chat_postMessage(channel=member, text="")))
check("an archived channel", lambda: code("is_archived", lambda: client.chat_postMessage(channel=archived, text="x")))
check("no channel", lambda: code("channel_not_found", lambda: client.chat_postMessage(channel="C0NOWHERE00", text="x")))
check("not a member", lambda: code("not_in_channel", lambda: narrow.chat_postMessage(channel=other, text="x")))
check("a public channel", lambda: client.chat_postMessage(channel=other, text="x")["ok"])
check("bad blocks", lambda: code("invalid_blocks", lambda: client.chat_postMessage(channel=member, text="x", blocks=[{"type": "nonsense"}])))
check("pages", lambda: [len(page["channels"]) for page in client.conversations_list(limit=4)] == [4, 4, 3])
check("a bad cursor", lambda: code("invalid_cursor", lambda: client.conversations_list(cursor="x")))
check("a bad type", lambda: code("invalid_types", lambda: client.conversations_list(types="x")))
check("private channels", lambda: client.conversations_list(types="private_channel")["channels"][0]["name"] == "hiring")
made = client.conversations_create(name="new-things")["channel"]["id"]
check("a name twice", lambda: code("name_taken", lambda: client.conversations_create(name="new-things")))
check("a bad name", lambda: code("invalid_name_specials", lambda: client.conversations_create(name="New Things")))
check("conversations.invite", lambda: client.conversations_invite(channel=made, users=["U0FAKE00001"])["ok"])
check("invited twice", lambda: code("already_in_channel", lambda: client.conversations_invite(channel=made, users=["U0FAKE00001"])))
check("conversations.members", lambda: sorted(client.conversations_members(channel=made)["members"]) == ["U0FAKE00001", "U0FAKEBOT01"])
check("conversations.info", lambda: client.conversations_info(channel=made)["channel"]["name"] == "new-things")
opened = client.conversations_open(users=["U0FAKE00002"])["channel"]["id"]
check("conversations.open twice", lambda: client.conversations_open(users=["U0FAKE00002"])["channel"]["id"] == opened)
check("users.list", lambda: len([user for page in client.users_list(limit=2) for user in page["members"]]) == 6)
check("users.info", lambda: client.users_info(user="U0FAKE00001")["user"]["profile"]["email"] == "ada@example.com")
check("users.lookupByEmail", lambda: client.users_lookupByEmail(email="grace@example.com")["user"]["id"] == "U0FAKE00002")
check("nobody of that address", lambda: code("users_not_found", lambda: client.users_lookupByEmail(email="no@example.com")))
uploaded = client.files_upload_v2(content="hello file", filename="a.txt", title="A", channel=member, initial_comment="look")
check("files v2", lambda: uploaded["file"]["title"] == "A")
check("a message with the file", lambda: client.conversations_history(channel=member)["messages"][0]["files"][0]["id"] == uploaded["file"]["id"])


def downloaded():
    request = urllib.request.Request(uploaded["file"]["url_private_download"], headers={"Authorization": f"Bearer {ABOUT['token']}"})
    return urllib.request.urlopen(request).read() == b"hello file"


check("the file's bytes", downloaded)
check("a file that was never uploaded", lambda: code("file_not_found", lambda: client.files_completeUploadExternal(files=[{"id": "F0", "title": "x"}])))
check("what is not modelled", lambda: refused(SlackApiError, lambda: client.views_open(trigger_id="1", view={}), lambda raised: raised.response.status_code == 501))

# Limits: one message a second and channel, and what a client does about it.
admin("rates", {"enabled": True})
check("too fast", lambda: refused(SlackApiError, lambda: [client.chat_postMessage(channel=member, text="x") for _ in range(3)], lambda raised: raised.response.status_code == 429 and raised.response.headers["Retry-After"] == "1"))
patient = WebClient(token=ABOUT["token"], base_url=ABOUT["base_url"], retry_handlers=[RateLimitErrorRetryHandler(max_retry_count=2)])
check("a client that waits", lambda: [patient.chat_postMessage(channel=member, text="x")["ok"] for _ in range(2)])
fault("token_expired")
check("an expired token", lambda: code("token_expired", client.auth_test))


class Same(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def codes():
    query = urllib.parse.urlencode({"client_id": ABOUT["client_id"], "scope": "chat:write,users:read", "redirect_uri": "http://127.0.0.1/back", "state": "s"})
    try:
        urllib.request.build_opener(Same).open(f"{ABOUT['authorize_url']}?{query}")
    except urllib.error.HTTPError as answer:
        back = urllib.parse.parse_qs(urllib.parse.urlparse(answer.headers["Location"]).query)
        return back["code"][0]


app = {"client_id": ABOUT["client_id"], "client_secret": ABOUT["client_secret"]}
anybody = WebClient(base_url=ABOUT["base_url"])
given = anybody.oauth_v2_access(**app, code=codes(), redirect_uri="http://127.0.0.1/back")
check("a code becomes tokens", lambda: given["expires_in"] == 43200 and given["scope"] == "chat:write,users:read")
check("its token", lambda: WebClient(token=given["access_token"], base_url=ABOUT["base_url"]).users_info(user="U0FAKE00001")["user"]["profile"].get("email") is None)
check("no such code", lambda: code("invalid_code", lambda: anybody.oauth_v2_access(**app, code="x")))
check("another secret", lambda: code("bad_client_secret", lambda: anybody.oauth_v2_access(client_id=app["client_id"], client_secret="x", code=codes())))
again = anybody.oauth_v2_access(**app, grant_type="refresh_token", refresh_token=given["refresh_token"])
check("a refreshed token is another", lambda: again["access_token"] != given["access_token"])
check("a refresh token twice", lambda: code("invalid_refresh_token", lambda: anybody.oauth_v2_access(**app, grant_type="refresh_token", refresh_token=given["refresh_token"])))
admin("clock", {"advance_seconds": 43_300})
check("after twelve hours", lambda: code("token_expired", WebClient(token=again["access_token"], base_url=ABOUT["base_url"]).auth_test))

# Events, judged by the client's own verifier.
seen = []


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        verifier = SignatureVerifier(ABOUT["signing_secret"])
        # The fake's clock was moved on; the age is not what is judged here.
        verifier.clock.now = lambda: int(self.headers["X-Slack-Request-Timestamp"])
        seen.append(verifier.is_valid_request(body, dict(self.headers)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}/"
admin("events", {"url": address, "event": {"type": "message", "text": "hi"}})
admin("events", {"url": address, "event": {"type": "message"}, "retry": 1})
admin("commands", {"url": address, "command": "/do", "text": "it"})
admin("events", {"url": address, "event": {"type": "message"}, "forged": True})
check("signatures", lambda: seen == [True, True, True, False])
check("no credential is kept", lambda: ABOUT["token"] not in str(requests()) and ABOUT["client_secret"] not in str(requests()))
end()
