#!/usr/bin/env python3
"""The invariants of docs/architecture.md that `cargo` does not enforce by itself.

Pure crates name no tokio, AWS or HTTP client; functions never depend on functions; only `store` names DynamoDB in its code, only
`egress` opens outgoing connections, only `main.rs` files read the environment, and only `runtime` reads the clock.
"""

import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
PURE = ["domain", "expr", "engine"]
IMPURE = re.compile(r"^(tokio|aws-.*|aws_.*|reqwest|hyper.*|lambda_.*|egress|store|dispatch|runtime|vault)$")


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

    rules = [
        (r"\baws_sdk_dynamodb\b", "names DynamoDB", lambda p: "shared/store/" in p or p.endswith("/main.rs") or "shared/runtime/src/aws.rs" in p),
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
