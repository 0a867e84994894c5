"""google-api-python-client and google-auth against the fake: its first argument is what the fake said of itself."""

import json
import sys
import time

import google.auth.exceptions
from google.oauth2 import credentials, service_account
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from checks import Admin, check, end, equal, refused

url = json.loads(sys.argv[1])["url"]
admin = Admin(url)
ID = "1PatchbayFakeSpreadsheet0000000000000000000"
SCOPES = ["https://www.googleapis.com/auth/spreadsheets", "https://www.googleapis.com/auth/drive.readonly"]


def fresh(limited=False, scopes=SCOPES):
    """A new service account, with clients for Sheets and Drive."""
    admin.post("reset")
    admin.post("rates", {"enabled": limited})
    account = admin.get("service-account")
    signed = service_account.Credentials.from_service_account_info(account, scopes=scopes)
    sheets = build("sheets", "v4", credentials=signed, client_options={"api_endpoint": url}, cache_discovery=False)
    drive = build("drive", "v3", credentials=signed, client_options={"api_endpoint": f"{url}/drive/v3/"}, cache_discovery=False)
    return sheets.spreadsheets(), drive, account


@check("append, read and clear")
def _():
    sheets, _, _ = fresh()
    values = sheets.values()
    first = values.append(spreadsheetId=ID, range="A1", valueInputOption="RAW", insertDataOption="INSERT_ROWS",
                          body={"values": [["Name", "Age"], ["Ada", 36]]}).execute()
    equal((first.get("tableRange"), first["updates"]["updatedRange"]), (None, "Sheet1!A1:B2"))
    second = values.append(spreadsheetId=ID, range="Sheet1", valueInputOption="USER_ENTERED",
                           body={"values": [["Bob", "20"]]}).execute()
    equal((second["tableRange"], second["updates"]["updatedRange"]), ("Sheet1!A1:B2", "Sheet1!A3:B3"))
    equal(values.get(spreadsheetId=ID, range="Sheet1").execute()["values"], [["Name", "Age"], ["Ada", "36"], ["Bob", "20"]])
    raw = values.get(spreadsheetId=ID, range="B2:B", valueRenderOption="UNFORMATTED_VALUE", majorDimension="COLUMNS").execute()
    equal((raw["range"], raw["values"]), ("Sheet1!B2:B1000", [[36, 20]]))
    equal(values.clear(spreadsheetId=ID, range="A2:Z", body={}).execute()["clearedRange"], "Sheet1!A2:Z1000")
    equal(values.get(spreadsheetId=ID, range="A2:Z").execute().get("values"), None)


@check("ranges in all forms")
def _():
    sheets, _, _ = fresh()
    values = sheets.values()
    for range, written in [
        ("A1", "Sheet1!A1"),
        ("Sheet1!B2:C3", "Sheet1!B2:C3"),
        ("My sheet!A1:B1", "'My sheet'!A1:B1"),
        ("'My sheet'!$A$1", "'My sheet'!A1"),
        ("'My sheet'", "'My sheet'!A1:Z1000"),
        ("A:B", "Sheet1!A1:B1000"),
        ("3:4", "Sheet1!A3:Z4"),
        ("B2:D", "Sheet1!B2:D1000"),
        ("sheet1!a1", "Sheet1!A1"),
    ]:
        equal(values.get(spreadsheetId=ID, range=range).execute()["range"], written)
        values.update(spreadsheetId=ID, range=range, valueInputOption="RAW", body={"values": [["x"]]}).execute()
        values.clear(spreadsheetId=ID, range=range).execute()
    for range in ["Nope!A1", "A1:", "A0:B2", "ZZ1"]:
        equal(refused(HttpError, values.get(spreadsheetId=ID, range=range).execute).status_code, 400)


@check("several ranges at once")
def _():
    sheets, _, _ = fresh()
    values = sheets.values()
    done = values.batchUpdate(spreadsheetId=ID, body={"valueInputOption": "RAW", "data": [
        {"range": "A1:B1", "values": [[1, 2]]}, {"range": "'My sheet'!A1", "values": [["x"], ["y"]]},
    ]}).execute()
    equal((done["totalUpdatedCells"], done["totalUpdatedSheets"]), (4, 2))
    read = values.batchGet(spreadsheetId=ID, ranges=["A1:B1", "'My sheet'!A:A"]).execute()
    equal([found["values"] for found in read["valueRanges"]], [[["1", "2"]], [["x"], ["y"]]])
    equal(len(values.batchClear(spreadsheetId=ID, body={"ranges": ["A1", "'My sheet'!A1"]}).execute()["clearedRanges"]), 2)


@check("spreadsheets and their sheets")
def _():
    sheets, _, _ = fresh()
    got = sheets.get(spreadsheetId=ID, fields="spreadsheetId,sheets.properties(title)").execute()
    equal(got, {"spreadsheetId": ID, "sheets": [{"properties": {"title": "Sheet1"}}, {"properties": {"title": "My sheet"}}]})
    made = sheets.create(body={"properties": {"title": "Made"}}).execute()
    added = sheets.batchUpdate(spreadsheetId=made["spreadsheetId"], body={"requests": [{"addSheet": {"properties": {"title": "Two"}}}]}).execute()
    equal(added["replies"][0]["addSheet"]["properties"]["title"], "Two")
    ask = sheets.batchUpdate(spreadsheetId=ID, body={"requests": [{"repeatCell": {}}]})
    equal(refused(HttpError, ask.execute).status_code, 501)


@check("what is refused")
def _():
    sheets, drive, _ = fresh()
    equal(refused(HttpError, sheets.get(spreadsheetId="nope").execute).status_code, 404)
    admin.post("spreadsheets", {"id": "private", "sheets": ["Sheet1"], "readers": ["other@example.com"]})
    error = refused(HttpError, sheets.get(spreadsheetId="private").execute)
    equal((error.status_code, error.reason), (403, "The caller does not have permission"))
    equal(refused(HttpError, drive.files().get(fileId="private").execute).status_code, 404)
    narrow, _, _ = fresh(scopes=["https://www.googleapis.com/auth/spreadsheets.readonly"])
    narrow.get(spreadsheetId=ID).execute()
    error = refused(HttpError, narrow.values().clear(spreadsheetId=ID, range="A1").execute)
    equal((error.status_code, error.reason), (403, "Request had insufficient authentication scopes."))


@check("an account that nobody knows gets no token")
def _():
    sheets, _, account = fresh()
    admin.post("reset")
    stranger = service_account.Credentials.from_service_account_info(account, scopes=SCOPES)
    error = refused(google.auth.exceptions.RefreshError, lambda: stranger.refresh(__import__("google.auth.transport.requests").auth.transport.requests.Request()))
    equal(error.args[1]["error"], "invalid_grant")


@check("the quota, and a client that tries again")
def _():
    sheets, _, _ = fresh(limited=True)
    for _ in range(60):
        sheets.get(spreadsheetId=ID).execute()
    error = refused(HttpError, lambda: [sheets.get(spreadsheetId=ID).execute() for _ in range(10)])
    equal(error.status_code, 429)
    sheets, _, _ = fresh()
    admin.post("faults", {"fault": "429", "next": 1, "path": "/v4/"})
    sheets.get(spreadsheetId=ID).execute(num_retries=2)


@check("a person's refresh token")
def _():
    fresh()
    about = admin.get("about")["about"]
    client = about["clients"][0]

    import urllib.error
    import urllib.parse
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    asked = urllib.parse.urlencode({
        "client_id": client["client_id"], "redirect_uri": "http://127.0.0.1:1/back", "response_type": "code",
        "scope": SCOPES[0], "access_type": "offline",
    })
    sent = refused(urllib.error.HTTPError, lambda: urllib.request.build_opener(Stay).open(f"{about['authorize_url']}?{asked}"))
    code = urllib.parse.parse_qs(urllib.parse.urlparse(sent.headers["location"]).query)["code"][0]
    form = urllib.parse.urlencode({
        "grant_type": "authorization_code", "code": code, "redirect_uri": "http://127.0.0.1:1/back",
        "client_id": client["client_id"], "client_secret": client["client_secret"],
    }).encode()
    tokens = json.load(urllib.request.urlopen(about["token_url"], data=form))
    person = credentials.Credentials(
        None, refresh_token=tokens["refresh_token"], token_uri=about["token_url"], client_id=client["client_id"],
        client_secret=client["client_secret"], scopes=[SCOPES[0]],
    )
    sheets = build("sheets", "v4", credentials=person, client_options={"api_endpoint": url}, cache_discovery=False).spreadsheets()
    equal(sheets.get(spreadsheetId=ID).execute()["spreadsheetId"], ID)
    equal(admin.get("counts")["refreshes_granted"], 1)
    wrong = credentials.Credentials(
        None, refresh_token="1//wrong", token_uri=about["token_url"], client_id=client["client_id"],
        client_secret=client["client_secret"], scopes=[SCOPES[0]],
    )
    sheets = build("sheets", "v4", credentials=wrong, client_options={"api_endpoint": url}, cache_discovery=False).spreadsheets()
    error = refused(google.auth.exceptions.RefreshError, sheets.get(spreadsheetId=ID).execute)
    equal(error.args[1]["error"], "invalid_grant")


@check("Drive: files, channels and changes")
def _():
    import http.server
    import threading

    sheets, drive, _ = fresh()
    files = drive.files().list(q="mimeType='application/vnd.google-apps.spreadsheet' and trashed=false", pageSize=10, fields="files(id,name)").execute()
    equal(files, {"files": [{"id": ID, "name": "Leads"}]})
    received = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            received.append((self.headers["x-goog-resource-state"], self.headers["x-goog-channel-token"], self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    start = drive.changes().getStartPageToken().execute()["startPageToken"]
    channel = drive.files().watch(fileId=ID, body={
        "id": "c1", "type": "web_hook", "address": f"http://127.0.0.1:{server.server_port}/", "token": "secret",
    }).execute()
    sheets.values().update(spreadsheetId=ID, range="A1", valueInputOption="RAW", body={"values": [["x"]]}).execute()
    for _ in range(100):
        if len(received) == 2:
            break
        time.sleep(0.05)
    equal([(state, token) for state, token, _ in received], [("sync", "secret"), ("update", "secret")])
    changes = drive.changes().list(pageToken=start).execute()
    equal([change["fileId"] for change in changes["changes"]], [ID])
    equal(drive.changes().list(pageToken=changes["newStartPageToken"]).execute()["changes"], [])
    drive.channels().stop(body={"id": "c1", "resourceId": channel["resourceId"]}).execute()
    server.shutdown()


end()
