"""
A client made with the Python SDK 2. Arguments: the MCP endpoint, its `clientInfo.name`, and the revision it insists
on, or `auto` or `legacy`.
"""

import sys
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import anyio
from mcp import Client
from mcp_types import (
    LOG_LEVEL_META_KEY,
    CreateMessageResult,
    ElicitResult,
    Implementation,
    ListRootsResult,
    PromptReference,
)

from steps import PERSON, ROOTS, SAMPLED, Hearing, call_tool, pages, perform, plain

ENDPOINT, NAME, REVISION = sys.argv[1:4]
LEGACY = "2025-11-25"
hearing = Hearing()
# The level of log messages that each call asks for.
wanted = {}
# Of subscriptions: what comes on them is heard where all else is.
streams = AsyncExitStack()


async def elicit(_context, _params) -> ElicitResult:
    """Is a person."""
    return ElicitResult(action="accept", content=PERSON)


async def sample(_context, _params) -> CreateMessageResult:
    """Is a model."""
    return CreateMessageResult.model_validate(SAMPLED)


async def list_roots(_context) -> ListRootsResult:
    """Is a workspace."""
    return ListRootsResult.model_validate({"roots": ROOTS})


@asynccontextmanager
async def connected():
    """Finds out the era and opens the connection."""
    options = {
        "mode": REVISION,
        "client_info": Implementation(name=NAME, version="1.0.0"),
        "elicitation_callback": elicit,
        "sampling_callback": sample,
        "list_roots_callback": list_roots,
        "message_handler": hearing.note,
    }
    async with Client(ENDPOINT, **options) as client, streams:
        yield client, {
            "revision": client.protocol_version,
            "server": client.server_info and client.server_info.model_dump(exclude_none=True),
            "capabilities": client.server_capabilities.model_dump(by_alias=True, exclude_none=True),
            "instructions": client.instructions,
        }


async def list_tools(client) -> dict:
    """The names of all tools."""
    return {"tools": [tool.name for tool in await paged(client.list_tools, "tools")]}


async def paged(list_page, kind: str) -> list:
    """All pages; this SDK takes the cursor by name only."""
    return await pages(lambda cursor: list_page(cursor=cursor), kind)


async def call(client, **given) -> dict:
    """Calls a tool."""
    return await call_tool(partial(client.call_tool, meta=wanted or None), **given)


async def list_prompts(client) -> dict:
    """The names of all prompts."""
    return {"prompts": [prompt.name for prompt in await paged(client.list_prompts, "prompts")]}


async def prompt(client, name, arguments) -> dict:
    """Gets a prompt."""
    return plain(await client.get_prompt(name, arguments))


async def list_resources(client) -> dict:
    """The URIs of all resources and templates."""
    templates = await paged(client.list_resource_templates, "resource_templates")
    return {
        "resources": [str(resource.uri) for resource in await paged(client.list_resources, "resources")],
        "templates": [template.uri_template for template in templates],
    }


async def read(client, uri) -> dict:
    """Reads a resource."""
    return plain(await client.read_resource(uri))


async def complete(client, prompt, argument, begun) -> dict:
    """Completes a prompt's argument."""
    reference = PromptReference(type="ref/prompt", name=prompt)
    completed = await client.complete(reference, {"name": argument, "value": begun})
    return {"values": completed.completion.values}


async def set_level(client, level) -> None:
    """Asks for log messages from this level on: now, or with each call."""
    if client.protocol_version > LEGACY:
        wanted[LOG_LEVEL_META_KEY] = level
    else:
        await client.set_logging_level(level)


async def subscribe(client, uri) -> None:
    """Asks for the updates of a resource."""
    if client.protocol_version > LEGACY:
        await streams.enter_async_context(client.listen(resource_subscriptions=[uri]))
    else:
        await client.subscribe_resource(uri)


async def listen(client) -> None:
    """Asks for the changes of lists; in the legacy era the SDK opened its stream when it connected."""
    if client.protocol_version > LEGACY:
        every = {"tools_list_changed": True, "prompts_list_changed": True, "resources_list_changed": True}
        await streams.enter_async_context(client.listen(**every))


STEPS = {
    "list": list_tools,
    "call": call,
    "prompts": list_prompts,
    "prompt": prompt,
    "resources": list_resources,
    "read": read,
    "complete": complete,
    "setLevel": set_level,
    "subscribe": subscribe,
    "listen": listen,
    "heard": hearing.heard,
}

anyio.run(perform, connected(), STEPS)
