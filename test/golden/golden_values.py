"""What the scripts of golden values share: noise that a test can repeat without a file, numbers as text, the file beside the script."""
import json
import pathlib

import numpy as np
import torch


def noise(salt, shape, scale=1.0):
    """sin of 12.9898 (salt + 1) + 78.233 (i + 1), rounded to float32 as the runtime sees it, as float64"""
    n = int(np.prod(shape))
    values = np.sin(12.9898 * (salt + 1) + 78.233 * (np.arange(n) + 1)) * scale
    return torch.tensor(values.astype(np.float32).astype(np.float64).reshape(shape))


def flat(t, digits=7):
    """elements in their order, rounded to significant digits"""
    return [float(f"{v:.{digits}g}") for v in t.detach().reshape(-1).tolist()]


def save(script, golden, **layout):
    """writes the JSON file of the script's name; layout: arguments of json.dumps, by default without spaces"""
    path = pathlib.Path(script).with_suffix(".json")
    path.write_text(json.dumps(golden, **(layout or {"separators": (",", ":")})) + "\n")
    print(f"wrote {path.name}, torch {torch.__version__}")
