"""
A FastMCP server. Arguments: the port, and who is let in: `anybody`, or who shows the right credential,
`bearer TOKEN` or `api-key HEADER KEY`.
"""

import sys

import anyio
from fastmcp import Context, FastMCP
from fastmcp.server.auth import StaticTokenVerifier
from mcp.shared.message import ServerMessageMetadata
from mcp_types import (
    CreateMessageRequest,
    CreateMessageResult,
    ElicitRequest,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    PromptListChangedNotification,
    ResourceListChangedNotification,
    ToolListChangedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.middleware import Middleware
from starlette.responses import JSONResponse

from leash import end_with_stdin

PEOPLE = ["Ada", "Alan", "Grace"]
NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
FRANCE = [{"role": "user", "content": {"type": "text", "text": "The capital of France?"}}]

cancelled = 0


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


async def answer(context: Context, request, kind):
    """What the client answers; or what it is to be asked first, where a server cannot wait for it any more."""
    if context.request_context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        related = ServerMessageMetadata(related_request_id=context.request_id)
        return await context.session.send_request(request, kind, metadata=related)
    answers = context.input_responses
    return answers["answer"] if answers else InputRequiredResult(input_requests={"answer": request})


def add_asking_tools(server: FastMCP) -> None:
    """Adds what asks the client and tells what it answered."""

    @server.tool
    async def ask(context: Context) -> str | InputRequiredResult:
        """Asks the client's user."""
        params = {"mode": "form", "message": "Who are you?", "requestedSchema": NAME}
        said = await answer(context, ElicitRequest.model_validate({"params": params}), ElicitResult)
        return said if isinstance(said, InputRequiredResult) else f"{said.action} {said.content['name']}"

    @server.tool
    async def sample(context: Context) -> str | InputRequiredResult:
        """Asks the client's model."""
        params = {"messages": FRANCE, "maxTokens": 10}
        said = await answer(context, CreateMessageRequest.model_validate({"params": params}), CreateMessageResult)
        return said if isinstance(said, InputRequiredResult) else said.content.text

    @server.tool
    async def roots(context: Context) -> str | InputRequiredResult:
        """Tells the client's roots."""
        said = await answer(context, ListRootsRequest(), ListRootsResult)
        if isinstance(said, InputRequiredResult):
            return said
        return ",".join(str(root.uri).rstrip("/") for root in said.roots)


def add_tools(server: FastMCP) -> None:
    """Adds what the tests call."""

    @server.tool(annotations={"readOnlyHint": True})
    def greet(name: str) -> str:
        """Greets somebody."""
        return f"Hello, {name}"

    @server.tool
    def fail() -> str:
        """Always fails."""
        raise ValueError("this tool always fails")

    @server.tool
    async def work(context: Context) -> str:
        """Reports progress three times."""
        for step in (1, 2, 3):
            await context.report_progress(step, 3)
        return "done"

    @server.tool
    async def log(context: Context) -> str:
        """Logs a message of debug and one of warning."""
        await context.debug("quiet")
        await context.warning("loud")
        return "logged"

    @server.tool
    async def wait_until_cancelled(context: Context) -> str:
        """Reports progress once, then answers only when the client gives the call up."""
        global cancelled
        await context.report_progress(1)
        try:
            await anyio.sleep_forever()
        finally:
            cancelled += 1

    @server.tool
    def cancelled_calls() -> str:
        """Counts the calls that were cancelled."""
        return str(cancelled)

    @server.tool
    async def change(context: Context) -> str:
        """Announces a change of every list."""
        for kind in (ToolListChangedNotification, PromptListChangedNotification, ResourceListChangedNotification):
            await context.send_notification(kind())
        return "changed"


def add_prompts_and_resources(server: FastMCP) -> None:
    """Adds what the tests read."""

    @server.prompt(name="greet")
    def hello(name: str) -> str:
        """Greets somebody."""
        return f"Say hello to {name}."

    @server.resource("note://welcome")
    def welcome() -> str:
        """A note."""
        return "Welcome."

    @server.resource("note://about/{topic}")
    def about(topic: str) -> str:
        """A note."""
        return f"All about {topic}."

    @server.completion
    def complete(_reference, argument, _context) -> list[str]:
        """Completes names of people."""
        return [person for person in PEOPLE if person.startswith(argument.value)]


def main(port: str, kind: str, *secret: str) -> None:
    """Serves until stdin ends."""
    auth, middleware = None, []
    if kind == "bearer":
        auth = StaticTokenVerifier({secret[0]: {"client_id": "the-test", "scopes": []}})
    elif kind == "api-key":
        middleware = [Middleware(ApiKey, header=secret[0], key=secret[1])]
    server = FastMCP("fastmcp", instructions=f"Lets in: {kind}.", auth=auth)
    add_tools(server)
    add_asking_tools(server)
    add_prompts_and_resources(server)
    end_with_stdin()
    server.run(transport="http", host="127.0.0.1", port=int(port), show_banner=False, middleware=middleware)


main(*sys.argv[1:])
