"""A service in Python, with the client that openapi-python-client makes. mypy checks it, in its strict mode."""

import os
from uuid import uuid4

from made.python.api.membership import membership_invite
from made.python.api.property_ import property_list, property_update
from made.python.client import AuthenticatedClient
from made.python.models.membership_invite_by_email import MembershipInviteByEmail
from made.python.models.property_list_body import PropertyListBody
from made.python.models.property_order import PropertyOrder
from made.python.models.property_update_body import PropertyUpdateBody
from made.python.models.refusal import Refusal
from made.python.models.role import Role

client = AuthenticatedClient(
    base_url=os.environ["URL"],
    token=os.environ["TOKEN"],
    headers={"X-Organization-Id": os.environ["ORGANIZATION"]},
)

houses = property_list.sync(client=client, body=PropertyListBody(first=5, order_by=PropertyOrder.ADDRESS_ASC))
assert houses and not isinstance(houses, Refusal), houses
house = houses.result.edges[0].node

late = PropertyUpdateBody(idempotency_key=uuid4(), id=house.id, version=house.version + 7, notes="Late")
refused = property_update.sync(client=client, body=late)
assert isinstance(refused, Refusal) and refused.error.code == "VERSION_CONFLICT", refused

key = uuid4()
invitation = MembershipInviteByEmail(idempotency_key=key, email=f"{key}@example.com", role=Role.TRUSTEE)
for replayed in (False, True):
    invited = membership_invite.sync(client=client, body=invitation)
    assert invited and not isinstance(invited, Refusal), invited
    assert invited.replayed == replayed
    assert invited.operation.procedure == "membership/v1/invite"
print(house.address.line1)
