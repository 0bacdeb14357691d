"""Golden values of adaptive pooling: outputs and gradients of PyTorch, written to adaptive-pool.json. Run: python3 test/golden/adaptive-pool.py"""
import torch
import torch.nn.functional as F

from golden_values import save

torch.manual_seed(5)
flat = lambda t: [float(v) for v in t.detach().flatten()]
cases = []
for kind in ["avg", "max"]:
    for shape, out in [((2, 3, 7), [3]), ((1, 2, 5, 7), [3, 4]), ((1, 2, 6, 4), [3, 2]), ((1, 2, 5, 3, 4), [2, 3, 3]), ((1, 1, 3, 2), [5, 4])]:
        x = torch.randn(shape).requires_grad_()
        y = getattr(F, f"adaptive_{kind}_pool{len(out)}d")(x, out)
        dy = torch.randn_like(y)
        y.backward(dy)
        cases.append({"kind": kind, "shape": list(shape), "outputs": out, "x": flat(x), "dy": flat(dy), "y": flat(y), "dx": flat(x.grad)})
save(__file__, cases, separators=None)
