// Starts Prism for each document, sends what the program prints, and prints how many requests were accepted.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request as begin } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import yaml from "js-yaml";

const [documents, program, ...only] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const prism = join(here, "node_modules", "@stoplight", "prism-cli", "dist", "index.js");
const methods = ["get", "head", "post", "put", "patch", "delete", "options"];
const agent = new Agent({ keepAlive: true, maxSockets: 2 });

const bare = (path) => path.replace(/\{[^}]*\}/g, "{}");

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// Sends a request in the form of the input of `http.request`; gives the status and what is said.
function send(port, base, request) {
  const url = new URL(request.url);
  const path = url.pathname.slice(base.replace(/\/$/, "").length) || "/";
  const query = pairs(request.query ?? {});
  const headers = {};
  for (const [name, value] of Object.entries(request.headers ?? {})) if (value !== null) headers[name.toLowerCase()] = String(value);
  let body = request.body ?? null;
  if (request.form) {
    body = pairs(request.form).toString();
    headers["content-type"] = "application/x-www-form-urlencoded";
  }
  if (request.multipart) [body, headers["content-type"]] = parts(request.multipart);
  headers["content-length"] = Buffer.byteLength(body ?? "");
  return new Promise((resolve) => {
    const asked = query.size ? `${path}?${query}` : path;
    const sent = begin({ agent, host: "127.0.0.1", port, path: asked, method: request.method, headers }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => resolve({ status: answer.statusCode, said: Buffer.concat(chunks).toString(), violations: answer.headers["sl-violations"] ?? "[]" }));
    });
    sent.on("error", (error) => resolve({ status: 0, said: String(error), violations: "[]" }));
    sent.end(body ?? undefined);
  });
}

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function pairs(fields) {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) for (const one of Array.isArray(value) ? value : [value]) if (one !== null) out.append(name, text(one));
  return out;
}

function parts(fields) {
  const boundary = "between-the-parts";
  let body = "";
  for (const [name, value] of Object.entries(fields))
    for (const one of Array.isArray(value) && value.every((item) => typeof item !== "object") ? value : [value])
      body += `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${text(one)}\r\n`;
  return [`${body}--${boundary}--\r\n`, `multipart/form-data; boundary=${boundary}`];
}

// What of an answer says that the request is not as the document asks.
function refused({ status, said, violations }) {
  const found = violations.startsWith("[") ? JSON.parse(violations).filter((one) => one.location?.[0] === "request" && one.severity === "Error") : [violations];
  if (found.length) return JSON.stringify(found);
  if (status === 0 || [401, 404, 405, 406, 415, 422].includes(status)) return `${status} ${said}`;
  // Prism makes answers up by itself; where it cannot, that says nothing about the request.
  return status >= 500 && /NO_SERVER|NO_BASE|NO_PATH|UNKNOWN/.test(said) ? `${status} ${said}` : null;
}

async function check(file) {
  const name = file.split(".")[0];
  const folder = mkdtempSync(join(tmpdir(), "importing-"));
  const path = join(folder, file.replace(/\.gz$/, ""));
  const source = gunzipSync(readFileSync(join(documents, file))).toString();
  const document = yaml.load(source, { json: true });
  const wanted = Object.entries(document.paths).flatMap(([path, item]) => methods.filter((method) => item[method]).map((method) => `${method.toUpperCase()} ${bare(path)}`));
  writeFileSync(path, source);
  const printed = spawnSync(program, [path, name], { maxBuffer: 1 << 30, encoding: "utf8" });
  const lines = printed.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const problems = printed.status === 0 ? [] : [printed.stderr];
  const got = [...new Set(lines.map((line) => `${line.method} ${bare(line.path)}`))];
  for (const one of wanted) if (!got.includes(one)) problems.push(`${one}: there is no action for it`);
  // Only requests are looked at: making answers up would take most of the time.
  for (const item of Object.values(document.paths)) for (const method of methods) if (item[method]) item[method].responses = { 200: { description: "it is as the document asks" } };
  const asked = join(folder, "asked.json");
  writeFileSync(asked, JSON.stringify({ ...document, webhooks: undefined }));
  const port = await freePort();
  const server = spawn(process.execPath, [prism, "mock", "--errors", "--verboseLevel", "silent", "-h", "127.0.0.1", "-p", String(port), asked], { stdio: "ignore" });
  const row = { document: name, operations: wanted.length, actions: new Set(lines.map((line) => line.action)).size, requests: 0, accepted: 0, planted: "accepted" };
  try {
    const base = new URL(document.servers[0].url).pathname;
    const until = Date.now() + 120000;
    while ((await send(port, "", { method: "GET", url: "http://x/nothing-is-here" })).status === 0) {
      if (Date.now() > until) throw new Error("prism did not start");
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    for (const line of lines) {
      row.requests += 1;
      const why = line.request ? refused(await send(port, base, line.request)) : line.error;
      if (why === null) row.accepted += 1;
      else problems.push(`${line.action} (${line.method} ${line.path}, ${line.all ? "all fields" : "needed fields"}): ${why.slice(0, 600)}\n    ${JSON.stringify(line.request ?? line.input).slice(0, 600)}`);
    }
    // Requests that are wrong: were they accepted, that the others are would mean nothing.
    const planted = lines.filter((line) => line.all && line.request?.body).slice(0, 10);
    let accepted = 0;
    for (const { request } of planted) {
      const body = JSON.stringify(JSON.parse(request.body), (name, value) => (typeof value === "string" ? [7] : value));
      if (refused(await send(port, base, { ...request, body })) === null) accepted += 1;
    }
    // A body that may be anything cannot be wrong.
    if (accepted < planted.length / 2) row.planted = `${planted.length - accepted} of ${planted.length} refused`;
    else problems.push(`${accepted} of ${planted.length} requests that are wrong on purpose are accepted`);
  } catch (error) {
    problems.push(String(error));
  } finally {
    server.kill();
    rmSync(folder, { recursive: true });
  }
  if (row.actions !== row.operations) problems.push(`${row.operations} operations became ${row.actions} actions`);
  return [row, problems];
}

const rows = [["document", "operations", "actions", "requests", "accepted", "wrong on purpose"]];
let failed = false;
for (const file of readdirSync(documents).sort()) {
  if (only.length && !only.includes(file.split(".")[0])) continue;
  const [row, problems] = await check(file);
  rows.push(Object.values(row).map(String));
  failed ||= problems.length > 0;
  for (const problem of problems.slice(0, 40)) console.log(`${row.document}: ${problem}`);
  if (problems.length > 40) console.log(`${row.document}: and ${problems.length - 40} more`);
}
const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
for (const row of rows) console.log(row.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd());
process.exit(failed || rows.length === 1 ? 1 : 0);
