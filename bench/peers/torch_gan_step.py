"""Training steps of a DCGAN on pictures of 28 x 28 in PyTorch: one run of generator and discriminator gives the gradients of both, then both
are updated; Adam. usage: python3 torch_gan_step.py FILE_OF_EXAMPLES BATCH,LATENT,FILTERS [STEPS]"""
from measured_steps import THREADS, arguments, fastest, measure_steps, read_pictures
import torch, torch.nn as nn, torch.nn.functional as F
torch.set_num_threads(THREADS)
file, (batch, latent, filters), steps = arguments()


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.front, self.bn1 = nn.Linear(latent, 7 * 7 * 2 * filters, bias=False), nn.BatchNorm2d(2 * filters)
        self.up1, self.bn2 = nn.ConvTranspose2d(2 * filters, filters, 4, 2, 1, bias=False), nn.BatchNorm2d(filters)
        self.up2 = nn.ConvTranspose2d(filters, 1, 4, 2, 1)
    def forward(self, z):
        x = F.relu(self.bn1(self.front(z).view(-1, 2 * filters, 7, 7)), inplace=True)
        return torch.tanh(self.up2(F.relu(self.bn2(self.up1(x)), inplace=True)))


class Discriminator(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, filters, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(filters, 2 * filters, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True),
            nn.Flatten(), nn.Linear(7 * 7 * 2 * filters, 1))


def initialise(module):
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0, 0.02)
        if module.bias is not None: nn.init.zeros_(module.bias)


pictures = torch.from_numpy(2 * read_pictures(file, 1, 28)[0] - 1)


def stepper(memory_format):
    torch.manual_seed(1)
    generator, discriminator = Generator().apply(initialise), Discriminator().apply(initialise)
    images = pictures.to(memory_format=memory_format)
    for model in (generator, discriminator): model.to(memory_format=memory_format)
    params_g, params_d = list(generator.parameters()), list(discriminator.parameters())
    optimisers = [torch.optim.Adam(p, 2e-4, betas=(0.5, 0.999), eps=1e-7) for p in (params_d, params_g)]
    def step(i):
        at = (i * batch) % (len(images) - batch + 1)
        judged_real = discriminator(images[at:at + batch])
        judged_fake = discriminator(generator(torch.randn(batch, latent)))
        loss_d = F.softplus(-judged_real).mean() + F.softplus(judged_fake).mean()
        loss_g = F.softplus(-judged_fake).mean()
        # Each backward pass computes what its own model needs and nothing else.
        gradients_d = torch.autograd.grad(loss_d, params_d, retain_graph=True)
        gradients_g = torch.autograd.grad(loss_g, params_g)
        for parameters, gradients in ((params_d, gradients_d), (params_g, gradients_g)):
            for p, g in zip(parameters, gradients): p.grad = g
        for optimiser in optimisers: optimiser.step()
        return loss_d.item() + loss_g.item()
    step.parameters = sum(p.numel() for p in params_g + params_d)
    return step


formats = {'channels first': torch.contiguous_format, 'channels last': torch.channels_last}
way = fastest({name: stepper(value) for name, value in formats.items()})
step = stepper(formats[way])
measure_steps(step, steps, step.parameters, f'torch {torch.__version__}', way=way)
