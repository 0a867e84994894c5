"""That the checks can fail: each case breaks a copy of the template in one place and names the fault that must be found."""

import json
import pathlib
import subprocess
import tempfile
import unittest

import check

TEXT = (check.ROOT / "template.yaml").read_text()

# (what is broken, the text that is replaced, by what, what the fault says)
BROKEN = [
    ("a reference to nothing", "KEYRING_SECRET: !Ref Keyring", "KEYRING_SECRET: !Ref Keys", "`Keys` is referred to and does not exist"),
    ("a variable is missing", "          KEYRING_SECRET: !Ref Keyring\n", "", "KEYRING_SECRET is read by its Config and not set"),
    ("a variable too many", "          KEYRING_SECRET: !Ref Keyring\n", "          KEYRING_SECRET: !Ref Keyring\n          OLD_NAME: x\n",
     "OLD_NAME is set, and nothing reads it"),
    ("a ledger that can be rewritten", "Action: [dynamodb:Query, dynamodb:PutItem]\n                Resource: !GetAtt LedgerTable.Arn",
     "Action: [dynamodb:Query, dynamodb:PutItem, dynamodb:DeleteItem]\n                Resource: !GetAtt LedgerTable.Arn", "may dynamodb:DeleteItem on LedgerTable"),
    ("the wrong table", "TABLE_RUNS: !Ref RunsTable", "TABLE_RUNS: !Ref DueTable", "TABLE_RUNS must be !Ref RunsTable"),
    ("loopback in the cloud", "          CHAIN_BUDGET_MS:", '          PATCHBAY_ALLOW_LOOPBACK: "1"\n          CHAIN_BUDGET_MS:',
     "PATCHBAY_ALLOW_LOOPBACK is for local development"),
    ("another time of a message", 'CHAIN_BUDGET_MS: "60000"', 'CHAIN_BUDGET_MS: "90000"', "CHAIN_BUDGET_MS must be the code's 60000"),
    ("a shorter executor", "      Timeout: 120\n", "      Timeout: 90\n", "the executor's Timeout is 90, and 120 in"),
    ("hooks cut off while a workflow answers", "      Timeout: 29\n", "      Timeout: 20\n", "hooks: Timeout must leave room"),
    ("visibility", "VisibilityTimeout: 720\n      # Four days", "VisibilityTimeout: 300\n      # Four days",
     "StepsQueue: VisibilityTimeout 300 is less than six times"),
    ("receive count", "!GetAtt StepsDeadQueue.Arn, maxReceiveCount: 10", "!GetAtt StepsDeadQueue.Arn, maxReceiveCount: 3",
     "StepsQueue: maxReceiveCount is 3, and 10 in"),
    ("a queue without dead letters", "      RedrivePolicy: { deadLetterTargetArn: !GetAtt EventsDeadQueue.Arn, maxReceiveCount: 10 }\n", "",
     "EventsQueue has no dead-letter queue"),
    ("whole batches repeated", "            FunctionResponseTypes: [ReportBatchItemFailures]\n", "", "one failed record repeats its whole batch"),
    ("a key", "{ AttributeName: sk, KeyType: RANGE }", "{ AttributeName: id, KeyType: RANGE }", "table control: the keys are"),
    ("the index", "NonKeyAttributes: [wf]", "NonKeyAttributes: [wf, st]", "table runs: the indexes are"),
    ("TTL", "AttributeName: ttl, Enabled: true", "AttributeName: expires, Enabled: true", "TTL must be on, by the attribute `ttl`"),
    ("a stream without what was there before", "StreamViewType: NEW_AND_OLD_IMAGES", "StreamViewType: NEW_IMAGE", "RunsTable: its stream is NEW_IMAGE"),
    ("a shard that nobody names", "            TumblingWindowInSeconds: 60\n", "", "does not say which shard a batch is of"),
    ("usage that is given up", "            BatchSize: 1000\n", "            BatchSize: 1000\n            MaximumRetryAttempts: 3\n", "comes again for as long as the stream keeps it"),
    ("another filter", '"S": ["h", "i"]', '"S": ["h"]', "the filter is not that of functions/stream/src/filters.json"),
    ("a stream that cannot be read", "dynamodb:GetShardIterator, dynamodb:ListStreams]", "dynamodb:ListStreams]", "stream: may ['dynamodb:DescribeStream'"),
    ("data deleted with the stack", "    Type: AWS::SecretsManager::Secret\n    DeletionPolicy: Retain", "    Type: AWS::SecretsManager::Secret\n    DeletionPolicy: Delete",
     "Keyring holds data: its DeletionPolicy must be Retain"),
    ("no recovery", "PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false", "has no point-in-time recovery"),
    ("files that are kept for ever", "          - { Id: d62, Status: Enabled, Prefix: d62/, ExpirationInDays: 62 }\n", "",
     "FilesBucket: what begins with dN/ must expire after N days"),
    ("files for everybody", "        BlockPublicPolicy: true\n", "        BlockPublicPolicy: false\n", "FilesBucket: all public access must be blocked"),
    ("more than needed in the bucket", "Action: [s3:GetObject, s3:PutObject]", "Action: [s3:GetObject, s3:PutObject, s3:DeleteObject]",
     "may ['s3:DeleteObject', 's3:GetObject', 's3:ListBucket', 's3:PutObject'] in FilesBucket"),
    ("API routes", "RouteKey: ANY /v1/{proxy+}", "RouteKey: GET /v1/{proxy+}", "POST /v1/setup does not reach the function api"),
    ("one route only", "RouteKey: ANY /v1/{proxy+}", "RouteKey: ANY /v1/{id}", "GET /v1/workflows/{id} does not reach the function api"),
    ("webhooks' other methods", "RouteKey: ANY /hooks/{proxy+}", "RouteKey: PUT /hooks/{proxy+}", "GET /hooks/hk_1 does not reach the function hooks"),
    ("permission of the HTTP API", "${HttpApi}/*/*/hooks/*", "${HttpApi}/*/*/hook/*", "the HTTP API may not call Hooks"),
    ("the executor stopped as a loop", "runs after about 16 messages (protocol rule 16).\n      RecursiveLoop: Allow\n",
     "runs after about 16 messages (protocol rule 16).\n", "executor feeds itself: Lambda would stop its healthy runs"),
    ("a loop that is none", "      Timeout: 55\n", "      Timeout: 55\n      RecursiveLoop: Allow\n", "timer feeds itself by no way"),
    ("secrets of another stack", "secretsmanager:DeleteSecret]\n                Resource: !Sub arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${AWS::StackName}/credentials/*",
     "secretsmanager:DeleteSecret]\n                Resource: !Sub arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:*", "secrets other than the keyring and those of connections"),
    ("an executor that could delete credentials", "                Action: [secretsmanager:GetSecretValue]\n                Resource: !Sub",
     "                Action: [secretsmanager:GetSecretValue, secretsmanager:DeleteSecret]\n                Resource: !Sub", "executor: may ['secretsmanager:DeleteSecret'"),
    ("another prefix", "CREDENTIALS_PREFIX: !Sub ${AWS::StackName}/credentials", "CREDENTIALS_PREFIX: !Sub ${AWS::StackName}/keys", "CREDENTIALS_PREFIX must be"),
    ("sealed by default", "    Default: secrets-manager\n", "    Default: sealed\n", "CredentialStorage must be secrets-manager by default"),
    ("a shared role", "Role: !GetAtt HooksRole.Arn", "Role: !GetAtt ApiRole.Arn", "ApiRole is shared by api, hooks"),
    ("any resource", "                Resource: !GetAtt Keyring.Id\n", '                Resource: "*"\n', 'ApiRole/Keyring: the resource * is a wildcard'),
    ("any action", "Action: [secretsmanager:GetSecretValue, secretsmanager:PutSecretValue]", 'Action: ["secretsmanager:*"]',
     "the action `secretsmanager:*` is a wildcard"),
    ("a right that is missing", "              - Sid: Events\n                Effect: Allow\n                Action: [events:PutEvents]\n                Resource: !GetAtt Bus.Arn\n", "",
     "EVENT_BUS and the right to events:PutEvents on Bus go together"),
    ("a parameter without description", "    Description: How many days logs are kept. The histories of runs are not logs; they are kept 30 days after a run's time limit.\n", "",
     "parameter LogRetentionDays has no description"),
    ("paths in the access log", '"route":"$context.routeKey"', '"path":"$context.path"', "a webhook's address is its secret"),
    ("a dear essential alarm", "    Type: AWS::CloudWatch::Alarm\n    Condition: AllAlarms\n", "    Type: AWS::CloudWatch::Alarm\n", "the essential alarms watch"),
    ("slow too late", "Threshold: 96000", "Threshold: 120000", "ExecutorSlow must ring at 80 %"),
    ("an alarm for what was planned", "Threshold: 1800\n", "Threshold: 900\n", "StepsOld rings for a planned delay"),
    ("a name that two stacks would share", "            Name: !Sub ${AWS::StackName}-timer\n", "", "TimerMinute: its name must begin with the stack's"),
    ("a timer that sleeps", "rate(1 minute)", "rate(5 minutes)", "timer must be started each minute"),
    ("a function without code", "Binary: timer", "Binary: ticker", "the template builds `ticker`"),
    ("an unexplained parameter", "Parameters:\n  Architecture:", "Parameters:\n  Extra:\n    Type: String\n  Architecture:",
     "docs/deploy.md does not explain the parameter Extra"),
]


class Checks(unittest.TestCase):
    def test_the_template_has_no_fault(self):
        self.assertEqual(check.faults(TEXT), [])

    def test_each_break_is_found(self):
        for what, old, new, fault in BROKEN:
            with self.subTest(what):
                self.assertIn(old, TEXT, "the case no longer fits the template")
                found = check.faults(TEXT.replace(old, new))
                self.assertTrue(any(fault in f for f in found), f"not found: {fault}\nfound: {found}")

    def test_the_code_is_read_and_not_skipped(self):
        code = check.Code(check.ROOT)
        self.assertGreaterEqual(len(code.routes), 10)
        self.assertEqual(set(code.tables), {"control", "runs", "due", "ledger", "tokens"})
        self.assertEqual(code.variables("api")[0] & {"TABLE_DUE", "PUBLIC_URL"}, {"TABLE_DUE", "PUBLIC_URL"})
        self.assertIn("CHAIN_BUDGET_MS", code.variables("executor")[1])
        self.assertEqual(code.limits["QUEUE_VISIBILITY"], 720)


class Judges(unittest.TestCase):
    def judged(self, old: str, new: str) -> list[str]:
        self.assertIn(old, TEXT, "the case no longer fits the template")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "template.yaml")
            path.write_text(TEXT.replace(old, new))
            return check.judge(path)

    def test_a_reference_to_nothing_is_found_by_the_linters(self):
        found = "\n".join(self.judged("Resource: !GetAtt Keyring.Id", "Resource: !Ref Keys"))
        self.assertIn("cfn-lint", found)
        self.assertIn("sam validate", found)

    def test_recovery_that_is_off_is_found_by_checkov(self):
        found = "\n".join(self.judged("PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false"))
        self.assertIn("CKV_AWS_28", found)

    def test_skips_need_a_reason_and_a_cause(self):
        bare = {"summary": {"parsing_errors": 0, "passed": 1}, "results": {"failed_checks": [], "skipped_checks": []}}
        done = subprocess.CompletedProcess([], 0, stdout=json.dumps(bare), stderr="")
        skip = "Resources: {A: {Type: X, Metadata: {checkov: {skip: [{id: CKV_AWS_1}]}}}}"
        found = "\n".join(check.checkov_faults(done, skip))
        self.assertIn("skipped without a reason", found)
        self.assertIn("would not fail", found)

    def test_a_template_that_checkov_cannot_read_is_a_fault(self):
        empty = {"summary": {"parsing_errors": 1, "passed": 0}, "results": {"failed_checks": [], "skipped_checks": []}}
        done = subprocess.CompletedProcess([], 0, stdout=json.dumps(empty), stderr="")
        self.assertIn("checkov could not read the template", check.checkov_faults(done, "Resources: {}"))


if __name__ == "__main__":
    unittest.main()
