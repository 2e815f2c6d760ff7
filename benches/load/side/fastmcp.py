"""FastMCP in front of the backends given as NAME=URL, listening on the HOST:PORT given first."""

import sys

from fastmcp import FastMCP
from fastmcp.server import create_proxy

host, port = sys.argv[1].split(":")
server = FastMCP("load")
for backend in sys.argv[2:]:
    name, url = backend.split("=", 1)
    server.mount(create_proxy(url), namespace=name)
server.run(transport="http", host=host, port=int(port), path="/mcp", show_banner=False)
