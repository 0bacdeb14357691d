"""Training steps of ResNet-18 (first convolution 3 x 3, no pooling behind it) in PyTorch, with momentum.
usage: python3 torch_resnet_step.py FILE_OF_EXAMPLES BATCH,CHANNELS,SIZE,CLASSES [STEPS]"""
from measured_steps import THREADS, arguments, fastest, measure_steps, read_pictures
import copy
import torch, torch.nn as nn, torch.nn.functional as F
torch.set_num_threads(THREADS)
file, (batch, channels, size, classes), steps = arguments()


class Block(nn.Module):
    def __init__(self, into, out, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.shortcut = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out)) if stride > 1 else None
    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        y += x if self.shortcut is None else self.shortcut(x)
        return F.relu(y, inplace=True)


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(channels, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        blocks, into = [], 64
        for stage, out in enumerate((64, 128, 256, 512)):
            blocks += [Block(into, out, 1 if stage == 0 else 2), Block(out, out, 1)]
            into = out
        self.blocks, self.head = nn.Sequential(*blocks), nn.Linear(512, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d): nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
    def forward(self, x):
        x = self.blocks(F.relu(self.bn(self.conv(x)), inplace=True))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


pictures, labels = read_pictures(file, channels, size)
torch.manual_seed(1)
first = ResNet18()
y = torch.from_numpy(labels)


def stepper(memory_format):
    """A step whose tensors stand in memory in one of two orders; which is faster depends on the build."""
    x = torch.from_numpy(pictures).to(memory_format=memory_format)
    model = copy.deepcopy(first).to(memory_format=memory_format)
    optimiser = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    def step(i):
        at = (i * batch) % (len(y) - batch + 1)
        optimiser.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x[at:at + batch]), y[at:at + batch])
        loss.backward()
        optimiser.step()
        return loss.item()
    return step


formats = {'channels first': torch.contiguous_format, 'channels last': torch.channels_last}
name = fastest({name: stepper(value) for name, value in formats.items()})
measure_steps(stepper(formats[name]), steps, sum(p.numel() for p in first.parameters()), f'torch {torch.__version__}', way=name)
