"""Golden values of recurrent layers and operators from PyTorch: /usr/bin/python3 test/golden/recurrent.py

Writes recurrent.json beside this file. Computed in float64. Inputs and weights are `noise` of a salt, as in golden_values.py; the gradients are
those of sum(w * y) with w = noise(90). Weights are stored as in ONNX (gates i, o, f, c and z, r, h); PyTorch has i, f, c, o
and r, z, h. GRU without resetAfter, which PyTorch lacks, is written out.
"""
import torch
from torch import _VF
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from golden_values import flat, noise, save

torch.set_default_dtype(torch.float64)


def gates(kind, w):
    """rows of ONNX' order in PyTorch's"""
    if kind == "LSTM":
        i, o, f, c = w.chunk(4)
        return torch.cat([i, f, c, o])
    if kind == "GRU":
        z, r, h = w.chunk(3)
        return torch.cat([r, z, h])
    return w


functions = {"RNN": _VF.rnn_tanh, "relu": _VF.rnn_relu, "LSTM": _VF.lstm, "GRU": _VF.gru}


def run(kind, x, w, r, b=None, rb=None):
    """all outputs [batch, time, units], in the order of time"""
    h0 = torch.zeros(1, x.shape[0], r.shape[1])
    zero = torch.zeros(w.shape[0])
    weights = [gates(kind, v) for v in (w, r, zero if b is None else b, zero if rb is None else rb)]
    state = (h0, h0) if kind == "LSTM" else h0
    return functions[kind](x, state, weights, True, 1, 0.0, True, False, True)[0]


def reset_first(x, w, r, b):
    h, outputs = torch.zeros(x.shape[0], r.shape[1]), []
    (wz, wr, wh), (rz, rr, rh), (bz, br, bh) = w.chunk(3), r.chunk(3), b.chunk(3)
    for t in range(x.shape[1]):
        z = torch.sigmoid(x[:, t] @ wz.T + h @ rz.T + bz)
        s = torch.sigmoid(x[:, t] @ wr.T + h @ rr.T + br)
        n = torch.tanh(x[:, t] @ wh.T + (s * h) @ rh.T + bh)
        h = (1 - z) * n + z * h
        outputs.append(h)
    return torch.stack(outputs, 1)


cases, operators = {}, {}
shape, features, units = (2, 4, 3), 3, 5


def case(name, parameters, forward):
    """parameters: {path: shape}; parameter i is noise(i + 1) / 2, the input noise(0) * 2"""
    x = noise(0, shape, 2.0).requires_grad_()
    values = [noise(i + 1, s, 0.5).requires_grad_() for i, s in enumerate(parameters.values())]
    y = forward(x, *values)
    gradients = torch.autograd.grad((y * noise(90, y.shape)).sum(), [x] + values)
    cases[name] = {"y": flat(y), "shape": list(y.shape), "dx": flat(gradients[0]), "gradients": dict(zip(parameters, map(flat, gradients[1:])))}


def weights(count, bias, prefix=""):
    rows = count * units
    out = {prefix + "kernel": (rows, features), prefix + "recurrentKernel": (rows, units)}
    return {**out, **({prefix + "bias": (2, rows) if bias == 2 else (rows,)} if bias else {})}


last, back = lambda y: y[:, -1], lambda x: x.flip(1)
case("simpleRNN", weights(1, 1), lambda x, w, r, b: last(run("RNN", x, w, r, b)))
case("simpleRNN relu, all outputs, no bias", weights(1, 0), lambda x, w, r: run("relu", x, w, r))
case("lstm", weights(4, 1), lambda x, w, r, b: last(run("LSTM", x, w, r, b)))
case("lstm, all outputs", weights(4, 1), lambda x, w, r, b: run("LSTM", x, w, r, b))
case("lstm backwards", weights(4, 1), lambda x, w, r, b: last(run("LSTM", back(x), w, r, b)))
case("lstm backwards, all outputs", weights(4, 1), lambda x, w, r, b: run("LSTM", back(x), w, r, b))
case("gru", weights(3, 2), lambda x, w, r, b: last(run("GRU", x, w, r, b[0], b[1])))
case("gru, all outputs, no bias", weights(3, 0), lambda x, w, r: run("GRU", x, w, r))
case("gru reset first, all outputs", weights(3, 1), reset_first)
both = {**weights(4, 1, "forward/"), **weights(4, 1, "backward/")}
case("bidirectional lstm", both, lambda x, w, r, b, v, s, c: torch.cat([last(run("LSTM", x, w, r, b)), last(run("LSTM", back(x), v, s, c))], -1))
case("bidirectional lstm, sequences multiplied", both, lambda x, w, r, b, v, s, c: run("LSTM", x, w, r, b) * back(run("LSTM", back(x), v, s, c)))


def operator(kind, count):
    """bidirectional, with lengths and initial states: the inputs of the ONNX operator, of which number i is noise(i) / 2"""
    time, batch, lengths = 4, 3, [4, 1, 3]
    rows = count * units
    shapes = [(time, batch, features), (2, rows, features), (2, rows, units), (2, 2 * rows), (2, batch, units)]
    shapes += [(2, batch, units)] if kind == "LSTM" else []
    inputs = [noise(i, s, 0.5).requires_grad_() for i, s in enumerate(shapes)]
    x, w, r, b, *states = inputs
    flat_weights = [gates(kind, v) for d in (0, 1) for v in (w[d], r[d], b[d][:rows], b[d][rows:])]
    order = sorted(range(batch), key=lambda i: -lengths[i])
    packed = pack_padded_sequence(x[:, order], [lengths[i] for i in order])
    sorted_states = [s[:, order] for s in states]
    out = functions[kind](packed.data, packed.batch_sizes, tuple(sorted_states) if kind == "LSTM" else sorted_states[0], flat_weights, True, 1, 0.0, True, True)
    y, _ = pad_packed_sequence(torch.nn.utils.rnn.PackedSequence(out[0], packed.batch_sizes), total_length=time)
    inverse = [order.index(i) for i in range(batch)]
    y = y[:, inverse].reshape(time, batch, 2, units).transpose(1, 2)
    outputs = [y] + [s[:, inverse] for s in out[1:]]
    loss = sum((o * noise(90 + i, o.shape)).sum() for i, o in enumerate(outputs))
    gradients = torch.autograd.grad(loss, inputs)
    operators[kind] = {"lengths": lengths, "shapes": shapes, "outputs": list(map(flat, outputs)), "gradients": list(map(flat, gradients))}


for kind, count in (("RNN", 1), ("LSTM", 4), ("GRU", 3)):
    operator(kind, count)

golden = {"torch": torch.__version__, "cases": cases, "operators": operators}
save(__file__, golden)
