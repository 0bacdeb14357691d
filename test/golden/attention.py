"""Golden values of attention and transformer blocks from PyTorch: /usr/bin/python3 test/golden/attention.py

Writes attention.json beside this file. Computed in float64 by torch.nn.MultiheadAttention and TransformerEncoderLayer, or by the formula, whose
weights are Quern's kernels turned: there [out, in], here [in, out]. Inputs and weights are `noise` of a salt, as in golden_values.py; the gradients
are those of sum(w * y) with w = noise(90).
"""
import torch
import torch.nn.functional as F
from torch import nn

from golden_values import flat, noise, save

torch.set_default_dtype(torch.float64)

cases = {}


def case(name, module, paths, inputs, forward):
    """paths: {ours: theirs}; weight i is noise(i + 1) / 2 in our shape, an input noise(100 + i)"""
    weights, theirs = {}, dict(module.named_parameters())
    for i, (ours, path) in enumerate(paths.items()):
        parameter = theirs[path]
        turned = parameter.dim() == 2
        value = noise(i + 1, tuple(reversed(parameter.shape)), 0.5)
        with torch.no_grad():
            parameter.copy_(value.T if turned else value)
        weights[ours] = (parameter, turned)
    assert len(paths) == len(theirs), sorted(theirs)
    xs = [noise(100 + i, shape, 1.0).requires_grad_() for i, shape in enumerate(inputs)]
    y = forward(module, *xs)
    (y * noise(90, y.shape)).sum().backward()
    cases[name] = {
        "y": flat(y), "dx": [flat(x.grad) for x in xs],
        "gradients": {ours: flat(p.grad.T if turned else p.grad) for ours, (p, turned) in weights.items()},
    }


def attention(**options):
    return nn.MultiheadAttention(6, 2, batch_first=True, **options)


def causal(n):
    return torch.triu(torch.full((n, n), float("-inf")), 1)


own = {"queryKeyValue/kernel": "in_proj_weight", "queryKeyValue/bias": "in_proj_bias", "output/kernel": "out_proj.weight", "output/bias": "out_proj.bias"}
case("self", attention(), own, [(2, 4, 6)], lambda m, x: m(x, x, x)[0])
case("causal", attention(), own, [(2, 4, 6)], lambda m, x: m(x, x, x, attn_mask=causal(4))[0])
apart = {"query/kernel": "q_proj_weight", "key/kernel": "k_proj_weight", "value/kernel": "v_proj_weight", "output/kernel": "out_proj.weight"}
case("cross", attention(bias=False, kdim=7, vdim=5), apart, [(2, 4, 6), (2, 3, 5), (2, 3, 7)], lambda m, x, v, k: m(x, k, v)[0])


def part(ours, theirs):
    return {f"{ours}/{a}": f"{theirs}.{b}" for a, b in own.items()}


def norm(ours, theirs):
    return {f"{ours}Normalization/gamma": f"{theirs}.weight", f"{ours}Normalization/beta": f"{theirs}.bias"}


def linear(ours, theirs):
    return {f"{ours}/kernel": f"{theirs}.weight", f"{ours}/bias": f"{theirs}.bias"}


feed = linear("up", "linear1") | linear("down", "linear2")
block = dict(dropout=0.0, batch_first=True, dim_feedforward=8)
case("encoder", nn.TransformerEncoderLayer(6, 2, activation="gelu", norm_first=True, **block),
     norm("attention", "norm1") | part("attention", "self_attn") | norm("feedForward", "norm2") | feed, [(2, 4, 6)], lambda m, x: m(x))
case("encoder, normalised last, relu", nn.TransformerEncoderLayer(6, 2, activation="relu", **block),
     part("attention", "self_attn") | norm("attention", "norm1") | feed | norm("feedForward", "norm2"), [(2, 4, 6)], lambda m, x: m(x))
case("decoder block of a GPT", nn.TransformerEncoderLayer(6, 2, activation="gelu", norm_first=True, **block),
     norm("attention", "norm1") | part("attention", "self_attn") | norm("feedForward", "norm2") | feed, [(2, 4, 6)], lambda m, x: m(x, causal(4)))


def written(name, shapes, inputs, forward):
    """What PyTorch has no module for, as a formula: weight i is noise(i + 1) / 2"""
    xs = [noise(100 + i, shape, 1.0).requires_grad_() for i, shape in enumerate(inputs)]
    values = {path: noise(i + 1, shape, 0.5).requires_grad_() for i, (path, shape) in enumerate(shapes.items())}
    y = forward(values, *xs)
    (y * noise(90, y.shape)).sum().backward()
    cases[name] = {"y": flat(y), "dx": [flat(x.grad) for x in xs], "gradients": {path: flat(v.grad) for path, v in values.items()}}


def heads(x, count):
    return x.view(*x.shape[:2], count, -1).transpose(1, 2)


def joined(x):
    return x.transpose(1, 2).flatten(2)


def attend(q, k, v, mask=0.0):
    return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5 + mask, -1) @ v


def rotated(x):
    """the pair of features (i, i + size / 2) at position p turned by p / 10000^(2 i / size), as complex numbers"""
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[-2])[:, None] / 10000 ** (torch.arange(half) / half)
    turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], -1)


def grouped(w, x):
    q, k, v = (x @ w["queryKeyValue/kernel"]).split([8, 4, 4], -1)
    k, v = (heads(t, 2).repeat_interleave(2, 1) for t in (k, v))
    return joined(attend(rotated(heads(q, 4)), rotated(k), v, causal(4))) @ w["output/kernel"]


def swiglu_decoder(w, x, memory):
    normal = lambda at, h: F.layer_norm(h, (6,), w[f"{at}Normalization/gamma"], w[f"{at}Normalization/beta"], 1e-5)
    q, k, v = (heads(t, 2) for t in (x @ w["attention/queryKeyValue/kernel"]).split(6, -1))
    x = normal("attention", x + joined(attend(q, k, v, causal(4))) @ w["attention/output/kernel"])
    k, v = (heads(t, 2) for t in (memory @ w["crossAttention/keyValue/kernel"]).split(6, -1))
    crossed = joined(attend(heads(x @ w["crossAttention/query/kernel"], 2), k, v))
    x = normal("crossAttention", x + crossed @ w["crossAttention/output/kernel"])
    return normal("feedForward", x + (F.silu(x @ w["gate/kernel"]) * (x @ w["up/kernel"])) @ w["down/kernel"])


both = lambda at: {f"{at}Normalization/gamma": (6,), f"{at}Normalization/beta": (6,)}
written("causal, rotary, grouped", {"queryKeyValue/kernel": (6, 16), "output/kernel": (8, 6)}, [(2, 4, 6)], grouped)
written("decoder with an encoder, normalised last, SwiGLU", {
    "attention/queryKeyValue/kernel": (6, 18), "attention/output/kernel": (6, 6), **both("attention"),
    "crossAttention/query/kernel": (6, 6), "crossAttention/keyValue/kernel": (5, 12), "crossAttention/output/kernel": (6, 6), **both("crossAttention"),
    "up/kernel": (6, 8), "gate/kernel": (6, 8), "down/kernel": (8, 6), **both("feedForward")}, [(2, 4, 6), (2, 3, 5)], swiglu_decoder)
written("learned positions", {"positions": (4, 6)}, [(2, 4, 6)], lambda w, x: x + w["positions"])
written("groupNormalization", {"gamma": (4,), "beta": (4,)}, [(2, 4, 3, 2)], lambda w, x: F.group_norm(x, 2, w["gamma"], w["beta"], 1e-3))
written("rmsNormalization", {"gamma": (6,)}, [(2, 4, 6)], lambda w, x: x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * w["gamma"])

golden = {"torch": torch.__version__, "cases": cases}
save(__file__, golden)
