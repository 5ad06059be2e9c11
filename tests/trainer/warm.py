"""Runs programs of this repository in processes that need no seconds for their imports: `warm.py CHANNEL`.

This process imports what they all need, computes nothing, and becomes each of them by a fork. CHANNEL is the descriptor
of a socket, from which it reads what to run, with two descriptors beside: the program's output, and where its process
number and then its exit code are written. It ends with the socket.
"""

# ruff: noqa: F401

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import sys
import traceback
from typing import NoReturn

# Read when the library is imported, so the programs set them too late here.
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import peft
import torch.distributed.checkpoint
import torch.distributed.fsdp
import transformers.models.qwen3.modeling_qwen3
import transformers.models.qwen3_moe.modeling_qwen3_moe
import uvicorn
from transformers import AutoModelForCausalLM, AutoTokenizer

MOST_BYTES = 128 * 1024


def main(channel: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # of whoever waits for a program nobody asks how it ended
    while True:
        content, descriptors, _, _ = socket.recv_fds(channel, MOST_BYTES, 2)
        if not content:
            return
        if os.fork() == 0:
            channel.close()
            _wait_for(json.loads(content), *descriptors)
        for each in descriptors:
            os.close(each)


def _wait_for(asked: dict[str, object], output: int, told: int) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()  # what ends the tests ends the program by its end of the pipe, and not this one before it
    if (process := os.fork()) == 0:
        os.close(told)
        _become(asked, output)
    os.close(output)
    os.write(told, f"{process}\n".encode())
    os.write(told, f"{os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])}\n".encode())
    os._exit(0)


def _become(asked: dict[str, object], output: int) -> NoReturn:
    os.setsid()
    for number in (1, 2):
        os.dup2(output, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.close(output)
    os.chdir(str(asked["folder"]))
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[arg-type, call-overload]
    sys.argv = [str(asked["module"]), *asked["arguments"]]  # type: ignore[misc]
    code: object = 1
    try:
        runpy.run_module(str(asked["module"]), run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
