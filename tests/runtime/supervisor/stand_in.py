"""A worker without a server: it says what workers say, and answers every request with its number and pid.

``python -m tests.runtime.supervisor.stand_in HOW CHANNEL``; HOW is ``well``, ``refuses`` (it ends at once, as with
wrong settings), or ``deaf-once`` (the first one reads nothing any more once it is ready).
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from runtime.supervisor.channel import Channel, Message

ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}"


class StandIn:
    def __init__(self, how: str, end: socket.socket) -> None:
        self.how = how
        self.end = end
        self.number = 0
        self.received = 0
        self.left = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.asked: dict[int, asyncio.Future[str]] = {}
        self.channel = Channel(end, self.hear, self.left.set)

    def hear(self, message: Message, carried: socket.socket | None) -> None:
        match message["is"]:
            case "begin":
                self.number = message["number"]
                mark = Path(message["given"]["data_dir"]) / "was-deaf"
                self.channel.send({"is": "ready"})
                if self.how == "deaf-once" and not mark.exists():
                    mark.touch()
                    asyncio.get_running_loop().remove_reader(self.end)
            case "connection" if carried is not None:
                self.received += 1
                self.tell()
                task = asyncio.create_task(self.answer(carried))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            case "read_metrics":
                text = f"# TYPE mine gauge\nmine {self.number}\n"
                self.channel.send({"is": "metrics", "id": message["id"], "text": text})
            case "all_metrics":
                self.asked.pop(message["id"]).set_result(message["text"])
            case "drain" | "retire":
                self.channel.send({"is": "drained"})
            case "leave" | "end":
                self.left.set()

    async def tell_on(self) -> None:
        while True:
            self.tell()
            await asyncio.sleep(0.2)

    def tell(self) -> None:
        self.channel.send({"is": "load", "calls": 0, "free": None, "undecided": 0, "received": self.received})

    async def answer(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        request = await reader.readuntil(b"\r\n\r\n")
        text = f"{self.number} {os.getpid()}"
        if request.startswith(b"GET /metrics"):
            asked = self.asked[self.received] = asyncio.get_running_loop().create_future()
            self.channel.send({"is": "scrape", "id": self.received})
            text = await asked
        writer.write(ANSWER.format(len(text), text).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def main() -> int:
    how, descriptor = sys.argv[1:]
    if how == "refuses":
        return 2
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
    stand_in = StandIn(how, socket.socket(fileno=int(descriptor)))
    telling = asyncio.create_task(stand_in.tell_on())
    await stand_in.left.wait()
    telling.cancel()
    if stand_in.tasks:
        await asyncio.wait(stand_in.tasks)
    stand_in.channel.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
