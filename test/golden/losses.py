"""Golden values of the losses from PyTorch, or from the formula written out: /usr/bin/python3 test/golden/losses.py

Writes losses.json beside this file: for each case the predictions, the targets, the losses of the examples where they have their own, the
scalar loss and its gradient. Computed in float64 on inputs that float32 holds exactly.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F

from golden_values import flat, noise, save

torch.set_default_dtype(torch.float64)

cases = {}


def case(name, p, t, f, each=True):
    """f(p, t) -> losses [batch] whose mean is the loss, or the loss"""
    p = p.float().double().requires_grad_()
    found = f(p, t)
    value = found.mean()
    (gradient,) = torch.autograd.grad(value, p)
    assert torch.isfinite(gradient).all(), name
    cases[name] = {
        "p": [float(np.float32(v)) for v in p.detach().reshape(-1).tolist()], "shape": list(p.shape),
        "t": t.reshape(-1).tolist(), "targetShape": list(t.shape), "targetType": "float32" if t.is_floating_point() else "int32",
        "value": float(value), "gradient": flat(gradient, 8),
        **({"each": flat(found, 8)} if each and found.dim() == 1 else {}),
    }


# CTC: torch.nn.functional.ctc_loss
def ctc(p, t, blank=0, lengths=None):
    labels = t.clone()
    n = (labels >= 0).sum(1)
    inputs = torch.full((len(p),), p.shape[1]) if lengths is None else torch.tensor(lengths)
    logp = F.log_softmax(p, -1).transpose(0, 1)
    return F.ctc_loss(logp, labels.clamp(min=0), inputs, n, blank=blank, reduction="none", zero_infinity=True)


rows = torch.tensor([[1, 2, 3, -1], [2, 2, -1, -1], [-1, -1, -1, -1], [1, 1, 2, 2]])
case("ctc", noise(1, (4, 9, 5), 3), rows, ctc)
case("ctc, blank 4", noise(2, (3, 6, 5), 3), torch.tensor([[0, 0, 1], [3, -1, -1], [2, 0, 2]]), lambda p, t: ctc(p, t, 4))
case("ctc, as short as can be", noise(3, (2, 3, 4), 2), torch.tensor([[1, 2, 3], [2, 2, -1]]), ctc)
case("ctc, impossible", noise(4, (3, 3, 4), 2), torch.tensor([[1, 2, 3], [2, 2, 1], [1, -1, -1]]), ctc)
case("ctc, far logits", noise(5, (2, 7, 5), 1e4), torch.tensor([[1, 2, 3], [4, 4, -1]]), ctc)
case("ctc, one step", noise(6, (2, 1, 3), 2), torch.tensor([[1], [-1]]), ctc)
lengths = [8, 5, 3, 1]
labelled = torch.cat([torch.tensor(lengths)[:, None], torch.tensor([[1, 2, 3], [2, 2, -1], [3, -1, -1], [-1, -1, -1]])], 1)
case("ctc, input lengths", noise(7, (4, 8, 4), 3), labelled, lambda p, t: ctc(p, t[:, 1:], 0, lengths))

# Cross-entropy with weights, ignored positions; focal losses
weights = torch.tensor([0.5, 1.0, 2.0, 0.25])
labels = torch.tensor([0, 3, 1, 2, 3])
soft = F.softmax(noise(11, (5, 4), 2), -1).float().double()
yes = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0]).reshape(3, 2)
ce = lambda p, t, **o: F.cross_entropy(p, t.long(), reduction="none", **o)
case("sparse, class weights", noise(12, (5, 4), 3), labels, lambda p, t: ce(p, t, weight=weights))
case("sparse, class weights, smoothing", noise(12, (5, 4), 3), labels, lambda p, t: ce(p, t, weight=weights, label_smoothing=0.1))
words = torch.tensor([[0, -100, 3], [-100, -100, 2]])
case("sparse, ignoreIndex", noise(13, (2, 3, 4), 3), words, lambda p, t: F.cross_entropy(p.reshape(-1, 4), t.reshape(-1).long()))
case("sparse, ignoreIndex 0", noise(13, (2, 3, 4), 3), words.clamp(min=0), lambda p, t: F.cross_entropy(p.reshape(-1, 4), t.reshape(-1).long(), ignore_index=0))
case("categorical, class weights", noise(14, (5, 4), 3), soft, lambda p, t: F.cross_entropy(p, t, weight=weights, reduction="none"))
case("binary, positiveWeight", noise(15, (3, 2), 4), yes, lambda p, t: F.binary_cross_entropy_with_logits(p, t, pos_weight=torch.tensor(3.0), reduction="none").mean(1))


def binary_focal(p, t, gamma=2.0, alpha=None):
    bce = F.binary_cross_entropy_with_logits(p, t, reduction="none")
    loss = (1 - torch.exp(-bce)) ** gamma * bce
    return (loss if alpha is None else (t * alpha + (1 - t) * (1 - alpha)) * loss).mean(1)


def categorical_focal(p, t, gamma=2.0, w=1.0):
    logp = F.log_softmax(p, -1)
    return -(w * t * (1 - logp.exp()) ** gamma * logp).sum(-1)


case("binary focal, logits", noise(16, (3, 2), 4), yes, binary_focal)
case("binary focal, alpha, gamma 0.5", noise(16, (3, 2), 4), yes, lambda p, t: binary_focal(p, t, 0.5, 0.25))
case("binary focal, probabilities", torch.sigmoid(noise(17, (3, 2), 2)), yes, lambda p, t: binary_focal(torch.log(p / (1 - p)), t))
hot = F.one_hot(labels, 4).double()
case("categorical focal, logits", noise(18, (5, 4), 3), hot, categorical_focal)
case("categorical focal, class weights", noise(18, (5, 4), 3), hot, lambda p, t: categorical_focal(p, t, 1.5, weights))

# Numbers
x, y = noise(20, (4, 3), 3), noise(21, (4, 3), 2)
case("logCosh", x, y, lambda p, t: torch.log(torch.cosh(p - t)).mean(1))
case("meanAbsolutePercentageError", x, y, lambda p, t: (100 * (p - t).abs() / t.abs()).mean(1))
pinball = lambda p, t, q: torch.maximum(q * (t - p), (q - 1) * (t - p)).mean(1)
case("quantile", x, y, lambda p, t: pinball(p, t, 0.5))
case("quantile 0.9", x, y, lambda p, t: pinball(p, t, 0.9))
case("quantiles", x, noise(22, (4,), 2), lambda p, t: pinball(p, t[:, None], torch.tensor([0.1, 0.5, 0.9])))
counts = torch.tensor([0, 1, 4, 2, 7, 0, 3, 1, 1, 0, 2, 5]).reshape(4, 3)
case("poisson", x.abs() + 0.5, counts, lambda p, t: F.poisson_nll_loss(p, t.double(), log_input=False, eps=1e-7, reduction="none").mean(1))
case("poisson, log rate", x, counts, lambda p, t: F.poisson_nll_loss(p, t.double(), reduction="none").mean(1))
case("cosineSimilarity", x, y, lambda p, t: -F.cosine_similarity(p, t, -1))

# Divergences
case("klDivergence, logits", noise(23, (5, 4), 3), soft, lambda p, t: F.kl_div(F.log_softmax(p, -1), t, reduction="none").sum(-1))
case("klDivergence, probabilities", F.softmax(noise(24, (5, 4), 1), -1), soft, lambda p, t: F.kl_div(p.log(), t, reduction="none").sum(-1))
case("klDivergence, one-hot targets", noise(23, (5, 4), 3), hot, lambda p, t: F.kl_div(F.log_softmax(p, -1), t, reduction="none").sum(-1))


def jensen_shannon(p, t):
    q = F.softmax(p, -1)
    m = ((q + t) / 2).log()
    return (F.kl_div(m, q, reduction="none") + F.kl_div(m, t, reduction="none")).sum(-1) / 2


case("jensenShannon, logits", noise(25, (5, 4), 2), soft, jensen_shannon)

# Margins
signs = torch.where(noise(26, (4, 3)) > 0, 1.0, -1.0)
case("hinge", x, signs, lambda p, t: F.relu(1 - p * t).mean(1))
case("hinge, targets 0 and 1", x, (signs > 0).double(), lambda p, t: F.relu(1 - p * (2 * t - 1)).mean(1))
case("squaredHinge", x, signs, lambda p, t: (F.relu(1 - p * t) ** 2).mean(1))
case("categoricalHinge", noise(27, (5, 4), 2), hot, lambda p, t: F.relu(((1 - t) * p).max(-1).values - (t * p).sum(-1) + 1))
margin = lambda scores, t, **o: F.multi_margin_loss(scores, t.long(), reduction="none", **o)
case("multiMargin", noise(28, (5, 4), 2), labels, margin)
case("multiMargin, squares, weights", noise(28, (5, 4), 2), labels, lambda p, t: margin(p, t, p=2, margin=0.7, weight=weights))

# Overlap: formulas written out, since torch has none
pixels = (noise(29, (3, 2, 4, 4)) > 0.2).double()


def overlaps(p, t, alpha, beta, smooth=1.0, first=1, factor=1.0, w=1.0):
    s = lambda a: a.flatten(first).sum(-1)
    both = s(p * t)
    loss = 1 - (factor * both + smooth) / (factor * both + alpha * s(p * (1 - t)) + beta * s((1 - p) * t) + smooth)
    return loss if first == 1 else (w * loss).mean(1)


probabilities = torch.sigmoid(noise(30, (3, 2, 4, 4), 2))
case("dice", probabilities, pixels, lambda p, t: overlaps(p, t, 1, 1, factor=2))
case("dice, logits, per class", noise(30, (3, 2, 4, 4), 2), pixels, lambda p, t: overlaps(torch.sigmoid(p), t, 1, 1, 0.5, 2, 2, torch.tensor([1.0, 3.0])))
case("tversky", probabilities, pixels, lambda p, t: overlaps(p, t, 0.3, 0.7))
case("jaccard", probabilities, pixels, lambda p, t: overlaps(p, t, 1, 1))

# Embeddings
pairs, ids = noise(31, (4, 2, 5), 2), torch.tensor([3, 0, 7, 5])
unit = lambda v: F.normalize(v, dim=-1)


def info_nce(p, temperature, both=False, same=None):
    logits = unit(p[:, 0]) @ unit(p[:, 1]).T / temperature
    if same is not None:
        logits = logits.masked_fill(same & ~torch.eye(len(p), dtype=torch.bool), -1e9)
    right = torch.arange(len(p))
    forth = F.cross_entropy(logits, right, reduction="none")
    return (forth + F.cross_entropy(logits.T, right, reduction="none")) / 2 if both else forth


def nt_xent(p, temperature):
    z = unit(torch.cat([p[:, 0], p[:, 1]]))
    n = len(p)
    logits = (z @ z.T / temperature).masked_fill(torch.eye(2 * n, dtype=torch.bool), -math.inf)
    return F.cross_entropy(logits, torch.arange(2 * n).roll(n), reduction="none").reshape(2, n).mean(0)


case("infoNce", pairs, ids, lambda p, t: info_nce(p, 0.1))
case("infoNce, twice the same thing", pairs, torch.tensor([1, 2, 1, 3]), lambda p, t: info_nce(p, 0.5, same=t[:, None] == t[None]))
case("clip", pairs, ids, lambda p, t: info_nce(p, 0.07, True))
case("ntXent", pairs, ids, lambda p, t: nt_xent(p, 0.5))
same = torch.tensor([1.0, 0.0, 1.0, 0.0])


def hadsell(p, t, m):
    d = (p[:, 0] - p[:, 1]).norm(dim=-1)
    return (t * d ** 2 + (1 - t) * F.relu(m - d) ** 2) / 2


case("contrastive", pairs * 0.3, same, lambda p, t: hadsell(p, t, 1.0))
case("contrastive, margin 3", pairs, same, lambda p, t: hadsell(p, t, 3.0))
people = torch.tensor([0, 1, 0, 1, 2, 0])


def batch_hard(p, t, m):
    d = torch.cdist(p, p, compute_mode="donot_use_mm_for_euclid_dist")
    losses = []
    for a in range(len(p)):
        positives = [j for j in range(len(p)) if j != a and t[j] == t[a]]
        negatives = [j for j in range(len(p)) if t[j] != t[a]]
        if positives and negatives:
            losses.append(F.relu(m + d[a, positives].max() - d[a, negatives].min()))
    return torch.stack(losses).mean()


def semi_hard(p, t, m):
    d = torch.cdist(p, p, compute_mode="donot_use_mm_for_euclid_dist")
    losses = []
    for a in range(len(p)):
        negatives = [j for j in range(len(p)) if t[j] != t[a]]
        for j in range(len(p)):
            if j == a or t[j] != t[a]:
                continue
            beyond = [k for k in negatives if d[a, k] > d[a, j]]
            chosen = d[a, beyond].min() if beyond else d[a, negatives].max()
            losses.append(F.relu(m + d[a, j] - chosen))
    return torch.stack(losses).mean()


case("triplet, hard", noise(32, (6, 3), 2), people, lambda p, t: batch_hard(p, t, 1.0))
case("triplet, semi-hard", noise(32, (6, 3), 2), people, lambda p, t: semi_hard(p, t, 0.4))

# Likelihoods
case("gaussianNll", noise(33, (4, 3, 2), 2), noise(34, (4, 3), 2), lambda p, t: F.gaussian_nll_loss(p[..., 0], t, p[..., 1].exp(), full=True, eps=0, reduction="none").mean(1))


def mixture(p, t):
    normal = torch.distributions.Normal(p[:, :, 2:], p[:, :, 1:2].exp())
    return -torch.logsumexp(F.log_softmax(p[:, :, 0], -1) + normal.log_prob(t[:, None]).sum(-1), -1)


case("gaussianMixture", noise(35, (4, 3, 4), 1.5), noise(36, (4, 2), 2), mixture)


def logistic(p, t, levels, least):
    n = p.shape[-1] // 3
    logits, mean, scale = p[..., :n], p[..., n:2 * n], p[..., 2 * n:].clamp(min=least)
    half = 1 / (levels - 1)
    t = t[..., None]
    # in float64 the plain difference of the two sigmoids keeps enough digits here
    above, below = torch.sigmoid((t + half - mean) / scale.exp()), torch.sigmoid((t - half - mean) / scale.exp())
    above = torch.where(t > 1 - half, torch.ones_like(above), above)
    below = torch.where(t < half - 1, torch.zeros_like(below), below)
    return -torch.logsumexp(F.log_softmax(logits, -1) + (above - below).log(), -1).flatten(1).mean(1)


steps = (torch.tensor([0, 17, 128, 255, 200, 64]).reshape(2, 3) * 2 / 255 - 1).float().double()
case("logisticMixture", torch.cat([noise(37, (2, 3, 4)), noise(38, (2, 3, 2)) - 1], -1)[..., [0, 1, 2, 3, 4, 5]], steps, lambda p, t: logistic(p, t, 256, -7.0))
sound = (torch.tensor([0, 30000, 32768, 65535, 40000, 12345]).reshape(2, 3) * 2 / 65535 - 1).float().double()
case("logisticMixture, 16-bit", torch.cat([noise(39, (2, 3, 4)) * 0.5, noise(40, (2, 3, 2)) - 2], -1), sound, lambda p, t: logistic(p, t, 65536, -14.0))
vae = noise(41, (3, 6), 1.5)
kl = lambda p: (p[:, :3] ** 2 + p[:, 3:].exp() - 1 - p[:, 3:]).sum(1) / 2
case("latentKl, beta 4", vae, torch.zeros(3), lambda p, t: 4 * kl(p))

# Made of others
case("combinedLoss", torch.sigmoid(noise(42, (3, 4), 2)), (noise(43, (3, 4)) > 0).double(), lambda p, t: F.binary_cross_entropy(p, t, reduction="none").mean(1) + 0.5 * overlaps(p, t, 1, 1, factor=2))
sample = torch.tensor([0.5, 2.0, 0.0, 1.0, 1.5])
case("weighted sparse", noise(44, (5, 4), 3), torch.stack([labels.double(), sample], 1), lambda p, t: ce(p, t[:, 0]) * t[:, 1])
case("weighted squares", x, torch.cat([y, sample[:4, None]], 1), lambda p, t: ((p - t[:, :3]) ** 2).mean(1) * t[:, 3])

save(__file__, cases, separators=None)
