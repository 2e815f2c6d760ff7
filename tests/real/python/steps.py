"""How a test drives a client: one step a line on stdin, one line of JSON about it on stdout."""

import json
import sys
import time

import anyio


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
                if name == "close":
                    break
                try:
                    say({"ok": await steps[name](client, **given)})
                except Exception as error:
                    say({"error": describe(error)})
    except Exception as error:
        say({"error": describe(error)})
    else:
        say({"ok": {}})


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
        seen = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {"result": seen, "progress": progress}
    return {"cancelled": True, "progress": progress}
