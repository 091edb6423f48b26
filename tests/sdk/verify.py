"""The reference library of Standard Webhooks verifies a delivery: SECRET, and DELIVERED as the receiver got it."""

import json
import os

from standardwebhooks import Webhook, WebhookVerificationError

delivered = json.loads(os.environ["DELIVERED"])
webhook = Webhook(os.environ["SECRET"])
payload = webhook.verify(delivered["body"], delivered["headers"])
try:
    webhook.verify(delivered["body"].replace("1", "2"), delivered["headers"])
    refused = False
except WebhookVerificationError:
    refused = True
print(json.dumps({"payload": payload, "refused": refused}))
