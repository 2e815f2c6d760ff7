"""
How a test drives a client: one step a line on stdin, one line of JSON about it on stdout. What the clients have in
common stands here, so that each says only how its SDK is called.
"""

import json
import sys
import time

import anyio

# What a client answers to every question of a server.
PERSON = {"name": "Ada"}
SAMPLED = {"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "a-model"}
ROOTS = [{"uri": "file:///work", "name": "work"}]


def leaf(error: BaseException) -> BaseException:
    """The error that tells something: task groups wrap it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def describe(error: BaseException) -> dict:
    """An error as a test wants to see it: both SDKs keep JSON-RPC's code, message and details in `error`."""
    error = leaf(error)
    inner = getattr(error, "error", None)
    return {
        "name": type(error).__name__,
        "code": getattr(inner, "code", None),
        "message": getattr(inner, "message", str(error)),
        "data": getattr(inner, "data", None),
    }


def say(seen: dict) -> None:
    """Writes one line."""
    print(json.dumps(seen), flush=True)


def plain(model) -> dict:
    """A model as it was on the wire."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class Hearing:
    """The notifications that came, until a test asks for them."""

    def __init__(self) -> None:
        self.came = []
        self.changed = anyio.Event()

    async def note(self, message) -> None:
        """Takes whatever a client hears; the SDK 1 wraps it."""
        message = getattr(message, "root", message)
        method = getattr(message, "method", "")
        if method.startswith("notifications/"):
            params = plain(message.params) if message.params else {}
            self.came.append((method, params))
            self.changed.set()
            self.changed = anyio.Event()

    async def heard(self, _client, method) -> dict:
        """Takes the first that has this method, now or later."""
        while True:
            for index, (name, params) in enumerate(self.came):
                if name == method:
                    del self.came[index]
                    return {"params": params}
            await self.changed.wait()


async def pages(list_page, kind: str) -> list:
    """Walks all pages."""
    everything, cursor = [], None
    while True:
        page = await list_page(cursor)
        everything.extend(getattr(page, kind))
        cursor = getattr(page, "nextCursor", None) or getattr(page, "next_cursor", None)
        if not cursor:
            return everything


async def perform(connecting, steps) -> None:
    """Enters `connecting` at the step `connect`, then performs each step with what it yielded, until stdin ends."""

    async def next_step() -> dict | None:
        line = await anyio.to_thread.run_sync(sys.stdin.readline)
        return json.loads(line) if line else None

    await next_step()
    try:
        async with connecting as (client, opened):
            say({"ok": opened})
            while given := await next_step():
                name = given.pop("step")
                try:
                    say({"ok": await steps[name](client, **given) or {}})
                except Exception as error:
                    say({"error": describe(error)})
    except Exception as error:
        say({"error": describe(error)})


async def call_tool(send, tool, arguments=None, watch=False, cancelAtProgress=False) -> dict:
    """
    Calls a tool through `send(tool, arguments, **options)`. With `watch` it asks for progress and notes when each
    came; with `cancelAtProgress` it gives the call up at the first one.
    """
    begun = time.monotonic()
    progress = []
    with anyio.CancelScope() as scope:

        async def on_progress(done, total, _message) -> None:
            progress.append({"progress": done, "total": total, "atMs": round((time.monotonic() - begun) * 1000)})
            if cancelAtProgress:
                scope.cancel()

        options = {"progress_callback": on_progress} if watch or cancelAtProgress else {}
        result = await send(tool, arguments, **options)
        return {"result": plain(result), "progress": progress}
    return {"cancelled": True, "progress": progress}
