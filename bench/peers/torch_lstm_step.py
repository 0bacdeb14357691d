"""Training steps of a language model of LSTM layers on bytes of a text in PyTorch, with Adam.
usage: python3 torch_lstm_step.py TEXT_FILE LAYERS,UNITS,CONTEXT,BATCH,VOCABULARY [STEPS]"""
from measured_steps import THREADS, arguments, fastest, measure_steps, read_tokens, windows
import copy
import torch, torch.nn as nn, torch.nn.functional as F
torch.set_num_threads(THREADS)
file, (layers, units, context, batch, vocabulary), steps = arguments()


class LanguageModel(nn.Module):
    """nn.LSTM has two biases a layer where one would do; the two are added, so it is the same model with 4 x units more parameters a layer."""
    def __init__(self, batch_first):
        super().__init__()
        self.batch_first = batch_first
        self.embedding = nn.Embedding(vocabulary, units)
        self.lstm = nn.LSTM(units, units, layers, batch_first=batch_first)
        self.head = nn.Linear(units, vocabulary)
        for name, p in self.lstm.named_parameters():
            if 'weight_ih' in name: nn.init.xavier_uniform_(p)
            elif 'weight_hh' in name: nn.init.orthogonal_(p)
            else:
                nn.init.zeros_(p)
                if 'bias_ih' in name: p.data[units:2 * units] = 1
    def forward(self, tokens):
        return self.head(self.lstm(self.embedding(tokens))[0])


data = read_tokens(file, vocabulary)


def stepper(batch_first):
    """The batch may be the first axis or the second; which is faster depends on the build."""
    torch.manual_seed(1)
    model = LanguageModel(batch_first)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-7)
    def step(i):
        x, y = (torch.from_numpy(a if batch_first else a.T.copy()) for a in windows(i, batch, context, data))
        optimiser.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        optimiser.step()
        return loss.item()
    step.parameters = sum(p.numel() for p in model.parameters())
    return step


ways = {'batch first': True, 'time first': False}
name = fastest({name: stepper(value) for name, value in ways.items()})
step = stepper(ways[name])
measure_steps(step, steps, step.parameters, f'torch {torch.__version__}', way=name)
