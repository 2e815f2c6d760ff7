"""Ends a server with the test that started it: a test that is killed closes our stdin without saying goodbye."""

import os
import sys
import threading


def end_with_stdin() -> None:
    """Watches stdin and ends the process when it ends."""

    def watch() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
