"""CTC of given scores with its gradient in PyTorch.
usage: python3 torch_ctc_loss.py - BATCH,STEPS,LABELS,CLASSES [RUNS]"""
from measured_steps import THREADS, arguments, measure_steps
import numpy as np
import torch
torch.set_num_threads(THREADS)
_, (batch, time, most, classes), steps = arguments()

count = batch * time * classes
scores = torch.from_numpy(np.sin(78.233 * (np.arange(count) + 1)).astype(np.float32).reshape(batch, time, classes)).requires_grad_()
labels = torch.from_numpy(1 + (np.arange(batch * most) * 37) % (classes - 1)).reshape(batch, most)
times, lengths = torch.full((batch,), time), torch.full((batch,), most)


def step(i):
    scores.grad = None
    log_probabilities = torch.log_softmax(scores, -1).transpose(0, 1)
    loss = torch.nn.functional.ctc_loss(log_probabilities, labels, times, lengths, reduction='sum') / batch
    loss.backward()
    return loss.item()


measure_steps(step, steps, 0, f'torch {torch.__version__}')
