"""Golden values of fake quantisation: outputs and gradients of PyTorch's learnable fake quantise operators (grad_factor 1), written to
quantization.json. The scale's gradient is that of Learned Step Size Quantization. Run: python3 test/golden/quantization.py"""
import torch

from golden_values import save

torch.manual_seed(3)


def case(name, x, scale, zero, low, high, axis=None):
    x = x.clone().requires_grad_()
    scale = scale.clone().requires_grad_()
    zeros = zero.float()
    dy = torch.randn_like(x)
    if axis is None:
        y = torch._fake_quantize_learnable_per_tensor_affine(x, scale, zeros, low, high, 1.0)
    else:
        y = torch._fake_quantize_learnable_per_channel_affine(x, scale, zeros, axis, low, high, 1.0)
    y.backward(dy)
    flat = lambda t: [float(v) for v in t.detach().flatten()]
    return {
        "name": name, "shape": list(x.shape), "axis": axis, "dtype": "int8" if low < 0 else "uint8",
        "x": flat(x), "scale": flat(scale), "zero": [int(v) for v in zero], "dy": flat(dy),
        "y": flat(y), "dx": flat(x.grad), "dscale": flat(scale.grad),
    }


x = torch.randn(4, 6) * 2
cases = [
    case("uint8, one scale, some saturated", x, torch.tensor([0.012]), torch.tensor([120]), 0, 255),
    case("int8, one scale", x, torch.tensor([0.05]), torch.tensor([-3]), -128, 127),
    case("int8, a scale for each row", x, torch.tensor([0.01, 0.02, 0.005, 0.1]), torch.tensor([0, 3, -5, 1]), -128, 127, 0),
]
save(__file__, cases, indent=1)
