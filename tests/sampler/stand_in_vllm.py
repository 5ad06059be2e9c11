"""Stands in for `vllm serve`: the routes that the sampler's vLLM engine uses, with answers that tell which weights they
are of. The shapes are those that a CPU build of vLLM 0.32 answered."""

from __future__ import annotations

import json
import os
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

WEIGHTS = {"base": sys.argv[1]}
"""By the name that a server knows them by: where they were loaded from."""
SLOW_TOKENS = 40
DEADLY = [13, 13, 13]
"""A prompt at which it ends, as vLLM's server does once its engine broke."""


def logprob(folder: str, token: int) -> float:
    """One that depends on the weights and the token."""
    return -(len(Path(folder).name) + token / 1000)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "socket"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.tell({})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/v1/completions":
            self.complete(body)
        elif self.path == "/v1/load_lora_adapter":
            WEIGHTS[body["lora_name"]] = body["lora_path"]
            self.tell({})
        elif self.path == "/v1/unload_lora_adapter":
            del WEIGHTS[body["lora_name"]]
            self.tell({})
        elif self.path == "/collective_rpc":
            folder = Path(body["kwargs"]["weights_path"])
            WEIGHTS["base"] = str(folder)
            self.tell({}, 500 if (folder / "bad").exists() else 200)
        else:
            self.tell({})

    def complete(self, body: dict[str, Any]) -> None:
        model = body["model"]
        if model not in WEIGHTS:
            self.tell({"error": {"message": f"The model `{model}` does not exist."}}, 404)
            return
        folder = WEIGHTS[model]
        if body["prompt"] == DEADLY:
            os._exit(1)
        if not body.get("stream"):
            likeliest = {"9": {"logprob": -0.5}}
            told = [{str(each): {"logprob": logprob(folder, each)}} | likeliest for each in body["prompt"][1:]]
            self.tell({"choices": [{"prompt_logprobs": [None, *told]}]})
            return
        self.send_response(200)
        self.send_header("connection", "close")
        self.end_headers()
        for place in range(body["max_tokens"]):
            token = 3 + place % 20
            rows = {
                "token_logprobs": [logprob(folder, token)],
                "top_logprobs": [{f"token_id:{token}": logprob(folder, token), "token_id:9": -0.5}],
            }
            part = {"choices": [{"text": "", "token_ids": [token], "logprobs": rows}]}
            self.wfile.write(f"data: {json.dumps(part)}\n\n".encode())
            self.wfile.flush()
            if body["max_tokens"] >= SLOW_TOKENS:
                time.sleep(0.01)
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def tell(self, value: Any, status: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    Server(sys.argv[sys.argv.index("--uds") + 1], Handler).serve_forever()
