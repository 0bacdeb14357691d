"""Golden values of attention and transformer blocks from PyTorch: /usr/bin/python3 test/golden/attention.py

Writes attention.json beside this file. Computed in float64 by torch.nn.MultiheadAttention, TransformerEncoderLayer and TransformerDecoderLayer, whose
weights are Quern's kernels turned: there [out, in], here [in, out]. Inputs and weights are `noise` of a salt, as in golden_values.py; the gradients
are those of sum(w * y) with w = noise(90).
"""
import torch
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

golden = {"torch": torch.__version__, "cases": cases}
save(__file__, golden)
