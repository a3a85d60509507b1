"""A node of a chain over JSON-RPC: HTTP and websocket."""
