"""Training steps of a GPT of random weights in PyTorch, with LoRA written by hand on a frozen base, or of all of it. AdamW.
usage: python3 torch_lora_step.py TEXT_FILE LAYERS,HEADS,WIDTH,CONTEXT,BATCH,VOCABULARY,RANK STEPS [lora|full]"""
from measured_steps import THREADS, arguments, measure_steps, read_tokens, windows
import math, sys
import torch, torch.nn as nn, torch.nn.functional as F
torch.set_num_threads(THREADS)
file, (L, H, D, T, B, V, R), steps = arguments()
is_lora = (sys.argv[4] if len(sys.argv) > 4 else 'lora') == 'lora'
ALPHA = 2 * R


class LoRALinear(nn.Module):
    """y = x W' + b + alpha / r (x A') B' (Hu et al. 2021); W and b are frozen."""
    def __init__(self, into, out):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(out, into) * 0.02, False), nn.Parameter(torch.zeros(out), False)
        self.a, self.b = nn.Parameter(torch.empty(R, into)), nn.Parameter(torch.zeros(out, R))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))
    def forward(self, x):
        return F.linear(x, self.weight, self.bias) + F.linear(F.linear(x, self.a) * (ALPHA / R), self.b)


def plain(into, out):
    made = nn.Linear(into, out)
    nn.init.normal_(made.weight, std=0.02); nn.init.zeros_(made.bias)
    return made


linear = LoRALinear if is_lora else plain


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.qkv, self.out, self.up, self.down = linear(D, 3 * D), linear(D, D), linear(D, 4 * D), linear(4 * D, D)
        self.register_buffer('mask', torch.tril(torch.ones(T, T)).view(1, 1, T, T) == 0)
    def forward(self, x):
        heads = lambda t: t.view(B, T, H, D // H).transpose(1, 2)
        q, k, v = map(heads, self.qkv(self.ln1(x)).split(D, 2))
        if hasattr(F, 'scaled_dot_product_attention'): y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else: y = ((q @ k.transpose(-2, -1)) / math.sqrt(D // H)).masked_fill(self.mask, float('-inf')).softmax(-1) @ v
        x = x + self.out(y.transpose(1, 2).contiguous().view(B, T, D))
        return x + self.down(F.gelu(self.up(self.ln2(x))))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.position = nn.Embedding(V, D), nn.Embedding(T, D)
        self.blocks, self.ln, self.head = nn.Sequential(*[Block() for _ in range(L)]), nn.LayerNorm(D), nn.Linear(D, V, bias=False)
        for table in (self.token, self.position, self.head): nn.init.normal_(table.weight, std=0.02)
    def forward(self, i):
        return self.head(self.ln(self.blocks(self.token(i) + self.position(torch.arange(T)))))


torch.manual_seed(1)
model = GPT()
if is_lora:
    for name, parameter in model.named_parameters(): parameter.requires_grad_(name.endswith(('.a', '.b')))
trained = [p for p in model.parameters() if p.requires_grad]
optimiser = torch.optim.AdamW(trained, 1e-4)
data = read_tokens(file, V)


def step(i):
    x, y = map(torch.from_numpy, windows(i, B, T, data))
    optimiser.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(x).view(-1, V), y.view(-1))
    loss.backward()
    optimiser.step()
    return loss.item()


measure_steps(step, steps, sum(p.numel() for p in trained), f'torch {torch.__version__}')
