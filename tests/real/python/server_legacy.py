"""
A server made with the Python SDK 1: it speaks no revision after 2025-11-25, and answers 404 to an MCP session it does
not know. Argument: the port.
"""

import sys

import anyio
from mcp.server.fastmcp import Context, FastMCP

from leash import end_with_stdin

server = FastMCP("legacy", instructions="Waits.", host="127.0.0.1", port=int(sys.argv[1]))
cancelled = 0


@server.tool()
async def wait_until_cancelled(context: Context) -> str:
    """Reports progress once, then answers only when the client gives the call up."""
    global cancelled
    await context.report_progress(1)
    try:
        await anyio.sleep_forever()
    finally:
        cancelled += 1


@server.tool()
def cancelled_calls() -> str:
    """Counts the calls that were cancelled."""
    return str(cancelled)


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


end_with_stdin()
server.run("streamable-http")
