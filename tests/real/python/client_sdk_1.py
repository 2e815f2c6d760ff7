"""A client made with the Python SDK 1. Arguments: the MCP endpoint, and its `clientInfo.name`."""

import sys
from contextlib import asynccontextmanager

import anyio
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Implementation

from steps import call_tool, perform

ENDPOINT, NAME = sys.argv[1:3]


@asynccontextmanager
async def connected():
    """Opens the transport and shakes hands."""
    info = Implementation(name=NAME, version="1.0.0")
    async with streamable_http_client(ENDPOINT) as (incoming, outgoing, session_id):
        async with ClientSession(incoming, outgoing, client_info=info) as session:
            opened = await session.initialize()
            yield session, {
                "revision": opened.protocolVersion,
                "server": opened.serverInfo.model_dump(exclude_none=True),
                "capabilities": opened.capabilities.model_dump(exclude_none=True),
                "instructions": opened.instructions,
                "mcpSession": session_id(),
            }


async def list_tools(session) -> dict:
    """Walks all pages."""
    tools, cursor = [], None
    while True:
        page = await session.list_tools(cursor)
        tools.extend(tool.name for tool in page.tools)
        cursor = page.nextCursor
        if not cursor:
            return {"tools": tools}


async def call(session, **given) -> dict:
    """Calls a tool."""
    return await call_tool(session.call_tool, **given)


anyio.run(perform, connected(), {"list": list_tools, "call": call})
