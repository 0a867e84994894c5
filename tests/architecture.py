#!/usr/bin/env python3
"""The invariants of docs/architecture.md that `cargo` does not enforce by itself.

Pure crates name no tokio, AWS or HTTP client; functions never depend on functions; only `store` names DynamoDB in its code, only
`egress` opens outgoing connections, only `main.rs` files read the environment, and only `runtime` reads the clock, and only the places named
below make an organisation's key.
"""

import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
PURE = ["domain", "expr", "engine", "signatures", "connectors", "importer"]
# `aws-lc-rs` is arithmetic, and reaches nothing.
IMPURE = re.compile(r"^(tokio|aws-(?!lc-rs$).*|aws_.*|reqwest|hyper.*|lambda_.*|egress|store|dispatch|runtime|vault)$")

# Where an `OrgKey` is made, which is the right to ask the tables about an organisation: by who signs in, by what a message, an event,
# a hook or a table of our own names, and by the set-up token. A new place is a decision: it is added here, with what it verified.
MAKES_ORG_KEYS = {
    "functions/api/src/routes/auth/attempts.rs",
    "functions/api/src/routes/auth/logout.rs",
    "functions/api/src/routes/auth/memberships.rs",
    "functions/api/src/routes/auth/oidc.rs",
    "functions/api/src/routes/oauth/consent.rs",
    "functions/api/src/routes/auth/password.rs",
    "functions/api/src/routes/auth/refresh.rs",
    "functions/api/src/routes/auth/tokens.rs",
    "functions/api/src/routes/identity_provider.rs",
    "functions/api/src/routes/me.rs",
    "functions/api/src/routes/organization.rs",
    "functions/api/src/routes/setup.rs",
    "functions/deadletter/src/one.rs",
    "functions/eraser/src/erase.rs",
    "functions/executor/src/one.rs",
    "functions/hooks/src/callback.rs",
    "functions/ingest/src/one.rs",
    "shared/auth/src/extract.rs",
    "shared/store/src/control/account.rs",
    "shared/store/src/control/api_key.rs",
    "shared/store/src/control/invitation.rs",
    "shared/store/src/control/lookup.rs",
    "shared/store/src/control/member.rs",
    "shared/store/src/due.rs",
    "shared/store/src/runs/change.rs",
}


def dependencies(crate: pathlib.Path) -> set[str]:
    manifest = tomllib.loads((crate / "Cargo.toml").read_text())
    return set(manifest.get("dependencies", {}))


def sources(*roots: str):
    for root in roots:
        for path in sorted((ROOT / root).rglob("src/**/*.rs")):
            yield path


def code(path: pathlib.Path) -> str:
    """A source without comments and without its test module."""
    text = path.read_text().split("#[cfg(test)]\nmod tests {")[0]
    return re.sub(r"//[^\n]*", "", text)


def main() -> int:
    faults = []
    functions = {p.name for p in (ROOT / "functions").iterdir() if p.is_dir()}
    for name in PURE:
        bad = sorted(d for d in dependencies(ROOT / "shared" / name) if IMPURE.match(d))
        if bad:
            faults.append(f"shared/{name} is pure, but depends on {', '.join(bad)}")
    for name in sorted(functions):
        bad = sorted(dependencies(ROOT / "functions" / name) & functions)
        if bad:
            faults.append(f"functions/{name} depends on the functions {', '.join(bad)}")
    for crate in sorted((ROOT / "shared").iterdir()):
        bad = sorted(dependencies(crate) & functions) if crate.is_dir() else []
        if bad:
            faults.append(f"shared/{crate.name} depends on the functions {', '.join(bad)}")

    ours = {p.name for root in ("shared", "functions") for p in (ROOT / root).iterdir()}
    bad = sorted(dependencies(ROOT / "infra" / "fakes") & ours)
    if bad:
        # A fake that shares code with what it is there to test would agree with its mistakes.
        faults.append(f"infra/fakes depends on {', '.join(bad)}")

    rules = [
        (r"\baws_sdk_dynamodb\b", "names DynamoDB", lambda p: "shared/store/" in p or p.endswith("/main.rs") or "shared/runtime/src/aws.rs" in p),
        (r"\bOrgKey::verified\b", "makes an organisation's key", lambda p: p in MAKES_ORG_KEYS or p.endswith("/tests.rs")),
        (r"\breqwest\b", "opens outgoing connections", lambda p: "shared/egress/" in p),
        (r"\benv::(var|vars)\b", "reads the environment", lambda p: p.endswith("/main.rs") or "shared/runtime/src/vars.rs" in p),
        (r"\bSystemTime::now\b|\bTimestamp::now\b|\bZoned::now\b", "reads the clock", lambda p: "shared/runtime/src/clock.rs" in p),
    ]
    for path in sources("shared", "functions"):
        relative = str(path.relative_to(ROOT))
        if "/bin/" in relative or "/tests/" in relative:
            continue
        text = code(path)
        for pattern, what, allowed in rules:
            if re.search(pattern, text) and not allowed(relative):
                faults.append(f"{relative} {what}")
    for fault in faults:
        print(fault)
    print("architecture: " + ("ok" if not faults else f"{len(faults)} faults"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
