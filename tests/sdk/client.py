"""What a customer does with Svix's Python SDK, in two steps with a delivery between them.

PHASE is "make" or "check"; what the first step made comes back to the second as MADE, what the receiver got as
DELIVERED. Two generations of the SDK are in use, with different names for an endpoint's filter.
"""

import json
import os

from svix import Svix, SvixOptions, Webhook, WebhookVerificationError, __version__
from svix import models
from svix.exceptions import HttpError, HTTPValidationError

older = __version__.startswith("1.")
svix = Svix(os.environ["WEIR_TOKEN"], SvixOptions(server_url=os.environ["WEIR_URL"]))


def say(value):
    print(json.dumps(value))


def failure(call):
    try:
        call()
    except (HttpError, HTTPValidationError) as error:
        return {"code": error.status_code}
    raise AssertionError("expected the call to fail")


if os.environ["PHASE"] == "make":
    uid = f"py-{__version__}"
    app = svix.application.create(models.ApplicationIn(name="by SDK", uid=uid))
    assert svix.application.get_or_create(models.ApplicationIn(name="by SDK", uid=uid)).id == app.id
    assert any(one.id == app.id for one in svix.application.list().data)
    name = f"sdk.{uid}"
    svix.event_type.create(models.EventTypeIn(name=name, description="from the SDK"))
    names = {"filter_types" if older else "event_types": [name]}
    endpoint = svix.endpoint.create(app.id, models.EndpointIn(url=os.environ["RECEIVER_URL"], **names))
    assert endpoint.created_at.tzinfo is not None
    secret = svix.endpoint.get_secret(app.id, endpoint.id).key
    message = svix.message.create(app.id, models.MessageIn(event_type=name, payload={"from": "python", "n": 1}))
    say({"made": {"app": app.id, "endpoint": endpoint.id, "message": message.id, "secret": secret}})
else:
    made = json.loads(os.environ["MADE"])
    delivered = json.loads(os.environ["DELIVERED"])
    app, endpoint, message = made["app"], made["endpoint"], made["message"]

    Webhook(made["secret"]).verify(delivered["body"], delivered["headers"])
    try:
        Webhook(made["secret"]).verify(delivered["body"] + " ", delivered["headers"])
        raise AssertionError("expected a changed body to be refused")
    except WebhookVerificationError:
        pass

    attempts = svix.message_attempt.list_by_msg(app, message).data
    assert len(attempts) == 1, attempts
    assert int(attempts[0].status) == 0 and attempts[0].response_status_code == 200, attempts
    assert svix.message_attempt.get(app, message, attempts[0].id).endpoint_id == endpoint
    assert len(svix.message_attempt.list_by_endpoint(app, endpoint).data) == 1
    assert len(svix.message_attempt.list_attempted_messages(app, endpoint).data) == 1
    assert len(svix.message_attempt.list_attempted_destinations(app, message).data) == 1
    assert svix.endpoint.get_stats(app, endpoint).success == 1
    assert svix.message.list(app).data[0].id == message
    assert svix.message.get(app, message).id == message

    svix.endpoint.rotate_secret(app, endpoint, models.EndpointSecretRotateIn())
    secret = svix.endpoint.get_secret(app, endpoint).key
    assert secret != made["secret"]
    svix.endpoint.patch(app, endpoint, models.EndpointPatch(description="patched"))
    assert svix.endpoint.get(app, endpoint).description == "patched"
    svix.message_attempt.resend(app, message, endpoint)

    stranger = Svix("nonsense", SvixOptions(server_url=os.environ["WEIR_URL"]))
    errors = {
        "bad": failure(lambda: svix.endpoint.create(app, models.EndpointIn(url="not a url"))),
        "missing": failure(lambda: svix.application.get("app_nobody")),
        "conflict": failure(
            lambda: svix.application.create(models.ApplicationIn(name="again", uid=f"py-{__version__}"))
        ),
        "token": failure(lambda: stranger.application.list()),
    }
    say({"errors": errors, "secret": secret})
