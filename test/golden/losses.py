"""Golden values of the losses from PyTorch, or from the formula written out: /usr/bin/python3 test/golden/losses.py

Writes losses.json beside this file: for each case the predictions, the targets, the losses of the examples where they have their own, the
scalar loss and its gradient. Computed in float64 on inputs that float32 holds exactly.
"""
import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def noise(salt, shape, scale=1.0):
    """sin of 12.9898 (salt + 1) + 78.233 (i + 1), rounded to float32 as the runtime sees it"""
    n = int(np.prod(shape))
    values = np.sin(12.9898 * (salt + 1) + 78.233 * (np.arange(n) + 1)) * scale
    return torch.tensor(values.astype(np.float32).astype(np.float64).reshape(shape))


def flat(t):
    return [float(f"{v:.8g}") for v in t.detach().reshape(-1).tolist()]


cases = {}


def case(name, p, t, f, each=True):
    """f(p, t) -> losses [batch] whose mean is the loss, or the loss"""
    p = p.float().double().requires_grad_()
    found = f(p, t)
    value = found.mean()
    (gradient,) = torch.autograd.grad(value, p)
    assert torch.isfinite(gradient).all(), name
    cases[name] = {
        "p": [float(np.float32(v)) for v in p.detach().reshape(-1).tolist()], "shape": list(p.shape),
        "t": t.reshape(-1).tolist(), "targetShape": list(t.shape), "targetType": "float32" if t.is_floating_point() else "int32",
        "value": float(value), "gradient": flat(gradient),
        **({"each": flat(found)} if each and found.dim() == 1 else {}),
    }


# CTC: torch.nn.functional.ctc_loss
def ctc(p, t, blank=0, lengths=None):
    labels = t.clone()
    n = (labels >= 0).sum(1)
    inputs = torch.full((len(p),), p.shape[1]) if lengths is None else torch.tensor(lengths)
    logp = F.log_softmax(p, -1).transpose(0, 1)
    return F.ctc_loss(logp, labels.clamp(min=0), inputs, n, blank=blank, reduction="none", zero_infinity=True)


rows = torch.tensor([[1, 2, 3, -1], [2, 2, -1, -1], [-1, -1, -1, -1], [1, 1, 2, 2]])
case("ctc", noise(1, (4, 9, 5), 3), rows, ctc)
case("ctc, blank 4", noise(2, (3, 6, 5), 3), torch.tensor([[0, 0, 1], [3, -1, -1], [2, 0, 2]]), lambda p, t: ctc(p, t, 4))
case("ctc, as short as can be", noise(3, (2, 3, 4), 2), torch.tensor([[1, 2, 3], [2, 2, -1]]), ctc)
case("ctc, impossible", noise(4, (3, 3, 4), 2), torch.tensor([[1, 2, 3], [2, 2, 1], [1, -1, -1]]), ctc)
case("ctc, far logits", noise(5, (2, 7, 5), 1e4), torch.tensor([[1, 2, 3], [4, 4, -1]]), ctc)
case("ctc, one step", noise(6, (2, 1, 3), 2), torch.tensor([[1], [-1]]), ctc)
lengths = [8, 5, 3, 1]
labelled = torch.cat([torch.tensor(lengths)[:, None], torch.tensor([[1, 2, 3], [2, 2, -1], [3, -1, -1], [-1, -1, -1]])], 1)
case("ctc, input lengths", noise(7, (4, 8, 4), 3), labelled, lambda p, t: ctc(p, t[:, 1:], 0, lengths))

pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(cases) + "\n")
print(len(cases), "cases")
