"""That the comparison of roles can fail."""

import unittest

import roles

QUEUE, TABLE = "arn:aws:sqs:eu-west-1:1:steps", "arn:aws:dynamodb:eu-west-1:1:table/runs"
GRANTED = {"Executor": {("dynamodb:PutItem", TABLE), ("sqs:ReceiveMessage", QUEUE)}}
CALL = {"role": "Executor", "action": "dynamodb:PutItem", "resource": TABLE, "allowed": True}


class Compare(unittest.TestCase):
    def faults(self, granted, calls, fed=None):
        return roles.compare(granted, calls, {"Executor": {QUEUE}} if fed is None else fed)[1]

    def test_what_is_used_and_no_more_is_no_fault(self):
        self.assertEqual(self.faults(GRANTED, [CALL]), [])

    def test_what_is_never_called_is_a_fault(self):
        self.assertIn("grants dynamodb:PutItem", self.faults(GRANTED, [])[0])

    def test_what_another_role_called_does_not_count(self):
        other = {**GRANTED, "Hooks": set()}
        self.assertIn("grants dynamodb:PutItem", self.faults(other, [{**CALL, "role": "Hooks"}])[0])

    def test_a_call_on_another_resource_does_not_count(self):
        self.assertIn("never called", self.faults(GRANTED, [{**CALL, "resource": TABLE + "-2"}])[0])

    def test_what_was_denied_is_a_fault(self):
        self.assertIn("lacks dynamodb:Scan", self.faults(GRANTED, [CALL, {**CALL, "action": "dynamodb:Scan", "allowed": False}])[0])

    def test_lambdas_own_use_is_excused_on_the_functions_own_queue_only(self):
        self.assertIn("grants sqs:ReceiveMessage", self.faults(GRANTED, [CALL], {"Executor": set()})[0])

    def test_a_condition_is_not_guessed_at(self):
        statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {}}
        with self.assertRaises(ValueError):
            roles.grants([{"Statement": statement}])


if __name__ == "__main__":
    unittest.main()
