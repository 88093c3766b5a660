#!/usr/bin/env python3
"""Prints the heartbeats of a CloudAI cluster as they come, and connects again whenever the connection ends.

Python's standard library is all it needs.

    telemetry.py                                    all workers of the master on this machine
    telemetry.py --worker w1 --url https://master.example:8443 --ca ca.pem

The cluster's token, if it has one, is taken from the environment: CLOUDAI_TOKEN.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import socket
import ssl
import struct
import sys
import time
import urllib.parse

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
# The master pings every 20 s: whoever is silent for longer than this is gone.
SILENCE_S = 45


class Refused(Exception):
    """The master has answered, and another try would get the same answer."""


class WebSocket:
    """A client's side of RFC 6455, as far as telemetry needs it."""

    def __init__(self, url, token, ca):
        parts = urllib.parse.urlsplit(url)
        secure = parts.scheme in ("https", "wss")
        port = parts.port or (443 if secure else 80)
        self.socket = socket.create_connection((parts.hostname, port), timeout=10)
        if secure:
            context = ssl.create_default_context(cafile=ca)
            self.socket = context.wrap_socket(self.socket, server_hostname=parts.hostname)
        self.socket.settimeout(SILENCE_S)
        self.stream = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        ]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = self.stream.readline().decode("latin-1").strip()
        headers = {}
        while line := self.stream.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        code = status.split(" ")[1] if " " in status else ""
        if code != "101":
            body = self.stream.read(int(headers.get("content-length", 0))).decode(errors="replace")
            # 5xx, or no answer at all, may be better next time; 4xx won't.
            raise (Refused if code.startswith("4") else ConnectionError)(f"{status}: {body}")
        expected = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        if headers.get("sec-websocket-accept") != base64.b64encode(expected).decode():
            raise ConnectionError("the other side does not speak WebSocket")

    def read(self, count):
        data = self.stream.read(count)
        if len(data) < count:
            raise ConnectionError("the connection has ended")
        return data

    def send(self, opcode, payload):
        # What a client sends is masked, and what is sent here is short.
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    def messages(self):
        """Every text message; ends when the master closes."""
        text = b""
        while True:
            first, length = self.read(2)
            final, opcode, length = first & 0x80, first & 0x0F, length & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", self.read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self.read(8))
            payload = self.read(length)
            if opcode == PING:
                self.send(PONG, payload)
            elif opcode == CLOSE:
                self.send(CLOSE, payload)
                return
            elif opcode in (0, TEXT):
                text += payload
                if final:
                    yield text.decode()
                    text = b""

    def close(self):
        self.socket.close()


def show(beat):
    state = "active" if beat["is_active"] else "silent"
    print(
        f"{time.strftime('%H:%M:%S')}  {beat['worker_id']:<16}  {state}  "
        f"cpu {beat['cpu_usage']:5.1f}%  memory {beat['memory_usage']:5.1f}%  gpu {beat['gpu_usage']:5.1f}%  "
        f"{len(beat['running_tasks'])} tasks",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the master's HTTP address")
    parser.add_argument("--worker", help="only this worker")
    parser.add_argument("--ca", help="certificates (PEM) that the master's is checked against")
    parser.add_argument("--json", action="store_true", help="print the messages as they are")
    arguments = parser.parse_args()
    url = arguments.url.rstrip("/") + "/ws/telemetry"
    if arguments.worker:
        url += "/" + urllib.parse.quote(arguments.worker, safe="")
    pause = 0.5
    while True:
        try:
            connection = WebSocket(url, os.environ.get("CLOUDAI_TOKEN"), arguments.ca)
            print(f"connected to {url}", file=sys.stderr)
            try:
                for message in connection.messages():
                    pause = 0.5
                    if arguments.json:
                        print(message, flush=True)
                    else:
                        show(json.loads(message))
            finally:
                connection.close()
            problem = "the master has closed the connection"
        except Refused as error:
            sys.exit(f"error: {error}")
        except ssl.SSLCertVerificationError as error:
            sys.exit(f"error: the master's certificate: {error.verify_message}")
        except (OSError, ValueError) as error:
            problem = str(error)
        # Many clients of one master are not to come back all at once.
        wait = pause * random.uniform(0.5, 1.5)
        print(f"{problem}; trying again in {wait:.1f} s", file=sys.stderr)
        time.sleep(wait)
        pause = min(pause * 2, 30)


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        pass
