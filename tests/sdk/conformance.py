"""Calls every method of Svix's Python SDK that `calls.json` knows, and fails for one that it does not.

The methods are taken from the client object itself. Each is called as it should be and, at least once, as it should
not; one without a route has to fail with an error of the API. One line is printed for each method.
"""

import dataclasses
import datetime
import inspect
import json
import os
import pathlib
import re
import time
import traceback
import typing

import pydantic
from svix import Svix, SvixOptions
from svix.exceptions import HttpError, HTTPValidationError

TABLE = json.loads((pathlib.Path(__file__).parent / "calls.json").read_text())


def client(token):
    return Svix(token, SvixOptions(server_url=os.environ["WEIR_URL"]))


CLIENTS = {"org": client(os.environ["WEIR_TOKEN"]), "stranger": client("nonsense")}
NAME = os.environ["NAME"]
KNOWN = {"uid": NAME, "type": f"sdk.{NAME}", "receiver": os.environ["RECEIVER_URL"]}


def camel(name):
    return re.sub(r"_([a-z])", lambda match: match.group(1).upper(), name.rstrip("_"))


def snake(name):
    return re.sub(r"([A-Z])", lambda match: "_" + match.group(1).lower(), name)


def methods(thing, path):
    """The methods of an object and of the objects that it leads to, by their names in the table."""
    for name, value in inspect.getmembers(type(thing)):
        if name.startswith("_"):
            continue
        if isinstance(value, property):
            yield from methods(getattr(thing, name), [*path, name])
        elif callable(value):
            yield ".".join(map(camel, [*path, name])), [*path, name]


def at(value, path):
    for key in path.split("."):
        if isinstance(value, list):
            value = value[int(key)] if int(key) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(key)
        else:
            value = getattr(value, snake(key), None)
        if value is None:
            return None
    return value


def filled(value):
    if isinstance(value, str) and value.startswith("$"):
        return at(KNOWN, value[1:])
    if isinstance(value, list):
        return [filled(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if "$ago" in value:
        now = datetime.datetime.now(datetime.timezone.utc)
        return now - datetime.timedelta(milliseconds=value["$ago"])
    return {name: filled(inner) for name, inner in value.items()}


def made(value, hint):
    """The value as the type that a parameter has."""
    if not isinstance(value, dict):
        return value
    if inspect.isclass(hint) and issubclass(hint, pydantic.BaseModel):
        return hint.model_validate(value)
    if dataclasses.is_dataclass(hint):
        return hint(**{snake(name): inner for name, inner in value.items()})
    return value


class Anything:
    """Whatever a method wants to be given: it only has to get as far as sending a request."""

    def __getattr__(self, name):
        if name in ("_query_params", "_header_params", "to_dict"):
            return dict
        if name == "model_dump_json":
            return lambda **_: "{}"
        raise AttributeError(name)

    def __str__(self):
        return "x"


def call(path, who, args):
    method = CLIENTS[who or "org"]
    for name in path:
        method = getattr(method, name)
    hints = typing.get_type_hints(method)
    names = list(inspect.signature(method).parameters)
    return method(*[made(value, hints.get(name)) for name, value in zip(names, args)])


def failure(path, who, args):
    try:
        call(path, who, args)
    except (HttpError, HTTPValidationError) as error:
        assert error.detail, vars(error)
        return error.status_code
    return "no error"


def check(path, entry):
    tries = 0
    while True:
        value = call(path, entry.get("as"), filled(entry["args"]))
        if "save" in entry:
            KNOWN[entry["save"]] = value
        if "until" not in entry or at(value, entry["until"]) is not None:
            break
        tries += 1
        assert tries < 200, f"{entry['until']} never came"
        time.sleep(0.05)
    if entry.get("save") == "portal":
        CLIENTS["customer"] = client(KNOWN["portal"].token)
    if "error" in entry:
        code = failure(path, entry["error"].get("as"), filled(entry["error"]["args"]))
        assert code == entry["error"]["code"], f"expected the error {entry['error']['code']}, got {code}"


def report(method, kind, work):
    line = {"method": method, "kind": kind, "ok": True}
    try:
        work()
    except Exception as error:
        why = f"{traceback.format_exc()} {getattr(error, '__dict__', '')}"
        line.update(ok=False, why=why)
    print(json.dumps(line))


def unknown():
    raise AssertionError("calls.json does not know this method")


def refused(path):
    method = CLIENTS["org"]
    for name in path:
        method = getattr(method, name)
    count = sum(
        parameter.default is inspect.Parameter.empty for parameter in inspect.signature(method).parameters.values()
    )
    code = failure(path, "org", [Anything()] * count)
    assert code in (404, 405), f"expected the error 404, got {code}"


def matches(pattern, method):
    return method.startswith(pattern[:-1]) if pattern.endswith(".*") else pattern == method


there = dict(methods(CLIENTS["org"], []))
done = set()
for entry in TABLE["calls"]:
    for method in filter(there.__contains__, entry["call"]):
        done.add(method)
        path = there[method]
        # What two names of one method would both delete is deleted under the last.
        if entry.get("keep") and "operationalWebhook.endpoint.delete" in there:
            report(method, "route", lambda: failure(path, "org", ["nobody"]))
        else:
            report(method, "route", lambda: check(path, entry))
for method, path in there.items():
    if method in done:
        continue
    if any(matches(pattern, method) for pattern in TABLE["no_route"]):
        report(method, "none", lambda: refused(path))
    else:
        report(method, "unknown", unknown)
