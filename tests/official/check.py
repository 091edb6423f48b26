"""What check.mjs does, for libraries in Python: WEIR_LIBRARY names the one that is installed here."""

import json
import os
import time

LIBRARY = os.environ["WEIR_LIBRARY"]


def slack(case):
    from slack_sdk.signature import SignatureVerifier

    verifier = SignatureVerifier(case["secret"])
    timestamp = str(int(time.time()))
    signed = {
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": verifier.generate_signature(timestamp=timestamp, body=case["body"]),
    }
    return lambda body: verifier.is_valid_request(body, case["headers"]), signed


def twilio(case):
    from urllib.parse import parse_qs

    from twilio.request_validator import RequestValidator

    validator = RequestValidator(case["secret"])
    params = lambda body: {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
    signed = {"x-twilio-signature": validator.compute_signature(case["url"], params(case["body"]))}
    return (
        lambda body: validator.validate(case["url"], params(body), case["headers"]["x-twilio-signature"]),
        signed,
    )


def stripe(case):
    import stripe

    def verify(body):
        try:
            stripe.WebhookSignature.verify_header(body, case["headers"]["stripe-signature"], case["secret"], 300)
            return True
        except stripe.SignatureVerificationError:
            return False

    return verify, None


with open(os.environ["WEIR_CASES"], encoding="utf-8") as cases:
    for case in json.load(cases):
        if case["library"] != LIBRARY:
            continue
        verify, signed = {"slack_sdk": slack, "twilio": twilio, "stripe": stripe}[LIBRARY](case)
        line = {
            "library": LIBRARY,
            "accepts": bool(verify(case["body"])),
            "accepts_changed": bool(verify(case["body"] + "x")),
            "signed": signed and {"headers": signed},
            "error": None,
        }
        print(json.dumps(line))
