"""``/v1.0/customers``: tenants, their limits and their API keys. For keys with the scope ``admin`` only."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from models.customer import ApiKey, ApiKeyWrite, Customer, CustomerWrite
from runtime.api.bodies import StrictRoute
from runtime.api.conditional import UnchangedSince
from runtime.api.key_ring import new_key
from runtime.api.pages import Listing, Paging, listing
from runtime.services import CurrentServices
from runtime.tokens import hash_token

router = APIRouter(prefix="/customers", tags=["Customers"], route_class=StrictRoute)

OfCustomer = Annotated[UUID, Path(alias="id", description="Id of the customer.")]
KeyId = Annotated[UUID, Path(description="Id of the API key.")]


class CreatedApiKey(ApiKey):
    """A new API key.

    Attributes:
        key: The key itself. It cannot be read again.
    """

    key: str


@router.post("", status_code=201, response_model=Customer)
async def create_customer(body: CustomerWrite, services: CurrentServices) -> JSONResponse:
    """Create a customer."""
    customer = Customer.create(body, id=uuid4(), now=services.clock())
    await services.store.create_customer(customer)
    return JSONResponse(customer.public(), 201)


@router.get("", response_model=Listing[Customer])
async def list_customers(paging: Paging, services: CurrentServices) -> JSONResponse:
    """List customers, newest first."""
    return listing(await services.store.list_customers(page_size=paging.page_size, page_token=paging.page_token))


@router.get("/{id}", response_model=Customer)
async def get_customer(customer_id: OfCustomer, services: CurrentServices) -> JSONResponse:
    """Return a customer."""
    return JSONResponse((await services.store.get_customer(customer_id)).public())


@router.put("/{id}", response_model=Customer)
async def replace_customer(
    customer_id: OfCustomer, body: CustomerWrite, services: CurrentServices, unchanged_since: UnchangedSince
) -> JSONResponse:
    """Replace a customer's name and limits. New limits hold for calls that begin from now on."""
    stored = await services.store.get_customer(customer_id)
    customer = stored.replaced(body, now=services.clock())
    await services.store.update_customer(customer, unchanged_since=unchanged_since(stored.tm_update))
    return JSONResponse(customer.public())


@router.delete("/{id}", response_model=Customer)
async def delete_customer(customer_id: OfCustomer, services: CurrentServices) -> JSONResponse:
    """Delete a customer and revoke its API keys. Its running AIcalls go on; no new ones begin."""
    return JSONResponse((await services.store.delete_customer(customer_id, now=services.clock())).public())


@router.post("/{id}/api_keys", status_code=201, response_model=CreatedApiKey)
async def create_api_key(customer_id: OfCustomer, body: ApiKeyWrite, services: CurrentServices) -> JSONResponse:
    """Make an API key. The key itself is in this answer and nowhere else."""
    record = ApiKey.create(body, id=uuid4(), customer_id=customer_id, now=services.clock())
    key = new_key(record.id)
    await services.store.create_api_key(record, key_sha256=hash_token(key))
    return JSONResponse({**record.public(), "key": key}, 201, headers={"Cache-Control": "no-store"})


@router.get("/{id}/api_keys", response_model=Listing[ApiKey])
async def list_api_keys(customer_id: OfCustomer, paging: Paging, services: CurrentServices) -> JSONResponse:
    """List a customer's API keys, newest first, without the keys themselves."""
    page = await services.store.list_api_keys(customer_id, page_size=paging.page_size, page_token=paging.page_token)
    return listing(page)


@router.get("/{id}/api_keys/{key_id}", response_model=ApiKey)
async def get_api_key(customer_id: OfCustomer, key_id: KeyId, services: CurrentServices) -> JSONResponse:
    """Return an API key, without the key itself."""
    return JSONResponse((await services.store.get_api_key(customer_id, key_id)).public())


@router.delete("/{id}/api_keys/{key_id}", response_model=ApiKey)
async def revoke_api_key(customer_id: OfCustomer, key_id: KeyId, services: CurrentServices) -> JSONResponse:
    """Revoke an API key. Every process stops taking it within two seconds."""
    key = await services.store.revoke_api_key(customer_id, key_id, now=services.clock())
    return JSONResponse(key.public())
