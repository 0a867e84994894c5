"""The JSON Schema of definitions (docs/workflow.schema.json), judged by a validator that is not ours."""

import copy
import json
import pathlib
import unittest

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/workflow.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

GOOD = {
    "name": "n", "schema": 1, "timeout": "P7D", "priority": "bulk",
    "triggers": [{"id": "form", "type": "webhook", "dedupe": "{{ trigger.body.id }}"},
                 {"id": "clock", "type": "schedule", "schedule": "@daily", "zone": "Europe/Berlin"}],
    "steps": [
        {"id": "tell", "type": "action", "use": "http.request", "input": {"url": "https://example.com"}, "retry": {"max_attempts": 5}},
        {"id": "each", "type": "for_each", "items": "{{ trigger.body }}", "steps": [{"id": "m", "type": "map", "output": 1}]},
    ],
}

# What is wrong, and how GOOD is made so.
BROKEN = [
    ("no name", lambda d: d.pop("name")),
    ("an empty name", lambda d: d.update(name="")),
    ("another schema", lambda d: d.update(schema=2)),
    ("an unknown field", lambda d: d.update(colour="red")),
    ("a duration in months", lambda d: d.update(timeout="P1M")),
    ("no duration at all", lambda d: d.update(timeout="PT")),
    ("an unknown priority", lambda d: d.update(priority="high")),
    ("an unknown trigger", lambda d: d["triggers"][0].update(type="webhok")),
    ("a trigger without an id", lambda d: d["triggers"][0].pop("id")),
    ("a schedule without its schedule", lambda d: d["triggers"][1].pop("schedule")),
    ("an unknown field of a trigger", lambda d: d["triggers"][0].update(key="x")),
    ("an unknown step", lambda d: d["steps"][0].update(type="teleport")),
    ("an id with a space", lambda d: d["steps"][0].update(id="a b")),
    ("an id that begins with a digit", lambda d: d["steps"][0].update(id="1a")),
    ("an action that is named like none", lambda d: d["steps"][0].update(use="smoke")),
    ("too many attempts", lambda d: d["steps"][0]["retry"].update(max_attempts=21)),
    ("an unknown field of an action", lambda d: d["steps"][0].update(url="https://example.com")),
    ("an input without an address", lambda d: d["steps"][0].update(input={})),
    ("a loop over a number", lambda d: d["steps"][1].update(items=7)),
    ("a loop without steps", lambda d: d["steps"][1].update(steps=[])),
    ("an unknown step inside a loop", lambda d: d["steps"][1]["steps"][0].update(type="teleport")),
    ("too many at a time", lambda d: d["steps"][1].update(concurrency=101)),
]


class Schema(unittest.TestCase):
    def test_it_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def test_what_the_tests_run_is_taken(self):
        found = [(path, json.loads(path.read_text())) for path in sorted((ROOT / "docs/examples").rglob("*.json"))]
        found += [(path, {"workflow": json.loads(path.read_text())}) for path in sorted((ROOT / "tests/bench/workflows").glob("*.json"))]
        self.assertGreater(len(found), 20)
        for path, document in found:
            with self.subTest(path.name):
                definition = document.get("workflow", document.get("definition", document))
                self.assertEqual([e.message for e in VALIDATOR.iter_errors(definition)], [])

    def test_what_is_broken_is_refused(self):
        self.assertEqual([e.message for e in VALIDATOR.iter_errors(GOOD)], [])
        for what, breaks in BROKEN:
            with self.subTest(what):
                document = copy.deepcopy(GOOD)
                breaks(document)
                self.assertNotEqual(list(VALIDATOR.iter_errors(document)), [])


if __name__ == "__main__":
    unittest.main()
