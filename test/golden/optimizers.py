"""Golden values of optimizers and schedules from PyTorch: /usr/bin/python3 test/golden/optimizers.py

Writes optimizers.json beside this file. Float64, 50 steps on 7 parameters whose gradients are 3 * w + noise, the noise
from the formula below, so that a test can repeat it without a file of gradients.
"""
import math

import numpy as np
import torch

from golden_values import save

STEPS, SIZE = 50, 7


def noise(step, i):
    """sin of 12.9898 (step + 1) + 78.233 (i + 1), in [-1, 1]"""
    return math.sin(12.9898 * (step + 1) + 78.233 * (i + 1))


def run(create):
    w = torch.tensor([0.5 * math.cos(i + 1) for i in range(SIZE)], dtype=torch.float64, requires_grad=True)
    optimizer = create([w])
    for step in range(STEPS):
        w.grad = 3 * w.detach() + torch.tensor([noise(step, i) for i in range(SIZE)], dtype=torch.float64)
        if getattr(optimizer, "clip", None):
            torch.nn.utils.clip_grad_norm_([w], optimizer.clip)
        optimizer.step()
    return w.detach().tolist()


def clipped(optimizer, norm):
    optimizer.clip = norm
    return optimizer


class NAdam:
    """Dozat 2016 as Keras has it: momentum beta1 (1 - 0.96^t / 2). PyTorch 1.13 multiplies one momentum in twice (mu_product_next), so its own class
    gives other numbers."""

    def __init__(self, parameters, lr, beta1=0.9, beta2=0.999, eps=1e-7):
        (self.w,) = parameters
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m, self.v, self.t, self.product = 0.0, 0.0, 0, 1.0

    def step(self):
        self.t += 1
        g = self.w.grad
        mu, following = (self.beta1 * (1 - 0.5 * 0.96**t) for t in (self.t, self.t + 1))
        self.product *= mu
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g * g
        m = following * self.m / (1 - self.product * following) + (1 - mu) * g / (1 - self.product)
        self.w.data -= self.lr * m / (torch.sqrt(self.v / (1 - self.beta2**self.t)) + self.eps)


def adafactor(shape, matrix, lr=0.05, clip=1.0, relative=True):
    """Shazeer & Stern 2018, algorithms 4 to 6 without momentum, in NumPy float64: matrix = (rows, columns), or None for V whole.
    `shape` numbers that start at 0.5 cos(i + 1), 50 steps on 3 * w + noise."""
    size = math.prod(shape)
    x = np.array([0.5 * math.cos(i + 1) for i in range(size)]).reshape(matrix or size)
    rms = lambda a: np.sqrt(np.mean(a * a))
    row, column, whole = 0.0, 0.0, 0.0
    for t in range(1, STEPS + 1):
        g = 3 * x + np.array([noise(t - 1, i) for i in range(size)]).reshape(x.shape)
        beta, square = 1 - t**-0.8, g * g + 1e-30
        if matrix:
            row = beta * row + (1 - beta) * square.sum(1)
            column = beta * column + (1 - beta) * square.sum(0)
            v = np.outer(row, column) / row.sum()
        else:
            v = whole = beta * whole + (1 - beta) * square
        u = g / np.sqrt(v)
        u = u / max(1.0, rms(u) / clip)
        x = x - max(1e-3, rms(x)) * (min(lr, 1 / math.sqrt(t)) if relative else lr) * u
    return x.reshape(-1).tolist()


def rates(create, total):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = create(optimizer)
    values = []
    for _ in range(total):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


o = torch.optim
s = torch.optim.lr_scheduler
golden = {
    "torch": torch.__version__,
    "optimizers": {
        "sgd": run(lambda p: o.SGD(p, lr=0.01)),
        "momentum": run(lambda p: o.SGD(p, lr=0.01, momentum=0.9)),
        "nesterov": run(lambda p: o.SGD(p, lr=0.01, momentum=0.9, nesterov=True)),
        "momentum with l2": run(lambda p: o.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.2)),
        "adam": run(lambda p: o.Adam(p, lr=0.01, eps=1e-7)),
        "adam with clipNorm": run(lambda p: clipped(o.Adam(p, lr=0.01, eps=1e-7), 0.8)),
        "adamw": run(lambda p: o.AdamW(p, lr=0.01, eps=1e-7, weight_decay=0.3)),
        # Keras adds epsilon below the root, PyTorch beside it: too small here to tell
        "rmsprop": run(lambda p: o.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-10)),
        "rmsprop with momentum": run(lambda p: o.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-10, momentum=0.8)),
        "rmsprop, centered": run(lambda p: o.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-10, momentum=0.8, centered=True)),
        "adagrad": run(lambda p: o.Adagrad(p, lr=0.05, initial_accumulator_value=0.1, eps=1e-10)),
        "adadelta": run(lambda p: o.Adadelta(p, lr=1.0, rho=0.95, eps=1e-4)),
        "nadam": run(lambda p: NAdam(p, lr=0.01)),
        "radam": run(lambda p: o.RAdam(p, lr=0.05)),
    },
    "adafactor": {
        "5,7": adafactor((5, 7), (5, 7)),
        "5,7 at a learning rate above 1 / sqrt(t)": adafactor((5, 7), (5, 7), lr=0.4),
        "5,7 clipped": adafactor((5, 7), (5, 7), clip=0.25, relative=False),
        "4,3,2,2": adafactor((4, 3, 2, 2), (4, 12)),
        "1,6,5": adafactor((1, 6, 5), (6, 5)),
        "11": adafactor((11,), None),
    },
    "schedules": {
        "step": rates(lambda x: s.StepLR(x, step_size=7, gamma=0.3), 30),
        "exponential": rates(lambda x: s.ExponentialLR(x, gamma=0.9), 30),
        "cosine": rates(lambda x: s.CosineAnnealingLR(x, T_max=30, eta_min=0.01), 30),
        "restarts": rates(lambda x: s.CosineAnnealingWarmRestarts(x, T_0=4, T_mult=2, eta_min=0.01), 30),
    },
}
save(__file__, golden, indent=1)
