"""Golden values of adversarial losses and gradient penalties from PyTorch's double backward: /usr/bin/python3 test/golden/adversarial.py

Writes adversarial.json beside this file. Computed in float64. Examples and parameters are `noise` of a salt, as in golden_values.py.
"""
import torch
import torch.nn.functional as F

from golden_values import flat, noise, save

torch.set_default_dtype(torch.float64)

out = {"losses": {}, "penalties": {}}
criteria = {
    "nonSaturating": (
        lambda r, f: F.binary_cross_entropy_with_logits(r, torch.ones_like(r)) + F.binary_cross_entropy_with_logits(f, torch.zeros_like(f)),
        lambda f: F.binary_cross_entropy_with_logits(f, torch.ones_like(f)),
    ),
    "leastSquares": (lambda r, f: (F.mse_loss(r, torch.ones_like(r)) + (f ** 2).mean()) / 2, lambda f: F.mse_loss(f, torch.ones_like(f)) / 2),
    "hinge": (lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean(), lambda f: -f.mean()),
    "wasserstein": (lambda r, f: f.mean() - r.mean(), lambda f: -f.mean()),
}
for name, (critic, generator) in criteria.items():
    r, f = noise(0, (5, 1), 2).requires_grad_(), noise(1, (5, 1), 2).requires_grad_()
    value = critic(r, f)
    dr, df = torch.autograd.grad(value, [r, f])
    other = generator(f)
    (dg,) = torch.autograd.grad(other, [f])
    out["losses"][name] = {"critic": float(value), "dReal": flat(dr, 8), "dFake": flat(df, 8), "generator": float(other), "dGenerator": flat(dg, 8)}


def gradient_penalty(critic, real, fake, epsilon, weight=10):
    x = (real + epsilon * (fake - real)).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return weight * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()


def r1(critic, real, weight=10):
    x = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return weight / 2 * (slope.flatten(1) ** 2).sum(1).mean()


critics = {
    "dense": ((4, 3), [(3, 6), (6,), (6, 1)], lambda x, w, b, v: torch.tanh(x @ w + b) @ v),
    "convolution": (
        (3, 2, 5, 5),
        [(4, 2, 3, 3), (4,), (36, 1)],
        lambda x, w, b, v: F.leaky_relu(F.conv2d(x, w, b), 0.2).flatten(1) @ v,
    ),
}
for name, (shape, shapes, forward) in critics.items():
    parameters = [noise(10 + i, s, 0.7).requires_grad_() for i, s in enumerate(shapes)]
    real, fake = noise(2, shape, 2), noise(3, shape, 2)
    epsilon = noise(4, (shape[0],) + (1,) * (len(shape) - 1)).abs()
    for penalty, value in {
        "gradientPenalty": gradient_penalty(lambda x: forward(x, *parameters), real, fake, epsilon),
        "r1Penalty": r1(lambda x: forward(x, *parameters), real),
    }.items():
        found = torch.autograd.grad(value, parameters, allow_unused=True)
        gradients = [flat(g if g is not None else torch.zeros_like(p), 8) for g, p in zip(found, parameters)]
        out["penalties"][f"{penalty}, {name}"] = {"value": float(value), "gradients": gradients}

save(__file__, out, separators=None)
