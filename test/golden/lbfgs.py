"""Golden values of torch.optim.LBFGS: /usr/bin/python3 test/golden/lbfgs.py

Writes lbfgs.json beside this file: Rosenbrock's function in 6 dimensions, and ridge regression (2 features, 12 examples, mean squared error +
0.01 |w|^2), both in float64 with the strong Wolfe line search; the values after each iteration and the last point."""
import math

import torch

from golden_values import save


def run(f, x, iterations):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([x], max_iter=1, history_size=10, line_search_fn="strong_wolfe", tolerance_grad=1e-9, tolerance_change=0)

    def closure():
        optimizer.zero_grad()
        loss = f(x)
        loss.backward()
        return loss

    values = []
    for _ in range(iterations):
        optimizer.step(closure)
        values.append(f(x).item())
    return {"values": values, "x": x.detach().tolist()}


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


X = torch.tensor([[math.sin(3 * i + 1), math.cos(5 * i)] for i in range(12)], dtype=torch.float64)
Y = torch.tensor([math.sin(7 * i) + 2 * math.sin(3 * i + 1) for i in range(12)], dtype=torch.float64)


def ridge(x):
    return ((X @ x[:2] + x[2] - Y) ** 2).mean() + 0.01 * (x[:2] ** 2).sum()


golden = {
    "torch": torch.__version__,
    "rosenbrock": run(rosenbrock, [-1.2, 1.0, -1.2, 1.0, -1.2, 1.0], 80),
    "ridge": run(ridge, [0.0, 0.0, 0.0], 12),
}
save(__file__, golden, indent=1)
