"""
A client made with the Python SDK 2. Arguments: the MCP endpoint, its `clientInfo.name`, and the revision it insists
on, or `auto` or `legacy`.
"""

import sys
from contextlib import asynccontextmanager

import anyio
from mcp import Client
from mcp_types import Implementation

from steps import call_tool, perform

ENDPOINT, NAME, REVISION = sys.argv[1:4]


@asynccontextmanager
async def connected():
    """Finds out the era and opens the connection."""
    async with Client(ENDPOINT, mode=REVISION, client_info=Implementation(name=NAME, version="1.0.0")) as client:
        yield client, {
            "revision": client.protocol_version,
            "server": client.server_info and client.server_info.model_dump(exclude_none=True),
            "capabilities": client.server_capabilities.model_dump(by_alias=True, exclude_none=True),
            "instructions": client.instructions,
        }


async def list_tools(client) -> dict:
    """Walks all pages."""
    tools, cursor = [], None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools.extend(tool.name for tool in page.tools)
        cursor = page.next_cursor
        if not cursor:
            return {"tools": tools}


async def call(client, **given) -> dict:
    """Calls a tool."""
    return await call_tool(client.call_tool, **given)


anyio.run(perform, connected(), {"list": list_tools, "call": call})
