"""
A server made with the Python SDK 1: it speaks no revision after 2025-11-25, and answers 404 to an MCP session it does
not know. Argument: the port.
"""

import sys
from weakref import WeakKeyDictionary

import anyio
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.lowlevel import NotificationOptions
from mcp.types import Completion, SamplingMessage, TextContent
from pydantic import AnyUrl, BaseModel

from leash import end_with_stdin

LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
PEOPLE = ["Ada", "Alan", "Grace"]
WATCHED = "note://watched"

server = FastMCP("legacy", instructions="Waits.", host="127.0.0.1", port=int(sys.argv[1]))
cancelled = 0
levels = WeakKeyDictionary()


class Person(BaseModel):
    """What `ask` asks for."""

    name: str


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


@server.tool()
async def work(context: Context) -> str:
    """Reports progress three times."""
    for step in (1, 2, 3):
        await context.report_progress(step, 3)
    return "done"


@server.tool()
async def log(context: Context) -> str:
    """Logs a message of debug and one of warning, if they are wanted."""
    for level, message in (("debug", "quiet"), ("warning", "loud")):
        if LEVELS.index(level) >= levels.get(context.session, 0):
            await context.log(level, message)
    return "logged"


@server.tool()
async def ask(context: Context) -> str:
    """Asks the client's user, and tells what the answer was."""
    answer = await context.elicit("Who are you?", Person)
    return f"{answer.action} {answer.data.name}"


@server.tool()
async def sample(context: Context) -> str:
    """Asks the client's model, and tells what it said."""
    question = SamplingMessage(role="user", content=TextContent(type="text", text="The capital of France?"))
    said = await context.session.create_message([question], max_tokens=10)
    return said.content.text


@server.tool()
async def roots(context: Context) -> str:
    """Tells the client's roots."""
    listed = await context.session.list_roots()
    return ",".join(str(root.uri).rstrip("/") for root in listed.roots)


@server.tool()
async def touch(context: Context) -> str:
    """Announces a change of the watched resource."""
    await context.session.send_resource_updated(AnyUrl(WATCHED))
    return "touched"


@server.tool()
async def change(context: Context) -> str:
    """Announces a change of every list."""
    await context.session.send_tool_list_changed()
    await context.session.send_prompt_list_changed()
    await context.session.send_resource_list_changed()
    return "changed"


@server.prompt()
def greet(name: str) -> str:
    """Greets somebody."""
    return f"Say hello to {name}."


@server.resource("note://welcome")
def welcome() -> str:
    """A note."""
    return "Welcome."


@server.resource(WATCHED)
def watched() -> str:
    """A note."""
    return "Look here."


@server.resource("note://about/{topic}")
def about(topic: str) -> str:
    """A note."""
    return f"All about {topic}."


@server.completion()
async def complete(_reference, argument, _context) -> Completion:
    """Completes names of people."""
    return Completion(values=[person for person in PEOPLE if person.startswith(argument.value)])


# The class offers nothing for what follows; what it is made of does.
low = server._mcp_server


@low.set_logging_level()
async def set_level(level) -> None:
    """Notes the level of one MCP session."""
    levels[low.request_context.session] = LEVELS.index(level)


@low.subscribe_resource()
async def subscribe(_uri) -> None:
    """Anybody may."""


@low.unsubscribe_resource()
async def unsubscribe(_uri) -> None:
    """Anybody may."""


def initialization_options():
    """Says that lists change, and that resources can be subscribed to."""
    options = type(low).create_initialization_options(low, NotificationOptions(True, True, True))
    options.capabilities.resources.subscribe = True
    return options


low.create_initialization_options = initialization_options
end_with_stdin()
server.run("streamable-http")
