// airtable.js against the fake: its first argument is what the fake said of itself.
import Airtable from "airtable";

const { url } = JSON.parse(process.argv[2]);
const BASE = "appPatchbayFake01";
let failed = 0;

async function check(name, act) {
  try {
    await act();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ${name}: ${error.message ?? JSON.stringify(error)}`);
  }
}

function equal(left, right) {
  const [a, b] = [JSON.stringify(left), JSON.stringify(right)];
  if (a !== b) throw new Error(`${a} is not ${b}`);
}

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return [error.statusCode, error.error];
  }
  throw new Error("it was not refused");
}

async function admin(path, body = {}) {
  const answer = await fetch(`${url}/_admin/${path}`, { method: "POST", body: JSON.stringify(body) });
  return answer.json();
}

async function fresh(limited = false) {
  await admin("reset");
  await admin("rates", { enabled: limited });
}

const base = new Airtable({
  apiKey: "patPatchbayFake01.everything",
  endpointUrl: url,
  noRetryIfRateLimited: true,
}).base(BASE);
const contacts = base("Contacts");

await check("250 records, page by page", async () => {
  await fresh();
  for (let batch = 0; batch < 25; batch += 1) {
    const records = Array.from({ length: 10 }, (_, at) => ({ fields: { Name: `n${batch * 10 + at}` } }));
    equal((await contacts.create(records)).length, 10);
  }
  const sizes = [];
  await contacts.select({ pageSize: 100 }).eachPage((records, next) => {
    sizes.push(records.length);
    next();
  });
  equal(sizes, [100, 100, 50]);
  const some = await contacts.select({ maxRecords: 2, sort: [{ field: "Name", direction: "desc" }], fields: ["Name"] }).all();
  equal(some.map((record) => record.get("Name")), ["n99", "n98"]);
});

await check("a long select goes by POST", async () => {
  await fresh();
  await contacts.create({ Name: "Ada" });
  const formula = `OR(${Array.from({ length: 1500 }, (_, at) => `{Name}='nobody${at}'`).join(",")},{Name}='Ada')`;
  const found = await contacts.select({ filterByFormula: formula, sort: [{ field: "Name" }], fields: ["Name"] }).all();
  equal(found.length, 1);
});

await check("create, find, change, replace, delete", async () => {
  await fresh();
  const ada = await contacts.create({ Name: "Ada", Age: 36 });
  equal((await contacts.find(ada.id)).fields.Age, 36);
  equal((await contacts.update(ada.id, { Age: 37 })).fields.Name, "Ada");
  equal((await contacts.replace(ada.id, { Age: 38 })).fields.Name, undefined);
  const [one] = await contacts.update([{ id: ada.id, fields: { Name: "Eve" } }], { typecast: true });
  equal(one.fields.Name, "Eve");
  equal((await contacts.destroy([ada.id])).length, 1);
  // The client has a word of its own for every 404.
  equal(await refused(contacts.find(ada.id)), [404, "NOT_FOUND"]);
});

await check("upsert", async () => {
  await fresh();
  await contacts.create({ Name: "Ada" });
  const done = await contacts.update([{ fields: { Name: "Ada", Age: 1 } }, { fields: { Name: "Bob" } }], {
    performUpsert: { fieldsToMergeOn: ["Name"] },
  });
  // It gives the records, and does not tell which of them are new.
  equal(done.map((record) => [record.get("Name"), record.get("Age")]), [["Ada", 1], ["Bob", undefined]]);
  equal((await contacts.select().all()).length, 2);
});

await check("what is refused", async () => {
  await fresh();
  equal(await refused(contacts.create({ Nope: 1 })), [422, "UNKNOWN_FIELD_NAME"]);
  equal(await refused(contacts.create({ Age: "x" })), [422, "INVALID_VALUE_FOR_COLUMN"]);
  equal(await refused(base("Nope").select().all()), [403, "NOT_AUTHORIZED"]);
  const nobody = new Airtable({ apiKey: "patNobody", endpointUrl: url }).base(BASE);
  equal(await refused(nobody("Contacts").select().all()), [401, "AUTHENTICATION_REQUIRED"]);
});

await check("the rate limit and its half minute", async () => {
  await fresh(true);
  const statuses = [];
  for (let at = 0; at < 8; at += 1) {
    statuses.push(await contacts.select().all().then(() => 200, (error) => error.statusCode));
  }
  equal(statuses.slice(0, 5), [200, 200, 200, 200, 200]);
  equal(statuses.at(-1), 429);
  await admin("clock", { advance_seconds: 30 });
  equal((await contacts.select().all()).length, 0);
});

process.exit(failed ? 1 : 0);
