"""A thread that waits for an answer is let go when its leash is cut, and nobody else is."""

import socket
import threading

from adapters.store.leash import Leash


def test_a_waiting_thread_is_let_go() -> None:
    ours, theirs = socket.socketpair()
    leash, waits, got = Leash(), threading.Event(), []

    def wait() -> None:
        with leash.on(ours.fileno()):
            waits.set()
            got.append(ours.recv(1))

    thread = threading.Thread(target=wait)
    with ours, theirs:
        thread.start()
        waits.wait(20)
        leash.cut()
        thread.join(20)
        assert got == [b""]
        assert leash.is_cut


def test_a_leash_that_is_cut_ends_what_comes_later() -> None:
    ours, theirs = socket.socketpair()
    leash = Leash()
    leash.cut()
    with ours, theirs, leash.on(ours.fileno()):
        assert ours.recv(1) == b""


def test_a_connection_off_the_leash_is_not_cut() -> None:
    ours, theirs = socket.socketpair()
    leash = Leash()
    with ours, theirs:
        with leash.on(ours.fileno()):
            theirs.send(b"1")
            assert ours.recv(1) == b"1"
        leash.cut()
        theirs.send(b"2")
        assert ours.recv(1) == b"2"


def test_a_connection_that_has_ended_by_itself_may_be_cut() -> None:
    ours, theirs = socket.socketpair()
    leash = Leash()
    with theirs, leash.on(ours.fileno()):
        ours.shutdown(socket.SHUT_RDWR)
        ours.close()
        leash.cut()
