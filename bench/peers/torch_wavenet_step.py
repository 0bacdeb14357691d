"""Training steps of WaveNet on samples of a sound in PyTorch, with Adam.
usage: python3 torch_wavenet_step.py FILE_OF_SAMPLES LAYERS,STACKS,RESIDUAL,SKIP,LENGTH,BATCH [STEPS]"""
from measured_steps import THREADS, arguments, measure_steps, windows
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
torch.set_num_threads(THREADS)
file, (layers, stacks, residual, skip, length, batch), steps = arguments()
LEVELS = 256


class Block(nn.Module):
    """Filter and gate are one convolution, residual and skip output another."""
    def __init__(self, dilation, last):
        super().__init__()
        self.dilation, self.last = dilation, last
        self.conv = nn.Conv1d(residual, 2 * residual, 2, dilation=dilation)
        self.out = nn.Conv1d(residual, skip if last else residual + skip, 1)
    def forward(self, x):
        filtered, gate = self.conv(F.pad(x, (self.dilation, 0))).chunk(2, 1)
        y = self.out(torch.tanh(filtered) * torch.sigmoid(gate))
        if self.last: return x, y
        more, y = y.split((residual, skip), 1)
        return x + more, y


class WaveNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(LEVELS, residual)
        self.front = nn.Conv1d(residual, residual, 2)
        count = layers * stacks
        self.blocks = nn.ModuleList(Block(2 ** (i % layers), i == count - 1) for i in range(count))
        self.mix, self.head = nn.Conv1d(skip, skip, 1), nn.Conv1d(skip, LEVELS, 1)
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        for module in self.modules():
            if isinstance(module, nn.Conv1d): nn.init.xavier_uniform_(module.weight); nn.init.zeros_(module.bias)
    def forward(self, samples):
        x, total = self.front(F.pad(self.embedding(samples).transpose(1, 2), (1, 0))), 0
        for block in self.blocks:
            x, y = block(x)
            total = total + y
        return self.head(F.relu(self.mix(F.relu(total))))


data = np.fromfile(file, dtype=np.uint8).astype(np.int64)
torch.manual_seed(1)
model = WaveNet()
optimiser = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-7)


def step(i):
    x, y = (torch.from_numpy(a) for a in windows(i, batch, length, data))
    optimiser.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimiser.step()
    return loss.item()


measure_steps(step, steps, sum(p.numel() for p in model.parameters()), f'torch {torch.__version__}')
