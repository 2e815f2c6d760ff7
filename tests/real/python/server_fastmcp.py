"""
A FastMCP server that lets in who shows the right credential. Arguments: the port, then `bearer TOKEN` or
`api-key HEADER KEY`.
"""

import sys

from fastmcp import FastMCP
from fastmcp.server.auth import StaticTokenVerifier
from starlette.middleware import Middleware
from starlette.responses import JSONResponse

from leash import end_with_stdin


class ApiKey:
    """Answers 401 to a request that does not carry the key, as servers behind an API gateway do."""

    def __init__(self, app, header: str, key: str) -> None:
        self.app = app
        self.wanted = (header.lower().encode(), key.encode())

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http" and self.wanted not in scope["headers"]:
            refusal = JSONResponse({"error": "invalid API key"}, status_code=401)
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def main(port: str, kind: str, *secret: str) -> None:
    """Serves until stdin ends."""
    auth, middleware = None, []
    if kind == "bearer":
        auth = StaticTokenVerifier({secret[0]: {"client_id": "the-test", "scopes": []}})
    else:
        middleware = [Middleware(ApiKey, header=secret[0], key=secret[1])]
    server = FastMCP("guarded", instructions=f"Asks for a credential ({kind}).", auth=auth)

    @server.tool(annotations={"readOnlyHint": True})
    def greet(name: str) -> str:
        """Greets somebody."""
        return f"Hello, {name}"

    @server.tool
    def fail() -> str:
        """Always fails."""
        raise ValueError("this tool always fails")

    end_with_stdin()
    server.run(transport="http", host="127.0.0.1", port=int(port), show_banner=False, middleware=middleware)


main(*sys.argv[1:])
