#!/usr/bin/env python3
"""Checks that every stable code has a page here, and that every page has a code.

Reads the Rust sources of `shared/` and `functions/`, without their tests. A code is a literal in the place where one of the
constructors below takes it, in a `fn code()`, or in a `mod codes`. Run it from anywhere: `python3 docs/errors/check.py`;
`--list` prints each code with the places that give it.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Constructor -> the positions in which it may take the code.
CONSTRUCTORS = {
    "Fault::new": (1,),
    "StepError::fatal": (0,),
    "StepError::passing": (0,),
    "RunError::new": (0,),
    "Problem::new": (1,),
    "ApiError::new": (1,),
    "Self::new": (1,),  # of `ApiError`: only behind a status
    "TemplateFault::new": (0,),
    "EvalFailure::new": (0,),
    ".fault_at": (1,),
    ".fault": (0, 1),  # a reader's is at the reader's own place, a walk's names the place first
}

# Codes that no user ever sees, with the reason. They have no page.
NOT_SHOWN = {
    "needs_guard": "asks `guard` to evaluate an expression in its child; `Guard::render` always takes it",
    "internal_error": "`PasswordError` for failures that the API answers as `internal`",
}

CODE = re.compile(r"[a-z]+(?:_[a-z0-9]+)*")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def without_tests(text):
    """The source without its test module and its line comments, each replaced by nothing that moves a line."""
    cut = re.search(r"^#\[cfg\(test\)\]\s*\nmod \w+ \{", text, re.MULTILINE)
    if cut:
        text = text[: cut.start()]
    return re.sub(r"^[ \t]*//.*$", "", text, flags=re.MULTILINE)


def arguments(text, at):
    """The top-level arguments of a call whose `(` is at `at`, as source."""
    depth, start, out, i = 0, at + 1, [], at
    while i < len(text):
        char = text[i]
        if char == '"':
            match = STRING.match(text, i)
            i = match.end() if match else len(text)
            continue
        if char == "'" and re.match(r"'(\\.|[^\\'])'", text[i : i + 4]):
            i += 4 if text[i + 1] == "\\" else 3
            continue
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                out.append(text[start:i])
                return out
        elif char == "," and depth == 1:
            out.append(text[start:i])
            start = i + 1
        i += 1
    return out


def block(text, at):
    """The text of the `{…}` that opens at or after `at`."""
    opening = text.index("{", at)
    depth = 0
    for i in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return text[opening : i + 1]
    return text[opening:]


def literal(argument):
    """The code that an argument is, if it is a literal of that form."""
    match = STRING.fullmatch(argument.strip())
    return match.group(1) if match and CODE.fullmatch(match.group(1)) else None


def codes_in(text):
    """Each code of a source, with its offset."""
    for name, positions in CONSTRUCTORS.items():
        for call in re.finditer(re.escape(name) + r"\(", text):
            given = arguments(text, call.end() - 1)
            if name == "Self::new" and not re.fullmatch(r"\d{3}", given[0].strip()):
                continue
            for position in positions:
                code = literal(given[position]) if position < len(given) else None
                if code:
                    yield code, call.start()
                    break
    # A struct literal: `code: "stopped".to_owned()`.
    for match in re.finditer(r'\bcode: "([a-z_]+)"', text):
        yield match.group(1), match.start()
    # A table of codes for the ids in paths.
    for table in re.finditer(r"^path_ids! \{", text, re.MULTILINE):
        for match in re.finditer(r'\w+: "([a-z_]+)", "', block(text, table.start())):
            yield match.group(1), table.start()
    for function in re.finditer(r"\bfn code\(&self\)", text):
        for match in STRING.finditer(block(text, function.start())):
            yield match.group(1), function.start()
    for module in re.finditer(r"\bmod codes \{", text):
        for match in re.finditer(r'const \w+: &str = "([a-z_]+)";', block(text, module.start())):
            yield match.group(1), module.start()


def given_codes():
    found = defaultdict(list)
    for folder in ("shared", "functions"):
        for path in sorted((ROOT / folder).glob("*/src/**/*.rs")):
            place = path.relative_to(ROOT)
            if path.name == "tests.rs" or "tests" in place.parts:
                continue
            text = without_tests(path.read_text(encoding="utf-8"))
            for code, offset in codes_in(text):
                where = f"{place}:{text.count(chr(10), 0, offset) + 1}"
                if where not in found[code]:
                    found[code].append(where)
    return found


def main():
    found = given_codes()
    if "--list" in sys.argv[1:]:
        for code in sorted(found):
            print(f"{code}  {', '.join(found[code])}")
        return 0

    complaints = []
    pages = {path.stem for path in HERE.glob("*.md")} - {"README"}
    index = (HERE / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[`([a-z_]+)`\]\(([a-z_]+)\.md\) \|", index, re.MULTILINE)
    for code in sorted(set(found) - pages - set(NOT_SHOWN)):
        complaints.append(f"`{code}` has no page: write docs/errors/{code}.md (it is given at {', '.join(found[code])})")
    for code in sorted(pages - set(found)):
        complaints.append(f"docs/errors/{code}.md describes a code that nothing gives: remove it")
    for code in sorted(set(NOT_SHOWN)):
        if code not in found:
            complaints.append(f"`{code}` is in NOT_SHOWN, but nothing gives it")
        if code in pages:
            complaints.append(f"`{code}` is in NOT_SHOWN, but has a page")
    names = [code for code, _ in listed]
    for code in sorted(pages - set(names)):
        complaints.append(f"docs/errors/README.md does not list `{code}`")
    for code, target in listed:
        if code != target or code not in pages:
            complaints.append(f"docs/errors/README.md lists `{code}` with the page {target}.md, which is not its page")
        if names.count(code) > 1:
            complaints.append(f"docs/errors/README.md lists `{code}` more than once")
    for code in sorted(pages):
        text = (HERE / f"{code}.md").read_text(encoding="utf-8")
        if not text.startswith(f"# {code}\n"):
            complaints.append(f"docs/errors/{code}.md does not begin with `# {code}`")

    for complaint in dict.fromkeys(complaints):
        print(complaint, file=sys.stderr)
    if complaints:
        return 1
    print(f"{len(pages)} codes, each with its page; {len(NOT_SHOWN)} that no user sees")
    return 0


if __name__ == "__main__":
    sys.exit(main())
