from scenario import ABOUT, check, end, fault, refused, requests
from notion_client import APIResponseError, Client
from notion_client.helpers import collect_paginated_api
import json
import urllib.error
import urllib.request

client = Client(auth=ABOUT["token"], base_url=ABOUT["base_url"])
source = ABOUT["data_source_id"]


def code(error, work):
    return refused(APIResponseError, work, lambda raised: raised.code == error)


def query(**more):
    return client.data_sources.query(data_source_id=source, **more)


def bare():
    request = urllib.request.Request(f"{ABOUT['base_url']}/v1/users/me", headers={"Authorization": f"Bearer {ABOUT['token']}"})
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as answer:
        return json.load(answer)["code"] == "missing_version"


check("users.me", lambda: client.users.me()["type"] == "bot")
check("users", lambda: len(collect_paginated_api(client.users.list, page_size=2)) == 4)
check("no version", bare)
check("a wrong token", lambda: code("unauthorized", Client(auth="ntn_no", base_url=ABOUT["base_url"]).users.me))
check("a database's sources", lambda: client.databases.retrieve(ABOUT["database_id"])["data_sources"][0]["id"] == source)
check("a source's schema", lambda: client.data_sources.retrieve(source)["properties"]["Status"]["type"] == "select")
check("a query", lambda: len(query()["results"]) == 5)
check("pages", lambda: len(collect_paginated_api(client.data_sources.query, data_source_id=source, page_size=2)) == 5)
check("a filter", lambda: len(query(filter={"and": [{"property": "Status", "select": {"equals": "Open"}}, {"property": "Points", "number": {"greater_than": 1}}]})["results"]) == 2)
check("a sort", lambda: [page["properties"]["Points"]["number"] for page in query(sorts=[{"property": "Points", "direction": "descending"}])["results"]] == [5, 4, 3, 2, 1])
check("a filter of no property", lambda: code("validation_error", lambda: query(filter={"property": "No", "number": {"equals": 1}})))
check("a page too large", lambda: code("validation_error", lambda: query(page_size=101)))
check("a bad cursor", lambda: code("validation_error", lambda: query(start_cursor="x")))
made = client.pages.create(parent={"data_source_id": source}, properties={"Name": {"title": [{"text": {"content": "New"}}]}, "Points": {"number": 9}})
check("a page", lambda: client.pages.retrieve(made["id"])["properties"]["Name"]["title"][0]["plain_text"] == "New")
check("a page changes", lambda: client.pages.update(made["id"], properties={"Checked": {"checkbox": True}})["properties"]["Points"]["number"] == 9)
check("a wrong type", lambda: code("validation_error", lambda: client.pages.update(made["id"], properties={"Points": {"number": "nine"}})))
check("no such property", lambda: code("validation_error", lambda: client.pages.update(made["id"], properties={"No": {"number": 1}})))
check("a text too long", lambda: code("validation_error", lambda: client.pages.update(made["id"], properties={"Notes": {"rich_text": [{"text": {"content": "x" * 2001}}]}})))
check("search", lambda: [page["id"] for page in client.search(query="new", filter={"property": "object", "value": "page"})["results"]] == [made["id"]])
paragraph = {"object": "block", "type": "paragraph", "paragraph": {"rich_text": [{"type": "text", "text": {"content": "hello"}}]}}
added = client.blocks.children.append(made["id"], children=[paragraph] * 3)
check("blocks", lambda: len(added["results"]) == 3 and len(collect_paginated_api(client.blocks.children.list, block_id=made["id"], page_size=2)) == 3)
check("a block goes", lambda: client.blocks.delete(added["results"][0]["id"])["in_trash"] and len(client.blocks.children.list(made["id"])["results"]) == 2)
check("to the trash", lambda: client.pages.update(made["id"], in_trash=True)["in_trash"] and len(query()["results"]) == 5)
check("no such page", lambda: code("object_not_found", lambda: client.pages.retrieve("00000000-0000-4000-8000-000000000000")))
check("no id", lambda: code("validation_error", lambda: client.pages.retrieve("x")))
fault("restricted_resource")
check("restricted", lambda: code("restricted_resource", client.users.me))
fault("429", seconds=1)
check("limited, and again", lambda: client.users.me()["object"] == "user")
check("no credential is kept", lambda: ABOUT["token"] not in str(requests()))
end()
