"""One session and one read, in as few bytes as the protocol allows: when does a starting server first answer?"""

import select
import socket
import struct
import time

RETRY_S = 0.001
# A starting Apache server may accept a connection and never answer on it. So an unanswered try is joined by another
# after this long, then ever later, and the first one that is answered counts.
JOIN_AFTER_S = 0.01
JOIN_GROWTH = 1.3
TRIES_AT_ONCE_MAX = 16
READ_TIMEOUT_S = 10
SESSION_TIMEOUT_MS = 30_000
OP_GET_DATA = 4
OP_CLOSE_SESSION = -11


def first_read(port, path, deadline, check=lambda: None):
    """Tries until a getData of `path` succeeds; the monotonic time at which its reply was there.

    `check` is called before each try and may raise. TimeoutError at `deadline` (monotonic).
    """
    tries, patience = [], JOIN_AFTER_S
    try:
        while time.monotonic() < deadline:
            check()
            started = try_session(port)
            if started:
                tries.append(started)
            readable, _, _ = select.select(tries, [], [], patience if started else RETRY_S)
            if started and not readable:
                patience *= JOIN_GROWTH
            for connection in readable:
                tries.remove(connection)
                with connection:
                    try:
                        return _read(connection, path)
                    except (OSError, EOFError):
                        pass
            if readable:
                time.sleep(RETRY_S)
            while len(tries) >= TRIES_AT_ONCE_MAX:
                tries.pop(0).close()
        raise TimeoutError
    finally:
        for connection in tries:
            connection.close()


def try_session(port):
    """A connection with a ConnectRequest on its way, or None."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), READ_TIMEOUT_S)
    except OSError:
        return None
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(connect_request())
        return connection
    except OSError:
        connection.close()
        return None


def _read(connection, path):
    """Finishes the handshake, reads the znode, closes the session; when the read was answered."""
    hello = _receive_frame(connection)
    if struct.unpack_from(">i", hello, 4)[0] <= 0:
        raise EOFError("session refused")
    connection.sendall(frame(struct.pack(">iii", 1, OP_GET_DATA, len(path)) + path + b"\0"))
    reply = _receive_frame(connection)
    answered = time.monotonic()
    xid, _zxid, err = struct.unpack_from(">iqi", reply)
    if xid != 1 or err != 0:
        raise EOFError(f"getData {path.decode()}: xid {xid}, error {err}")
    connection.sendall(frame(struct.pack(">ii", 2, OP_CLOSE_SESSION)))
    _receive_frame(connection)
    return answered


def connect_request():
    return frame(struct.pack(">iqiqi", 0, 0, SESSION_TIMEOUT_MS, 0, 16) + bytes(16) + b"\0")


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


def _receive_frame(connection):
    (length,) = struct.unpack(">i", _receive(connection, 4))
    if not 0 <= length <= 1 << 20:
        raise EOFError(f"a frame of {length} bytes")
    return _receive(connection, length)


def _receive(connection, count):
    received = bytearray()
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise EOFError("connection closed")
        received += part
    return bytes(received)
