"""Golden values of layers, losses and whole models from PyTorch: /usr/bin/python3 test/golden/layers.py

Writes layers.json beside this file. Computed in float64. Inputs and weights are `noise` of a salt, so that the test can repeat
them without a file; the gradients are those of sum(w * y) with w = noise(90). Where Keras and PyTorch differ, the formula here is
Keras': moving statistics of batch normalisation, 'same' padding, epsilon of Adam.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F

from golden_values import flat, noise, save

torch.set_default_dtype(torch.float64)

cases, losses = {}, {}


def case(name, shape, parameters, forward, x=None):
    """parameters: {path: shape}; forward(x, *parameters) -> y; parameter i is noise(i + 1) / 2, the input noise(0) * 2"""
    x = noise(0, shape, 2.0).requires_grad_() if x is None else x
    values = [noise(i + 1, s, 0.5).requires_grad_() for i, s in enumerate(parameters.values())]
    y = forward(x, *values)
    wanted = ([x] if x.requires_grad else []) + values
    gradients = torch.autograd.grad((y * noise(90, y.shape)).sum(), wanted)
    out = {"y": flat(y), "shape": list(y.shape)}
    if x.requires_grad:
        out["dx"] = flat(gradients[0])
    out["gradients"] = dict(zip(parameters, map(flat, gradients[len(wanted) - len(values):])))
    cases[name] = out


def same(x, sizes, strides, dilations, value=0.0):
    """Keras' 'same': ceil(size / stride) elements come out, the odd one of the padding at the end"""
    pads = []
    for axis in reversed(range(len(sizes))):
        size, reach = x.shape[2 + axis], (sizes[axis] - 1) * dilations[axis] + 1
        total = max((math.ceil(size / strides[axis]) - 1) * strides[axis] + reach - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


# Layers
case("dense", (4, 5), {"kernel": (5, 3), "bias": (3,)}, lambda x, w, b: x @ w + b)
case("dense without bias, tanh", (4, 5), {"kernel": (5, 3)}, lambda x, w: torch.tanh(x @ w))
case("dense on sequences", (2, 3, 5), {"kernel": (5, 4), "bias": (4,)}, lambda x, w, b: x @ w + b)
case("conv1d", (2, 3, 9), {"kernel": (4, 3, 3), "bias": (4,)}, F.conv1d)
case("conv1d same, strides 2", (2, 3, 9), {"kernel": (4, 3, 4), "bias": (4,)}, lambda x, w, b: F.conv1d(same(x, [4], [2], [1]), w, b, stride=2))
case("conv1d dilation 2", (2, 3, 9), {"kernel": (4, 3, 3), "bias": (4,)}, lambda x, w, b: F.conv1d(x, w, b, dilation=2))
case("conv2d", (2, 3, 6, 5), {"kernel": (4, 3, 3, 2), "bias": (4,)}, F.conv2d)
case("conv2d same", (2, 3, 6, 5), {"kernel": (4, 3, 4, 3), "bias": (4,)}, lambda x, w, b: F.conv2d(same(x, [4, 3], [1, 1], [1, 1]), w, b))
case("conv2d same, strides 2", (2, 3, 7, 6), {"kernel": (4, 3, 3, 3), "bias": (4,)}, lambda x, w, b: F.conv2d(same(x, [3, 3], [2, 2], [1, 1]), w, b, stride=2))
case("conv2d strides [2, 1]", (2, 3, 7, 6), {"kernel": (4, 3, 3, 3), "bias": (4,)}, lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1)))
case("conv2d dilation 2", (2, 3, 7, 6), {"kernel": (2, 3, 3, 2), "bias": (2,)}, lambda x, w, b: F.conv2d(x, w, b, dilation=2))
case("conv2d groups", (2, 4, 5, 5), {"kernel": (6, 2, 3, 3), "bias": (6,)}, lambda x, w, b: F.conv2d(x, w, b, groups=2))
case("conv2d depthwise, no bias", (2, 3, 5, 5), {"kernel": (3, 1, 3, 3)}, lambda x, w: F.conv2d(x, w, groups=3))

case("maxPooling1d", (2, 3, 8), {}, lambda x: F.max_pool1d(x, 2))
case("maxPooling2d", (2, 3, 6, 7), {}, lambda x: F.max_pool2d(x, 2))
case("maxPooling2d overlap, same", (2, 3, 6, 7), {}, lambda x: F.max_pool2d(same(x, [3, 3], [2, 2], [1, 1], -math.inf), 3, 2))
case("maxPooling2d overlap", (2, 3, 7, 7), {}, lambda x: F.max_pool2d(x, 3, 2))
case("averagePooling1d", (2, 3, 8), {}, lambda x: F.avg_pool1d(x, 2))
case("averagePooling2d", (2, 3, 6, 7), {}, lambda x: F.avg_pool2d(x, 2))


def average_same(x):
    s = lambda t: F.avg_pool2d(same(t, [3, 3], [2, 2], [1, 1]), 3, 2)
    return s(x) / s(torch.ones_like(x))


case("averagePooling2d overlap, same", (2, 3, 6, 7), {}, average_same)
case("globalAveragePooling", (2, 3, 4, 5), {}, lambda x: x.mean((2, 3)))
case("globalMaxPooling", (2, 3, 4, 5), {}, lambda x: x.amax((2, 3)))

MOMENTUM, EPSILON = 0.99, 1e-3
moved = {}


def batch_norm(x, gamma, beta, moving=None):
    axes = [i for i in range(x.ndim) if i != 1]
    if moving is not None:
        mean, variance = x.mean(axes), x.var(axes, unbiased=False)
        moving[0] = moving[0] * MOMENTUM + mean.detach() * (1 - MOMENTUM)
        moving[1] = moving[1] * MOMENTUM + variance.detach() * (1 - MOMENTUM)
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=EPSILON)


for name, shape in {"batchNormalization": (4, 3, 2, 5), "batchNormalization of a matrix": (6, 3)}.items():
    state = [noise(7, (3,), 0.5), noise(8, (3,), 0.25) + 1]
    before = [s.clone() for s in state]
    case(name, shape, {"gamma": (3,), "beta": (3,)}, lambda x, g, b: batch_norm(x, g, b, state))
    cases[name]["states"] = {"movingMean": flat(state[0]), "movingVariance": flat(state[1])}
    inference = lambda x, g, b: F.batch_norm(x, *before, g, b, training=False, eps=EPSILON)
    case(name + " in inference", shape, {"gamma": (3,), "beta": (3,)}, inference)

case("layerNormalization", (4, 6), {"gamma": (6,), "beta": (6,)}, lambda x, g, b: F.layer_norm(x, (6,), g, b, EPSILON))
case("layerNormalization over two axes", (3, 4, 5), {"gamma": (4, 5), "beta": (4, 5)}, lambda x, g, b: F.layer_norm(x, (4, 5), g, b, EPSILON))
case("embedding", (2, 5), {"embeddings": (7, 3)}, lambda x, w: F.embedding(x, w), x=torch.tensor([[0, 6, 3, 3, 1], [5, 3, 0, 2, 2]]))

activations = {
    "relu": F.relu, "relu6": F.relu6, "leakyRelu": lambda x: F.leaky_relu(x, 0.2), "elu": F.elu, "selu": F.selu, "gelu": F.gelu,
    "silu": F.silu, "swish": F.silu, "mish": F.mish, "sigmoid": torch.sigmoid, "hardSigmoid": F.hardsigmoid, "hardSwish": F.hardswish,
    "tanh": torch.tanh, "softplus": F.softplus, "softsign": F.softsign, "exponential": torch.exp,
    "softmax": lambda x: F.softmax(x, -1), "logSoftmax": lambda x: F.log_softmax(x, -1), "linear": lambda x: x * 1,
}
for name, f in activations.items():
    case("activation " + name, (4, 6), {}, f, x=noise(0, (4, 6), 8.0).requires_grad_())


# Losses: gradients with respect to the predictions
def loss(name, predictions, f):
    p = predictions.clone().requires_grad_()
    value = f(p)
    losses[name] = {"value": flat(value)[0], "gradient": flat(torch.autograd.grad(value, p)[0])}


logits, labels = noise(3, (5, 4), 3.0), torch.tensor([0, 3, 1, 1, 2])
soft = F.softmax(noise(4, (5, 4), 2.0), -1)
soft = torch.tensor(soft.numpy().astype(np.float32).astype(np.float64))
probabilities = torch.tensor(F.softmax(logits, -1).numpy().astype(np.float32).astype(np.float64))
onehot = F.one_hot(labels, 4).double()
cross = lambda logp, t: -(t * logp).sum(-1).mean()
log_softmax = lambda z: F.log_softmax(z, -1)
smooth = lambda t, s, n: t * (1 - s) + s / n
loss("sparse, logits", logits, lambda z: F.cross_entropy(z, labels))
loss("sparse, logits, smoothing", logits, lambda z: F.cross_entropy(z, labels, label_smoothing=0.1))
loss("sparse, softmax in front", logits, lambda z: F.cross_entropy(z, labels))
loss("sparse, probabilities", probabilities, lambda p: cross(torch.log(p), onehot))
loss("categorical, logits", logits, lambda z: F.cross_entropy(z, soft))
loss("categorical, logits, smoothing", logits, lambda z: cross(log_softmax(z), smooth(soft, 0.2, 4)))
loss("categorical, probabilities", probabilities, lambda p: cross(torch.log(p), soft))
loss("sparse, sequences", logits.reshape(1, 5, 4), lambda z: F.cross_entropy(z[0], labels))
yes = (noise(5, (5, 3)) > 0).double()
chances = torch.tensor(torch.sigmoid(noise(6, (5, 3), 3.0)).numpy().astype(np.float32).astype(np.float64))
loss("binary, logits", noise(6, (5, 3), 30.0), lambda z: F.binary_cross_entropy_with_logits(z, yes))
loss("binary, sigmoid in front", noise(6, (5, 3), 3.0), lambda z: F.binary_cross_entropy_with_logits(z, yes))
loss("binary, logits, smoothing", noise(6, (5, 3), 3.0), lambda z: F.binary_cross_entropy_with_logits(z, smooth(yes, 0.1, 2)))
loss("binary, probabilities", chances, lambda p: F.binary_cross_entropy(p, yes))
target = noise(9, (5, 3), 2.0)
loss("meanSquaredError", noise(6, (5, 3), 3.0), lambda p: F.mse_loss(p, target))
loss("meanAbsoluteError", noise(6, (5, 3), 3.0), lambda p: F.l1_loss(p, target))
loss("huber", noise(6, (5, 3), 3.0), lambda p: F.huber_loss(p, target))
loss("huber, delta 0.5", noise(6, (5, 3), 3.0), lambda p: F.huber_loss(p, target, delta=0.5))


# Whole models: ten optimiser steps on one batch
def adam(w, state, g, t, rate=0.001):
    """Keras: epsilon is added before the bias correction"""
    m, v = state
    m += 0.1 * (g - m)
    v += 0.001 * (g * g - v)
    w -= rate * math.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (v.sqrt() + 1e-7)


def momentum(w, state, g, t, rate=0.05):
    v = state[0]
    v.mul_(0.9).add_(rate * g)
    w -= v


def train(shapes, update, x, classes, forward):
    """shapes: {path: (shape, kind)}; kernels are noise / sqrt(fan in) * 1.2, gammas 1, the rest 0"""
    w = {}
    for i, (path, (shape, fan_in)) in enumerate(shapes.items()):
        if path.endswith("kernel"):
            w[path] = noise(20 + i, shape, 1.2 / math.sqrt(fan_in)).requires_grad_()
        else:
            w[path] = torch.full(shape, 1.0 if path.endswith("gamma") else 0.0).requires_grad_()
    labels = torch.arange(len(x)) % classes
    states = {path: [torch.zeros_like(v), torch.zeros_like(v)] for path, v in w.items()}
    moving = {}
    curve = []
    for t in range(1, 11):
        value = F.cross_entropy(forward(x, w, moving), labels)
        curve.append(float(f"{value.item():.8g}"))
        gradients = torch.autograd.grad(value, list(w.values()))
        with torch.no_grad():
            for (path, v), g in zip(w.items(), gradients):
                update(v, states[path], g, t)
    final = {**w, **moving}
    summary = lambda v: {"sum": v.sum().item(), "squares": (v * v).sum().item(), "first": flat(v.reshape(-1)[:12])}
    return {"losses": curve, "parameters": {path: summary(v.detach()) for path, v in final.items()}}


def cnn(x, w, _):
    h = F.max_pool2d(F.relu(F.conv2d(x, w["conv2d/kernel"], w["conv2d/bias"])), 2).flatten(1)
    h = F.relu(h @ w["dense/kernel"] + w["dense/bias"])
    return h @ w["dense_1/kernel"] + w["dense_1/bias"]


def normalised(x, w, moving, name):
    c = x.shape[1]
    state = [moving.get(f"{name}/movingMean", torch.zeros(c)), moving.get(f"{name}/movingVariance", torch.ones(c))]
    y = batch_norm(x, w[f"{name}/gamma"], w[f"{name}/beta"], state)
    moving[f"{name}/movingMean"], moving[f"{name}/movingVariance"] = state
    return y


def mlp(x, w, moving):
    h = F.relu(normalised(x @ w["dense/kernel"], w, moving, "batchNormalization"))
    h = F.relu(normalised(h @ w["dense_1/kernel"], w, moving, "batchNormalization_1"))
    return h @ w["dense_2/kernel"] + w["dense_2/bias"]


def residual(x, w, _):
    h = F.relu(F.conv2d(same(x, [3, 3], [1, 1], [1, 1]), w["stem/kernel"], w["stem/bias"]))
    g = F.conv2d(same(h, [3, 3], [1, 1], [1, 1]), w["body/kernel"], w["body/bias"])
    return F.relu(h + g).mean((2, 3)) @ w["head/kernel"] + w["head/bias"]


models = {
    "cnn, adam": train({
        "conv2d/kernel": ((32, 1, 3, 3), 9), "conv2d/bias": ((32,), 0), "dense/kernel": ((5408, 128), 5408), "dense/bias": ((128,), 0),
        "dense_1/kernel": ((128, 10), 128), "dense_1/bias": ((10,), 0)}, adam, noise(10, (8, 1, 28, 28)), 10, cnn),
    "mlp with batch normalisation, momentum": train({
        "dense/kernel": ((20, 16), 20), "batchNormalization/gamma": ((16,), 0), "batchNormalization/beta": ((16,), 0),
        "dense_1/kernel": ((16, 12), 16), "batchNormalization_1/gamma": ((12,), 0), "batchNormalization_1/beta": ((12,), 0),
        "dense_2/kernel": ((12, 4), 12), "dense_2/bias": ((4,), 0)}, momentum, noise(11, (12, 20)), 4, mlp),
    "residual, adam": train({
        "stem/kernel": ((6, 2, 3, 3), 18), "stem/bias": ((6,), 0), "body/kernel": ((6, 6, 3, 3), 54), "body/bias": ((6,), 0),
        "head/kernel": ((6, 3), 6), "head/bias": ((3,), 0)}, adam, noise(12, (9, 2, 8, 8)), 3, residual),
}

golden = {"torch": torch.__version__, "cases": cases, "losses": losses, "models": models}
save(__file__, golden)
