"""The customers' own tools, over HTTP and MCP."""
