"""Ids that are there, so that requests reach further than NOT_FOUND, and the refusals that no schema can foretell."""

import json
import os
import re

import requests
import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

GATEWAY = os.environ["URL"]
HEADERS = {"Authorization": f"Bearer {os.environ['TOKEN']}", "X-Organization-Id": os.environ["ORGANIZATION"]}

# Only rows, lists that grow, or several fields together decide these. Everything else, OpenAPI says beforehand.
NOT_IN_A_SCHEMA = {
    "NOT_FOUND": "whether a row is there, and in sight",
    "INVALID_CURSOR": "whether this list gave the cursor",
    "UNKNOWN_TIME_ZONE": "the time zones of the day",
    "UNKNOWN_KIND": "the kinds that a later version adds to",
    "NOT_FOR_AGENTS": "the kind of a principal with its role",
    "TOO_EARLY": "a time beside another one, or beside now",
    "TOO_MANY_ORGANIZATIONS": "the owners of a page",
    "EXCEEDS_WHOLE": "the shares that are recorded",
    "EXCEEDS": "the rights that are delegated",
    "ARCHIVED": "the state of a row",
    "NOT_AN_HOA": "the kind of a row",
    "OWN_ORGANIZATION": "who asks",
    "TAKEN": "the handles of others",
    "NOT_A_DESK": "the type of the organization",
    "YOURSELF": "who asks",
    "REQUIRED": "a field beside another one, such as an amount and its currency",
    "INVALID_HOURS": "the order of two times in one text",
    "OVERLAP": "the entries of one list beside each other",
    "NOT_NARROWER": "the row that is to be narrowed",
}


def known():
    """Some ids of each kind, by the namespaces of its procedures."""
    ids = {}
    for kind in ["property", "portfolio", "externalParty", "ownership", "financialEntry", "accessGrant", "delegation", "operation"]:
        answer = requests.post(f"{GATEWAY}/api/v1/rpc/{kind}/v1/list", headers=HEADERS, json={"first": 10}, timeout=30)
        ids[kind] = [edge["node"]["id"] for edge in answer.json()["result"]["edges"]]
        assert ids[kind], f"the demo has no {kind}"
    return ids


IDS = known()
NAMED = {"propertyId": "property", "portfolioId": "portfolio", "externalPartyId": "externalParty", "hoaId": "externalParty"}


UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@schemathesis.hook
def map_body(context, body):
    """Most ids are of rows that are there. The choice follows from the id that was made up, so that a run can be repeated."""
    if not isinstance(body, dict):
        return body
    namespace = context.operation.path.split("/")[4] if context.operation else ""
    body = dict(body)
    for field, value in body.items():
        some = IDS.get(namespace if field == "id" else NAMED.get(field, ""), [])
        if some and isinstance(value, str) and UUID.fullmatch(value) and not value.startswith("0"):
            body[field] = some[sum(value.encode()) % len(some)]
    return body


def refusals(response):
    """The codes of the fields that a refusal names."""
    try:
        answer = response.json()
    except ValueError:
        return []
    return [error["code"] for error in answer.get("field_errors", [])] if isinstance(answer, dict) else []


@schemathesis.check
def accepts_all_that_its_schema_allows(context, response, case):
    codes = refusals(response)
    if codes and all(code in NOT_IN_A_SCHEMA for code in codes):
        return None
    return positive_data_acceptance(context, response, case)


# The types of refusals that are a client's to mend.
CLIENTS = {"VALIDATION", "AUTHORIZATION", "NOT_FOUND", "CONFLICT"}


@schemathesis.check
def refuses_in_words_for_a_client(context, response, case):
    """GraphQL has no limits in its schema. A refusal says which of them, in which field, and is never a failure of ours."""
    if case.operation.schema.specification.name != "GraphQL":
        return None
    for error in response.json().get("errors", []):
        extensions = error.get("extensions", {})
        said = json.dumps(error)
        assert extensions.get("type") in CLIENTS, said
        assert extensions.get("code") and extensions.get("trace_id"), said
        if extensions["code"] == "INVALID_INPUT":
            assert extensions["field_errors"], said
            assert all(mistake["field"] and mistake["code"] and mistake["message"] for mistake in extensions["field_errors"]), said
    return None
