"""The process: command line, HTTP API, media sockets, the per-call worker, the replay harness."""
