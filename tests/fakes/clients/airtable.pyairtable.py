"""pyairtable against the fake: its first argument is what the fake said of itself."""

import datetime
import http.server
import json
import sys
import threading
import time

import pyairtable
import requests
from pyairtable import formulas as f
from pyairtable.models.webhook import WebhookNotification

from checks import Admin, check, end, equal, refused

url = json.loads(sys.argv[1])["url"]
admin = Admin(url)
BASE = "appPatchbayFake01"
TOKEN = "patPatchbayFake01.everything"


def fresh(limited=False):
    admin.post("reset")
    admin.post("rates", {"enabled": limited})


# Without retries: what a check asks for it gets once.
api = pyairtable.Api(TOKEN, endpoint_url=url, retry_strategy=None)
contacts = api.table(BASE, "Contacts")


def kind(error):
    body = error.response.json()["error"]
    return error.response.status_code, body if isinstance(body, str) else body["type"]


@check("whoami, bases and schema")
def _():
    fresh()
    equal(api.whoami(), {"id": "usrPatchbayFake01", "email": "ada@example.com"})
    equal([base.id for base in api.bases()], [BASE])
    schema = api.base(BASE).schema()
    equal([table.name for table in schema.tables], ["Companies", "Contacts"])
    fields = {field.name: field.type for field in contacts.schema().fields}
    equal((fields["Stage"], fields["Company"], fields["Label"]), ("singleSelect", "multipleRecordLinks", "formula"))


@check("250 records, page by page")
def _():
    fresh()
    made = contacts.batch_create([{"Name": f"n{at:03}", "Age": at} for at in range(250)])
    equal(len(made), 250)
    pages = list(contacts.iterate(page_size=100, sort=["Name"]))
    equal([len(page) for page in pages], [100, 100, 50])
    equal([record["fields"]["Name"] for page in pages for record in page], [f"n{at:03}" for at in range(250)])
    equal([r["fields"]["Name"] for r in contacts.all(sort=["-Name"], max_records=2)], ["n249", "n248"])
    equal(len(contacts.all(fields=["Age"], use_field_ids=True)[0]["fields"]), 1)


@check("an iterator that is forgotten")
def _():
    fresh()
    contacts.batch_create([{"Name": f"n{at}"} for at in range(3)])
    pages = contacts.iterate(page_size=1)
    next(pages)
    admin.post("forget-iterators")
    error = refused(requests.HTTPError, lambda: next(pages))
    equal(kind(error), (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"))


@check("formulas of pyairtable.formulas")
def _():
    fresh()
    born = datetime.date(1815, 12, 10)
    ada = contacts.create({"Name": "Ada's \"x\"\n\\ {y}", "Age": 36, "Done": True, "Born": born.isoformat(), "Stage": "Won", "Tags": ["red"]})
    contacts.create({"Name": "Bob", "Age": 20})
    found = lambda formula: [record["id"] for record in contacts.all(formula=formula)]
    for formula in [
        f.match({"Name": ada["fields"]["Name"]}),
        f.match({"Age": 36, "Done": True}),
        f.match({"Age": (">=", 30), "Stage": "Won"}),
        f.match({"Stage": "Won", "Age": 1}, match_any=True),
        f.match({"Born": born}),
        f.EQ(f.RECORD_ID(), ada["id"]),
        f.AND(f.EQ(f.Field("Tags"), "red"), f.NOT(f.EQ(f.Field("Done"), False))),
        f.GT(f.FIND("Ada", f.Field("Name")), 0),
        f.IS_AFTER(f.LAST_MODIFIED_TIME(), datetime.datetime(2020, 1, 1)) & f.match({"Age": 36}),
        f.Formula("{Label}=UPPER({Name})&'!'") & f.match({"Age": 36}),
    ]:
        equal((str(formula), found(formula)), (str(formula), [ada["id"]]))
    equal(contacts.first(formula=f.match({"Name": "Nobody"})), None)
    error = refused(requests.HTTPError, lambda: found("{Nope}=1"))
    equal(kind(error), (422, "INVALID_FILTER_BY_FORMULA"))
    error = refused(requests.HTTPError, lambda: found(f.REGEX_MATCH(f.Field("Name"), "A")))
    equal(error.response.status_code, 501)


@check("a formula too long for an address goes by POST")
def _():
    fresh()
    contacts.create({"Name": "Ada"})
    long = f.OR(*[f.match({"Name": f"nobody-{at}"}) for at in range(1000)], f.match({"Name": "Ada"}))
    equal(len(contacts.all(formula=long)), 1)
    equal(admin.get("requests")["requests"][-1]["path"].endswith("/listRecords"), True)


@check("create, change, replace, delete")
def _():
    fresh()
    ada = contacts.create({"Name": "Ada", "Age": 36})
    equal(contacts.get(ada["id"]), ada)
    equal(contacts.update(ada["id"], {"Age": 37})["fields"]["Name"], "Ada")
    equal("Name" in contacts.update(ada["id"], {"Age": 38}, replace=True)["fields"], False)
    made = contacts.batch_create([{"Name": str(at)} for at in range(25)])
    changed = contacts.batch_update([{"id": record["id"], "fields": {"Age": 1}} for record in made])
    equal([record["id"] for record in changed], [record["id"] for record in made])
    equal(contacts.delete(ada["id"]), {"id": ada["id"], "deleted": True})
    equal(len(contacts.batch_delete([record["id"] for record in made])), 25)
    equal(contacts.all(), [])


@check("upsert")
def _():
    fresh()
    contacts.batch_create([{"Name": "Ada", "Age": 1}, {"Name": "Twin"}, {"Name": "Twin"}])
    done = contacts.batch_upsert([{"fields": {"Name": "Ada", "Age": 2}}, {"fields": {"Name": "Bob"}}], ["Name"])
    equal((len(done["updatedRecords"]), len(done["createdRecords"]), len(done["records"])), (1, 1, 2))
    error = refused(requests.HTTPError, lambda: contacts.batch_upsert([{"fields": {"Name": "Twin"}}], ["Name"]))
    equal(error.response.status_code, 422)


@check("what is refused")
def _():
    fresh()
    for act, expected in [
        (lambda: contacts.create({"Nope": 1}), (422, "UNKNOWN_FIELD_NAME")),
        (lambda: contacts.create({"Age": "x"}), (422, "INVALID_VALUE_FOR_COLUMN")),
        (lambda: contacts.create({"Label": "x"}), (422, "INVALID_VALUE_FOR_COLUMN")),
        (lambda: contacts.create({"Stage": "Nope"}), (422, "INVALID_MULTIPLE_CHOICE_OPTIONS")),
        (lambda: contacts.get("rec00000000000000"), (404, "MODEL_ID_NOT_FOUND")),
        (lambda: api.table(BASE, "Nope").all(), (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")),
        (lambda: api.table("app00000000000000", "x").all(), (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")),
        (lambda: pyairtable.Api("patNobody", endpoint_url=url).whoami(), (401, "AUTHENTICATION_REQUIRED")),
        (
            lambda: api.post(contacts.urls.records, json={"records": [{"fields": {}}] * 11}),
            (422, "INVALID_REQUEST_UNKNOWN"),
        ),
    ]:
        equal(kind(refused(requests.HTTPError, act)), expected)
    equal(contacts.create({"Stage": "Newer"}, typecast=True)["fields"]["Stage"], "Newer")


@check("the rate limit and its half minute")
def _():
    fresh(limited=True)
    statuses = []
    for _ in range(8):
        try:
            contacts.all()
            statuses.append(200)
        except requests.HTTPError as error:
            statuses.append(error.response.status_code)
    equal(statuses[:5], [200] * 5)
    equal(statuses[-1], 429)
    admin.post("clock", {"advance_seconds": 29})
    error = refused(requests.HTTPError, contacts.all)
    equal(kind(error), (429, "RATE_LIMIT_REACHED"))
    admin.post("clock", {"advance_seconds": 1})
    equal(contacts.all(), [])


@check("pyairtable repeats what 429 stopped")
def _():
    fresh()
    admin.post("faults", {"fault": "rate_limit_errors", "next": 2})
    patient = pyairtable.Api(TOKEN, endpoint_url=url)
    equal(patient.table(BASE, "Contacts").all(), [])
    equal([request["status"] for request in admin.get("requests")["requests"]], [429, 429, 200])


@check("a create whose answer is lost has happened")
def _():
    fresh()
    admin.post("faults", {"fault": "reset_after_commit", "method": "POST"})
    refused(requests.ConnectionError, lambda: contacts.create({"Name": "Ada"}))
    equal(len(contacts.all()), 1)


@check("an upload by an absolute address")
def _():
    fresh()
    ada = contacts.create({"Name": "Ada"})
    api.session.proxies = {"http": url}
    try:
        answer = contacts.upload_attachment(ada["id"], "Files", "a.txt", b"hello" * 100, content_type="text/plain")
        file = contacts.get(ada["id"])["fields"]["Files"][0]
    finally:
        api.session.proxies = {}
    equal((file["filename"], file["size"], file["type"]), ("a.txt", 500, "text/plain"))
    equal(list(answer["fields"])[0].startswith("fld"), True)
    path = file["url"].split("/", 3)[3]
    equal(requests.get(f"{url}/{path}", timeout=10).content, b"hello" * 100)
    admin.post("clock", {"advance_seconds": 7200})
    equal(requests.get(f"{url}/{path}", timeout=10).status_code, 410)


@check("tables and fields are made and renamed")
def _():
    fresh()
    table = api.base(BASE).create_table("New", [{"name": "Title", "type": "singleLineText"}])
    field = table.create_field("Count", "number", options={"precision": 0})
    equal(field.type, "number")
    field.name = "Number"
    field.save()
    equal([f.name for f in table.schema(force=True).fields], ["Title", "Number"])
    equal(table.create({"Title": "x", "Number": 3})["fields"]["Number"], 3)
    equal(refused(requests.HTTPError, lambda: table.create_field("Sum", "formula", options={"formula": "1"})).response.status_code, 501)


@check("webhooks: signed pings and payloads")
def _():
    fresh()
    received = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((body.decode(), self.headers["x-airtable-content-mac"]))
            self.send_response(204 if len(received) > 1 else 500)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = api.base(BASE)
    made = base.add_webhook(
        f"http://127.0.0.1:{server.server_port}/ping", {"options": {"filters": {"dataTypes": ["tableData"]}}}
    )
    contacts.create({"Name": "Ada", "Stage": "Won"})

    def wait_for(count):
        for _ in range(100):
            if len(received) >= count:
                return
            time.sleep(0.05)
        raise AssertionError(f"{len(received)} pings")

    wait_for(1)
    ping = WebhookNotification.from_request(received[0][0], received[0][1], made.mac_secret_base64)
    equal((ping.base.id, ping.webhook.id), (BASE, made.id))
    refused(ValueError, lambda: WebhookNotification.from_request(received[0][0], received[0][1], "c2VjcmV0"))
    # It was answered with 500, so it comes again.
    time.sleep(0.3)
    equal(len(received), 1)
    admin.post("clock", {"advance_seconds": 11})
    wait_for(2)
    [hook] = base.webhooks()
    equal(hook.cursor_for_next_payload, 2)
    [payload] = list(hook.payloads())
    [table] = payload.changed_tables_by_id.values()
    [record] = table.created_records_by_id.values()
    equal({"Ada"} <= {value for value in record.cell_values_by_field_id.values() if isinstance(value, str)}, True)
    options = [value for value in record.cell_values_by_field_id.values() if isinstance(value, dict)]
    equal([option["name"] for option in options], ["Won"])
    hook.disable_notifications()
    hook.enable_notifications()
    hook.extend_expiration()
    hook.delete()
    equal(base.webhooks(), [])
    server.shutdown()


end()
