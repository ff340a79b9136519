"""``aicall demo``: one real call through the real server, on the embedded default."""
