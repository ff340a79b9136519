"""A real Asterisk in the root that ``.ci/asterisk`` builds, on free ports of 127.0.0.1, configured by the tests."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

import httpx

ROOT_VARIABLE = "AICALL_E2E_ASTERISK"
"""Environment variable with the root's path."""
ARI_USER, ARI_PASSWORD = "aicall", "ari-secret"
START_TIMEOUT_S = 60.0

_IN_ROOT = """
mount --bind /proc "$0/proc"
mount --bind /dev "$0/dev"
folder=$1
shift
exec chroot "$0" /bin/sh -c 'cd "$0"; exec "$@"' "$folder" "$@"
"""


def in_root(root: Path, folder: str, *command: str) -> list[str]:
    """Return the words that run a command in the root; what it mounts there goes away with it.

    Args:
        root: The root.
        folder: Working directory inside of it.
        command: Program and arguments.
    """
    # It ends with the tests, however they end.
    alone = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
    return [*alone, "sh", "-ceu", _IN_ROOT, str(root), folder, *command]


def free_udp_port() -> int:
    """Return a UDP port of 127.0.0.1 that nobody had a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Asterisk:
    """One Asterisk, for as many calls as wanted.

    Args:
        root: Where it is installed.
        http_port: TCP port of its HTTP server, with the REST interface.

    Attributes:
        sip_port: UDP port for SIP.
    """

    def __init__(self, root: Path, http_port: int) -> None:
        self.root = root
        self.folder = Path(tempfile.mkdtemp(prefix="aicall-e2e-", dir=root / "var" / "lib"))
        self.folder.chmod(0o755)
        self.inside = f"/{self.folder.relative_to(root)}"
        self.sip_port = free_udp_port()
        self.http_port = http_port
        self._process: asyncio.subprocess.Process | None = None

    def configure(self, files: Mapping[str, str]) -> None:
        """Write configuration files; whole ones, over those that it has already."""
        for name, text in files.items():
            (self.folder / name).write_text(text)

    async def start(self) -> None:
        """Start it, and wait until it has booted."""
        for name in ("run", "log", "spool", "db"):
            (self.folder / name).mkdir(exist_ok=True)
        self.configure(self._own_files())
        # As root: a process that changes its user would outlive the tests.
        words = ("/usr/sbin/asterisk", "-f", "-n", "-C", f"{self.inside}/asterisk.conf")
        command = in_root(self.root, self.inside, *words)
        with (self.folder / "output").open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        try:
            async with asyncio.timeout(START_TIMEOUT_S), self.ari() as ari:
                while not await self._booted(ari):
                    assert self._process.returncode is None, self.log()
                    await asyncio.sleep(0.2)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it and delete its files."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ari(self) -> httpx.AsyncClient:
        """A client of its REST interface."""
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.http_port}/ari/", auth=(ARI_USER, ARI_PASSWORD), trust_env=False
        )

    async def console(self, command: str) -> str:
        """Run a command of its console and return what it prints."""
        words = ("/usr/sbin/asterisk", "-C", f"{self.inside}/asterisk.conf", "-rx", command)
        process = await asyncio.create_subprocess_exec(
            *in_root(self.root, self.inside, *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(START_TIMEOUT_S):
            output, _ = await process.communicate()
        return output.decode(errors="replace")

    def log(self) -> str:
        """The end of what it wrote."""
        texts = [
            path.read_text(errors="replace")
            for path in (self.folder / "output", self.folder / "log" / "full")
            if path.exists()
        ]
        return "\n".join(text[-8_000:] for text in texts)

    async def _booted(self, ari: httpx.AsyncClient) -> bool:
        try:
            response = await ari.get("asterisk/ping")
        except httpx.TransportError:
            return False
        if response.status_code != 200:
            return False
        await self.console("core waitfullybooted")
        return True

    def _own_files(self) -> dict[str, str]:
        # Ten calls at the same time need twenty ports, each pair even and odd.
        rtp = free_udp_port() & ~1
        rtp = min(max(rtp, 20_000), 64_000)
        return {
            "asterisk.conf": f"""
[directories]
astetcdir => {self.inside}
astrundir => {self.inside}/run
astlogdir => {self.inside}/log
astspooldir => {self.inside}/spool
astdbdir => {self.inside}/db
""",
            "modules.conf": """
[modules]
autoload=yes
noload=chan_dahdi.so
noload=chan_iax2.so
noload=chan_mgcp.so
noload=chan_skinny.so
noload=chan_unistim.so
noload=chan_ooh323.so
noload=chan_console.so
noload=res_phoneprov.so
noload=res_hep.so
noload=pbx_dundi.so
noload=cdr_radius.so
noload=cel_radius.so
""",
            "logger.conf": "[logfiles]\nfull => notice,warning,error,verbose(3),dtmf\n",
            "rtp.conf": f"[general]\nrtpstart={rtp}\nrtpend={rtp + 400}\nstrictrtp=no\n",
            "http.conf": f"[general]\nenabled=yes\nbindaddr=127.0.0.1\nbindport={self.http_port}\n",
            "ari.conf": f"""
[general]
enabled=yes
[{ARI_USER}]
type=user
read_only=no
password={ARI_PASSWORD}
""",
            "pjsip.conf": f"""
[udp]
type=transport
protocol=udp
bind=127.0.0.1:{self.sip_port}
[anonymous]
type=endpoint
context=from-sip
disallow=all
allow=ulaw
direct_media=no
dtmf_mode=rfc4733
""",
        }
