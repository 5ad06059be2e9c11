"""Where a model is computed, and how libraries behave meanwhile."""

# mypy: allow-untyped-calls

from __future__ import annotations

import os
import warnings

import torch
import transformers


def choose_device(number: int = 0, processes: int = 1) -> torch.device:
    """The GPU of that number where there are some, else the processor, of which as many processes get a share each.

    Libraries are told to be quiet and to leave cores to others.
    """
    # The log is read by people who launched a trainer; what libraries deprecate is no concern of theirs.
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    torch.set_float32_matmul_precision("high")
    if torch.cuda.is_available():
        torch.cuda.set_device(number)
        return torch.device("cuda", number)
    # Half the cores: several trainers and the dashboard itself share the machine.
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2 // processes))
    return torch.device("cpu")
