"""What the functions' roles grant, compared with what the functions did."""

import fnmatch
from collections import defaultdict

# What a role needs and its function's own code never calls. Each is reviewed; anything else that is granted and unused is a fault.
BY_LAMBDA = {
    "logs:CreateLogStream": "Lambda writes the function's logs in the role's name",
    "logs:PutLogEvents": "Lambda writes the function's logs in the role's name",
    "sqs:ReceiveMessage": "Lambda's poller feeds the function in the role's name",
    "sqs:DeleteMessage": "Lambda's poller feeds the function in the role's name",
    "sqs:GetQueueAttributes": "Lambda's poller feeds the function in the role's name",
    "dynamodb:DescribeStream": "Lambda's poller feeds the function in the role's name",
    "dynamodb:GetRecords": "Lambda's poller feeds the function in the role's name",
    "dynamodb:GetShardIterator": "Lambda's poller feeds the function in the role's name",
    "dynamodb:ListStreams": "Lambda's poller feeds the function in the role's name",
}


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


def grants(documents: list[dict]) -> set[tuple[str, str]]:
    """The (action, resource) pairs that policy documents allow. Anything but a plain Allow is refused: nothing here needs it."""
    found = set()
    for document in documents:
        for statement in listed(document["Statement"]):
            extra = set(statement) - {"Sid", "Effect", "Action", "Resource"}
            if statement["Effect"] != "Allow" or extra:
                raise ValueError(f"a statement that this comparison does not understand: {statement}")
            found |= {(a, r) for a in listed(statement["Action"]) for r in listed(statement["Resource"])}
    return found


def compare(granted: dict[str, set[tuple[str, str]]], calls: list[dict], fed: dict[str, set[str]]) -> tuple[list[list[str]], list[str]]:
    """Rows (role, action, resource, how it was used) and faults.

    `granted`: by role, its grants. `calls`: {"role", "action", "resource", "allowed"}. `fed`: by role, the queues and log groups that
    Lambda itself uses for the function.
    """
    used = defaultdict(set)
    faults = []
    for call in calls:
        if call["role"] not in granted:
            continue
        if call["allowed"]:
            used[call["role"]].add((call["action"], call["resource"]))
        else:
            faults.append(f"{call['role']} lacks {call['action']} on {call['resource']}, which its function called")
    rows = []
    for role, pairs in sorted(granted.items()):
        for action, resource in sorted(pairs):
            if any(a == action and fnmatch.fnmatchcase(r, resource) for a, r in used[role]):
                how = "called"
            elif action in BY_LAMBDA and resource in fed.get(role, set()):
                how = BY_LAMBDA[action]
            else:
                how = "NEVER USED"
                faults.append(f"{role} grants {action} on {resource}, which its function never called")
            rows.append([role, action, resource, how])
    return rows, faults
