"""Golden values of adapters from PyTorch: /usr/bin/python3 test/golden/adapters.py

Writes adapters.json beside this file. Computed in float64 from the formulas of the papers, with the shapes of PEFT: A [rank, in, ...window], B [out, rank, 1...].
Inputs and weights are `noise` of a salt, as in golden_values.py. The gradients are those of sum(noise(90) * y).
"""
import torch
import torch.nn.functional as F

from golden_values import flat, noise, save

torch.set_default_dtype(torch.float64)

cases = {}


def case(name, x, parameters, forward):
    """parameters: {path: tensor}; forward(x, *parameters) -> y"""
    if x.is_floating_point(): x.requires_grad_()
    for p in parameters.values(): p.requires_grad_()
    y = forward(x, *parameters.values())
    wanted = ([x] if x.is_floating_point() else []) + list(parameters.values())
    found = torch.autograd.grad((y * noise(90, y.shape)).sum(), wanted)
    cases[name] = {
        "y": flat(y), "shape": list(y.shape), "dx": flat(found[0]) if x.is_floating_point() else None,
        "gradients": dict(zip(parameters, map(flat, found[-len(parameters):]))),
    }


def low_rank(rank, into, out, window=()):
    ones = (1,) * len(window)
    return {"w/lora_A": noise(5, (rank, into, *window), 0.5), "w/lora_B": noise(6, (out, rank, *ones), 0.5)}


x, w = noise(100, (2, 3, 5)), noise(1, (5, 4), 0.5)
rank, alpha = 2, 3.0
case("product", x, low_rank(rank, 5, 4), lambda x, a, b: x @ w + alpha / rank * (x @ a.T) @ b.T)
case("rank stabilised", x, low_rank(rank, 5, 4), lambda x, a, b: x @ w + alpha / rank ** 0.5 * (x @ a.T) @ b.T)


def dora(x, a, b, m):
    change = alpha / rank * (b @ a).T
    lengths = torch.linalg.norm(w + change, dim=0).detach()
    return (m / lengths) * (x @ (w + change))


case("decomposed", x, {**low_rank(rank, 5, 4), "w/lora_magnitude": noise(7, (4,)) + 2}, dora)

flat_x, bias = noise(100, (3, 5)), noise(2, (4,), 0.5)
case("gemm", flat_x, low_rank(rank, 5, 4), lambda x, a, b: 0.5 * x @ (w + alpha / rank * (b @ a).T) + 2 * bias)
case("gemm, decomposed", noise(100, (3, 5)), {**low_rank(rank, 5, 4), "w/lora_magnitude": noise(7, (4,)) + 2},
     lambda x, a, b, m: 0.5 * dora(x, a, b, m) + 2 * bias)

picture, kernel = noise(100, (2, 3, 6, 5)), noise(1, (4, 3, 3, 2), 0.5)
two = dict(stride=2, padding=1, dilation=(1, 2))


def convolved(x, a, b):
    return F.conv2d(x, kernel, bias, **two) + alpha / rank * F.conv2d(F.conv2d(x, a, **two), b)


def convolved_dora(x, a, b, m):
    whole = kernel + alpha / rank * torch.einsum("ork,rc->oc", b.flatten(2), a.flatten(1)).view(kernel.shape)
    lengths = torch.linalg.norm(whole.flatten(1), dim=1).view(-1, 1, 1, 1).detach()
    return F.conv2d(x, whole / lengths, None, **two) * m.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)


case("convolution", picture, low_rank(rank, 3, 4, (3, 2)), convolved)
case("convolution, decomposed", noise(100, (2, 3, 6, 5)),
     {**low_rank(rank, 3, 4, (3, 2)), "w/lora_magnitude": noise(7, (4,)) + 2}, convolved_dora)
one = noise(1, (4, 3, 1, 1), 0.5)
case("convolution 1x1", noise(100, (2, 3, 4, 4)), low_rank(rank, 3, 4, (1, 1)),
     lambda x, a, b: F.conv2d(x, one) + alpha / rank * F.conv2d(F.conv2d(x, a), b))

rows = noise(1, (7, 4), 0.5)
ids = torch.tensor([[0, 6, 2], [2, 2, 5]])
case("lookup", ids, low_rank(rank, 7, 4), lambda i, a, b: rows[i] + alpha / rank * a.T[i] @ b.T)

# Attention with one packed projection, two heads
xs, packed, packed_bias = noise(100, (2, 3, 4), 0.5), noise(1, (4, 12), 0.5), noise(2, (12,), 0.5)


def attention(x, weight):
    heads = lambda t: t.view(2, 3, 2, 2).transpose(1, 2)
    q, k, v = map(heads, (x @ weight + packed_bias).split(4, 2))
    return ((q @ k.transpose(-2, -1)) / 2 ** 0.5).softmax(-1).matmul(v).transpose(1, 2).reshape(2, 3, 4)


case("fused attention", xs, low_rank(rank, 4, 12), lambda x, a, b: attention(x, packed + alpha / rank * (b @ a).T))

# Grouped and transposed convolutions, recurrent operators: W + s B A in the place of W, as the operator stores it
grouped_kernel = noise(1, (6, 2, 3, 2), 0.5)


def low_change(a, b, shape):
    return alpha / rank * (b.flatten(1) @ a.flatten(1)).view(shape)


case("convolution, groups", noise(100, (2, 4, 6, 5)), low_rank(rank, 2, 6, (3, 2)),
     lambda x, a, b: F.conv2d(x, grouped_kernel + low_change(a, b, grouped_kernel.shape), None, groups=2, **two))
upwards = dict(stride=2, padding=1)


def transposed(kernel, groups):
    into, out, *window = kernel.shape
    def forward(x, a, b, m=None):
        whole = kernel + low_change(a, b, (out, into, *window)).transpose(0, 1)
        if m is not None: whole = whole * (m / torch.linalg.norm(whole.transpose(0, 1).flatten(1), dim=1).detach()).view(1, -1, 1, 1)
        return F.conv_transpose2d(x, whole, groups=groups, **upwards)
    return forward


up = noise(1, (4, 3, 3, 2), 0.5)
case("transposed convolution", noise(100, (2, 4, 3, 4)), low_rank(rank, 4, 3, (3, 2)), transposed(up, 1))
case("transposed convolution, groups", noise(100, (2, 4, 3, 4)), low_rank(rank, 4, 3, (3, 2)), transposed(up, 2))
case("transposed convolution, decomposed", noise(100, (2, 4, 3, 4)),
     {**low_rank(rank, 4, 3, (3, 2)), "w/lora_magnitude": noise(7, (3,)) + 2}, transposed(up, 1))


def recurrent(gates, order):
    """both directions of 3 units over 5 steps; ONNX has the gates in another order than PyTorch"""
    w, r = noise(1, (2, gates * 3, 4), 0.5), noise(2, (2, gates * 3, 3), 0.5)
    places = torch.cat([torch.arange(3) + 3 * gate for gate in order])
    def forward(x, a, b, c, d):
        whole, inner = w + low_change(a, b, w.shape), r + low_change(c, d, r.shape)
        weights = [t[direction][places] for direction in (0, 1) for t in (whole, inner)]
        run = torch._VF.lstm if gates == 4 else torch._VF.gru
        state = torch.zeros(2, 2, 3)
        y = run(x, (state, state) if gates == 4 else state, weights, False, 1, 0.0, False, True, False)[0]
        return y.view(5, 2, 2, 3).transpose(1, 2)
    names = ("w", "r")
    sizes = ((5, 6, 4), (7, 8, 3))
    parameters = {}
    for name, (first, second, into) in zip(names, sizes):
        parameters[f"{name}/lora_A"] = noise(first, (rank, into), 0.5)
        parameters[f"{name}/lora_B"] = noise(second, (2 * gates * 3, rank), 0.5)
    return parameters, forward


case("LSTM", noise(100, (5, 2, 4)), *recurrent(4, (0, 2, 3, 1)))
case("GRU", noise(100, (5, 2, 4)), *recurrent(3, (1, 0, 2)))

l_out = {"w/ia3_l": noise(8, (4, 1)) + 1}
case("ia3", noise(100, (2, 3, 5)), l_out, lambda x, l: (x @ w + bias) * l.flatten())
case("ia3, input", noise(100, (2, 3, 5)), {"w/ia3_l": noise(8, (1, 5)) + 1}, lambda x, l: (x * l) @ w + bias)
case("ia3, convolution", noise(100, (2, 3, 6, 5)), {"w/ia3_l": noise(8, (1, 4, 1, 1)) + 1}, lambda x, l: F.conv2d(x, kernel, bias, **two) * l)

save(__file__, cases)
