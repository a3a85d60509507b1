"""Ethereum's JSON-RPC as it stands on the wire: replies, their fields, exact quantities."""
