"""A client made with the Python SDK 1. Arguments: the MCP endpoint, and its `clientInfo.name`."""

import sys
from contextlib import asynccontextmanager

import anyio
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CreateMessageResult, ElicitResult, Implementation, ListRootsResult, PromptReference
from pydantic import AnyUrl

from steps import PERSON, ROOTS, SAMPLED, Hearing, call_tool, pages, perform, plain

ENDPOINT, NAME = sys.argv[1:3]
hearing = Hearing()


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
    """Opens the transport and shakes hands."""
    options = {
        "client_info": Implementation(name=NAME, version="1.0.0"),
        "elicitation_callback": elicit,
        "sampling_callback": sample,
        "list_roots_callback": list_roots,
        "message_handler": hearing.note,
    }
    async with streamable_http_client(ENDPOINT) as (incoming, outgoing, session_id):
        async with ClientSession(incoming, outgoing, **options) as session:
            opened = await session.initialize()
            yield session, {
                "revision": opened.protocolVersion,
                "server": opened.serverInfo.model_dump(exclude_none=True),
                "capabilities": opened.capabilities.model_dump(exclude_none=True),
                "instructions": opened.instructions,
                "mcpSession": session_id(),
            }


async def list_tools(session) -> dict:
    """The names of all tools."""
    return {"tools": [tool.name for tool in await pages(session.list_tools, "tools")]}


async def call(session, **given) -> dict:
    """Calls a tool."""
    return await call_tool(session.call_tool, **given)


async def list_prompts(session) -> dict:
    """The names of all prompts."""
    return {"prompts": [prompt.name for prompt in await pages(session.list_prompts, "prompts")]}


async def prompt(session, name, arguments) -> dict:
    """Gets a prompt."""
    return plain(await session.get_prompt(name, arguments))


async def list_resources(session) -> dict:
    """The URIs of all resources and templates."""
    templates = await pages(session.list_resource_templates, "resourceTemplates")
    return {
        "resources": [str(resource.uri) for resource in await pages(session.list_resources, "resources")],
        "templates": [template.uriTemplate for template in templates],
    }


async def read(session, uri) -> dict:
    """Reads a resource."""
    return plain(await session.read_resource(AnyUrl(uri)))


async def complete(session, prompt, argument, begun) -> dict:
    """Completes a prompt's argument."""
    reference = PromptReference(type="ref/prompt", name=prompt)
    completed = await session.complete(reference, {"name": argument, "value": begun})
    return {"values": completed.completion.values}


async def set_level(session, level) -> None:
    """Asks for log messages from this level on."""
    await session.set_logging_level(level)


async def subscribe(session, uri) -> None:
    """Asks for the updates of a resource."""
    await session.subscribe_resource(AnyUrl(uri))


async def listen(_session) -> None:
    """The SDK opened its stream when it connected."""


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
