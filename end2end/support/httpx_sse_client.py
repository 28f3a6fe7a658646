"""Reads one event stream to its end with httpx and httpx-sse, and goes on with Last-Event-ID whenever the connection breaks.

Called as `python httpx_sse_client.py URL` with KONTASKS_TOKEN in the environment; prints what it has read as JSON. It knows the
stream from its documentation only.
"""

import base64
import json
import os
import sys

import httpx
from httpx_sse import connect_sse


def read(url: str, token: str) -> dict:
    ids: list[str] = []
    output = bytearray()
    connections = 0
    with httpx.Client(timeout=30) as client:
        while True:
            connections += 1
            headers = {"Authorization": f"Bearer {token}"}
            if ids:
                headers["Last-Event-ID"] = ids[-1]
            try:
                with connect_sse(client, "GET", url, headers=headers) as source:
                    if source.response.status_code == 204:
                        break
                    source.response.raise_for_status()
                    for event in source.iter_sse():
                        if event.event in ("run", "output", "end"):
                            ids.append(event.id)
                        if event.event == "output":
                            data = json.loads(event.data)
                            raw = data.get("base64")
                            output += base64.b64decode(raw) if raw else data["text"].encode()
            except httpx.TransportError:
                pass
    return {"ids": ids, "output": base64.b64encode(output).decode(), "connections": connections}


if __name__ == "__main__":
    json.dump(read(sys.argv[1], os.environ["KONTASKS_TOKEN"]), sys.stdout)
