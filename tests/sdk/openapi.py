"""Holds the server to its own OpenAPI document, with schemathesis.

Every operation is called with what the document allows, with what it forbids, and with what it allows made to fit what is
really there (ids, names, addresses), so that the answers of success are looked at, too. Every answer has to be one that
the document has: its status, its content type, its body. Prints a JSON object a line: an operation and the statuses that it
answered with, and why that was wrong, if it was.
"""

import json
import os
import warnings

import hypothesis
import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

warnings.simplefilter("ignore")
URL, TOKEN = os.environ["WEIR_URL"], os.environ["WEIR_TOKEN"]
# What is there: parameters of paths by name, and fields of bodies that have to fit it.
REAL = json.loads(os.environ["REAL"])
EXAMPLES = int(os.environ.get("EXAMPLES", "15"))
SEED = int(os.environ.get("WEIR_TEST_SEED", "20261122"))
with open(os.environ["PLUGIN"], "rb") as file:
    MODULE = file.read()

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
LEFT_OUT = "(left out)"
session = requests.Session()


def fitted(value, own):
    """A body with what has to be real: fields that any body may have, where they are there, and those of its own."""
    if not isinstance(value, dict):
        return value
    value = {**value, **{name: real for name, real in REAL["bodies"].items() if name in value}, **own}
    return {name: item for name, item in value.items() if item != LEFT_OUT}


class Operation:
    def __init__(self, operation):
        self.operation = operation
        self.id = operation.definition.raw["operationId"]
        self.statuses, self.failures = {}, []
        self.own = REAL["operations"].get(self.id, {})
        self.token = self.own.get("token", TOKEN)
        self.public = operation.definition.raw.get("security") == []
        self.parameters = {p.name for p in operation.path_parameters}

    def check(self, case, token=None):
        # Whatever becomes an endpoint is called: nobody but the test's receiver.
        if isinstance(case.body, dict) and str(case.body.get("url")).lower().startswith("http"):
            case.body["url"] = REAL["bodies"]["url"]
        headers = {"authorization": f"Bearer {token or self.token}"}
        response = case.call(base_url=URL, session=session, headers=headers, timeout=20)
        self.statuses[response.status_code] = self.statuses.get(response.status_code, 0) + 1
        try:
            case.validate_response(response, checks=CHECKS, headers=headers)
        except (Exception, FailureGroup) as error:
            if len(self.failures) < 3:
                parts = getattr(error, "exceptions", [error])
                why = "; ".join(f"{type(e).__name__}: {e}" for e in parts)
                shown = {"path": case.path_parameters, "query": case.query, "body": repr(case.body)[:400]}
                self.failures.append(f"{why[:900]} | {response.status_code} {response.text[:400]} | {shown}")
        return response

    def each(self, mode, change, count):
        @hypothesis.seed(SEED)
        @hypothesis.settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(self.operation.as_strategy(generation_mode=mode))
        def run(case):
            self.check(change(case))

        try:
            run()
        except hypothesis.errors.Unsatisfiable:
            pass  # nothing can be wrong with a call that takes nothing

    def real(self, case):
        paths = {**REAL["paths"], **self.own.get("paths", {})}
        case.path_parameters = {name: paths.get(name, made) for name, made in (case.path_parameters or {}).items()}
        # The places of pages are not made up.
        case.query = {k: v for k, v in (case.query or {}).items() if k not in ("iterator", "since", "until")}
        if isinstance(case.body, bytes) or self.id == "weir.plugin.upload":
            case.body = MODULE
        else:
            case.body = fitted(case.body, self.own.get("body", {}))
        return case

    def anywhere(self, case):
        """Half of a path is real: what is wrong is looked at, and not only that there is no such application."""
        if case.path_parameters and "app_id" in case.path_parameters:
            case.path_parameters["app_id"] = REAL["paths"]["app_id"]
        return case

    def run(self):
        self.each(GenerationMode.POSITIVE, self.real, EXAMPLES)
        self.each(GenerationMode.POSITIVE, self.anywhere, EXAMPLES)
        self.each(GenerationMode.NEGATIVE, self.real, EXAMPLES)
        if not self.public:
            self.each(GenerationMode.POSITIVE, self.with_token("nonsense", 401), 1)
        print(json.dumps({"operation": self.id, "statuses": self.statuses, "failures": self.failures}), flush=True)

    def with_token(self, token, status):
        def change(case):
            answered = self.check(case, token).status_code
            if answered != status:
                self.failures.append(f"a wrong token is answered {answered}")
            return case

        return change


def rank(operation):
    """What reads first, then what adds, then what changes, then what deletes; an application at the very end. (Before
    all, a token is logged out: another operation takes all of them back.)"""
    order = {"get": 0, "head": 0, "post": 1, "put": 2, "patch": 3, "delete": 4}[operation.operation.method.lower()]
    if operation.id == "v1.authentication.logout":
        order = -1
    if order == 1 and "expunge" in operation.id:
        order = 3  # what is forgotten cannot be sent again
    return (operation.id == "v1.application.delete", order, "content" not in operation.id, -len(operation.parameters))


@schemathesis.serializer("application/wasm")
def module(context, value):
    """A module is sent as it is; what else is made up for it, as some bytes."""
    return value if isinstance(value, bytes) else str(value).encode()


schema = schemathesis.openapi.from_url(f"{URL}/api/v1/openapi.json")
operations = []
for found in schema.get_all_operations():
    operations.append(Operation(found.ok()))
for operation in sorted(operations, key=rank):
    operation.run()
