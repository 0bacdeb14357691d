"""Golden values of further layers and of networks from PyTorch: /usr/bin/python3 test/golden/networks.py

Writes networks.json beside this file. Computed in float64. Inputs and weights are `noise` of a salt, as in golden_values.py: weight i of a case, in the order in
which the layer declares them, is noise(i + 1) / 2, input i is noise(100 + i). The gradients are those of sum(w * y) with w = noise(90). Networks give
a number for each gradient, sum(w * gradient), in place of its elements.
"""
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import spectral_norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from golden_values import flat, noise, save

torch.set_default_dtype(torch.float64)


def brief(t):
    return [float(f"{(t.detach() * noise(90, t.shape)).sum().item():.7g}")]


cases = {}


def case(name, inputs, parameters, forward, whole=True, states=None, integers=None):
    """parameters: {path: shape}; forward(*inputs, *parameters) -> y"""
    show = flat if whole else brief
    xs = [noise(100 + i, shape).requires_grad_() for i, shape in enumerate(inputs)]
    values = [noise(i + 1, s, 0.5).requires_grad_() for i, s in enumerate(parameters.values())]
    y = forward(*(integers or []), *xs, *values)
    gradients = torch.autograd.grad((y * noise(90, y.shape)).sum(), xs + values)
    cases[name] = {
        "y": flat(y), "shape": list(y.shape), "dx": [show(g) for g in gradients[: len(xs)]],
        "gradients": dict(zip(parameters, map(show, gradients[len(xs):]))),
        **({"integers": [i.reshape(-1).tolist() for i in integers]} if integers else {}),
        **({"states": {k: flat(v()) for k, v in states.items()}} if states else {}),
    }


def weights(kernel, bias=None, at=""):
    return {at + "kernel": kernel, **({at + "bias": (bias,)} if bias else {})}


# Convolutions
causal = lambda x, reach: F.pad(x, (reach, 0))
case("conv1d, causal", [(2, 3, 9)], weights((4, 3, 3), 4), lambda x, w, b: F.conv1d(causal(x, 4), w, b, dilation=2))
case("conv2d, padding 1", [(2, 3, 6, 5)], weights((4, 3, 3, 3), 4), lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1))
case("conv3d", [(2, 2, 3, 5, 4)], weights((3, 2, 2, 3, 2), 3), lambda x, w, b: F.conv3d(x, w, b, stride=(1, 2, 1), padding=(1, 0, 0)))
case("conv1dTranspose", [(2, 3, 5)], weights((3, 4, 3), 4), lambda x, w, b: F.conv_transpose1d(x, w, b, stride=2))
case("conv1dTranspose, causal reach", [(2, 3, 5)], weights((3, 4, 3), 4), lambda x, w, b: F.conv_transpose1d(x, w, b, dilation=2))
case("conv2dTranspose, padding 1", [(2, 3, 3, 4)], weights((3, 4, 4, 4), 4), lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1))
case("conv2dTranspose, groups, more at the end", [(2, 4, 3, 2)], weights((4, 3, 3, 3)),
     lambda x, w: F.conv_transpose2d(x, w, None, stride=(2, 3), output_padding=(1, 2), groups=2))
case("conv3dTranspose", [(1, 2, 2, 3, 2)], weights((2, 3, 2, 2, 2), 3), lambda x, w, b: F.conv_transpose3d(x, w, b, stride=(1, 2, 2)))
case("depthwiseConv1d", [(2, 3, 7)], weights((6, 1, 3), 6), lambda x, w, b: F.conv1d(x, w, b, groups=3))
case("depthwiseConv2d", [(2, 3, 5, 6)], weights((3, 1, 3, 2), 3), lambda x, w, b: F.conv2d(x, w, b, stride=2, groups=3))
case("separableConv1d", [(2, 3, 7)], {**weights((3, 1, 3), at="depthwise/"), **weights((4, 3, 1), 4, "pointwise/")},
     lambda x, d, p, b: F.relu(F.conv1d(F.conv1d(causal(x, 2), d, None, groups=3), p, b)))
case("separableConv2d", [(2, 2, 5, 4)], {**weights((4, 1, 3, 3), at="depthwise/"), **weights((3, 4, 1, 1), 3, "pointwise/")},
     lambda x, d, p, b: F.conv2d(F.conv2d(x, d, None, groups=2), p, b))

# Pools, sizes
case("maxPooling3d", [(1, 2, 4, 4, 6)], {}, lambda x: F.max_pool3d(x, 2))
case("averagePooling3d", [(1, 2, 3, 4, 5)], {}, lambda x: F.avg_pool3d(x, (1, 2, 3), 1))
case("maxPooling2d, padding 1", [(2, 2, 6, 5)], {}, lambda x: F.max_pool2d(x, 3, 2, 1))
case("adaptiveAveragePooling", [(2, 3, 7, 5)], {}, lambda x: F.adaptive_avg_pool2d(x, (3, 4)))
case("adaptiveAveragePooling of a sequence, larger", [(2, 3, 5)], {}, lambda x: F.adaptive_avg_pool1d(x, 7))
case("adaptiveAveragePooling of a volume", [(1, 2, 3, 4, 5)], {}, lambda x: F.adaptive_avg_pool3d(x, 2))
case("adaptiveMaxPooling", [(2, 3, 7, 5)], {}, lambda x: F.adaptive_max_pool2d(x, (3, 4)))
case("adaptiveMaxPooling of a volume", [(1, 2, 3, 4, 5)], {}, lambda x: F.adaptive_max_pool3d(x, (2, 2, 3)))
case("upSampling1d", [(2, 3, 4)], {}, lambda x: F.interpolate(x, scale_factor=3))
case("upSampling1d, linear", [(2, 3, 4)], {}, lambda x: F.interpolate(x, scale_factor=2, mode="linear", align_corners=False))
case("upSampling2d", [(1, 2, 3, 4)], {}, lambda x: F.interpolate(x, scale_factor=(2, 3)))
case("upSampling2d, bilinear", [(1, 2, 3, 4)], {}, lambda x: F.interpolate(x, scale_factor=(2, 3), mode="bilinear", align_corners=False))
case("upSampling2d, bicubic", [(1, 2, 4, 5)], {}, lambda x: F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False))
case("upSampling3d, linear", [(1, 2, 2, 3, 2)], {}, lambda x: F.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False))
case("pixelShuffle", [(2, 8, 2, 3)], {}, lambda x: F.pixel_shuffle(x, 2))

# Blocks
case("instanceNormalization", [(2, 3, 4, 5)], {"gamma": (3,), "beta": (3,)}, lambda x, g, b: F.instance_norm(x, None, None, g, b, eps=1e-3))
case("squeezeExcite", [(2, 4, 3, 3)], {**weights((4, 2), 2, "squeeze/"), **weights((2, 4), 4, "excite/")},
     lambda x, a, b, c, d: x * torch.sigmoid(F.relu(x.mean((2, 3)) @ a + b) @ c + d)[:, :, None, None])
case("residual", [(2, 3, 9)], {**weights((4, 3, 3), 4, "layer/"), **weights((4, 3, 1), at="shortcut/")},
     lambda x, w, b, s: F.relu(F.conv1d(x, w, b, stride=2, padding=1) + F.conv1d(x, s, None, stride=2)))
case("timeDistributed", [(2, 3, 2, 6)], weights((4, 2, 3), 4, "layer/"),
     lambda x, w, b: torch.stack([F.conv1d(x[:, t], w, b) for t in range(3)], 1))


def spectral(module, w, b, dim, u, layout):
    """one training step of PyTorch's, with our kernel and our u"""
    module = spectral_norm(module, n_power_iterations=1, dim=dim)
    del module._parameters["weight_orig"]
    module.weight_orig = layout(w)
    module.bias = None
    module.register_buffer("weight_u", u / u.norm())
    return module


made = {}


def spectral_conv(x, w, b):
    made["m"] = spectral(nn.Conv1d(3, 4, 3), w, b, 0, noise(50, (4,)), lambda v: v)
    return made["m"](x) + b[:, None]


def spectral_dense(x, w, b):
    made["m"] = spectral(nn.Linear(5, 4), w, b, 0, noise(50, (4,)), lambda v: v.T)
    return made["m"](x) + b


def spectral_transposed(x, w, b):
    made["m"] = spectral(nn.ConvTranspose1d(3, 4, 3), w, b, 1, noise(50, (4,)), lambda v: v)
    return made["m"](x) + b[:, None]


state = {"layer/kernel_u": lambda: made["m"].weight_u}
case("spectralNormalization of conv1d", [(2, 3, 6)], weights((4, 3, 3), 4, "layer/"), spectral_conv, states=state)
case("spectralNormalization of dense", [(3, 5)], weights((5, 4), 4, "layer/"), spectral_dense, states=state)
case("spectralNormalization of conv1dTranspose", [(2, 3, 4)], weights((3, 4, 3), 4, "layer/"), spectral_transposed, states=state)

# Padding: of two sequences of four steps, the second has two
real = torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 0]])
padding = real == 0


def attention(x, w, b, v, c):
    m = nn.MultiheadAttention(6, 2, batch_first=True)
    set_weights(m, {"in_proj_weight": w.T, "in_proj_bias": b, "out_proj.weight": v.T, "out_proj.bias": c})
    x = x * real[:, :, None]
    return m(x, x, x, key_padding_mask=padding)[0]


def set_weights(module, tensors):
    for path, value in tensors.items():
        owner = module
        *way, last = path.split(".")
        for part in way:
            owner = getattr(owner, part)
        del owner._parameters[last]
        setattr(owner, last, value)


case("masked attention", [(2, 4, 6)], {**weights((6, 18), 18, "multiHeadAttention/queryKeyValue/"), **weights((6, 6), 6, "multiHeadAttention/output/")}, attention)


def encoder(x, *values):
    m = nn.TransformerEncoderLayer(6, 2, dim_feedforward=8, dropout=0.0, activation="gelu", norm_first=True, batch_first=True)
    names = ["norm1.weight", "norm1.bias", "self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias",
             "norm2.weight", "norm2.bias", "linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"]
    set_weights(m, {n: v.T if v.dim() == 2 else v for n, v in zip(names, values)})
    return m(x * real[:, :, None], src_key_padding_mask=padding)


at = "transformerEncoder/"
norm = lambda part: {f"{at}{part}Normalization/gamma": (6,), f"{at}{part}Normalization/beta": (6,)}
block = {**norm("attention"), **weights((6, 18), 18, at + "attention/queryKeyValue/"), **weights((6, 6), 6, at + "attention/output/"),
         **norm("feedForward"), **weights((6, 8), 8, at + "up/"), **weights((8, 6), 6, at + "down/")}
case("masked encoder", [(2, 4, 6)], block, encoder)


def gates(kind, w):
    """rows of ONNX' order in PyTorch's"""
    if kind == "LSTM":
        i, o, f, c = w.chunk(4)
        return torch.cat([i, f, c, o])
    if kind == "GRU":
        z, r, h = w.chunk(3)
        return torch.cat([r, z, h])
    return w


def recurrent(kind, bidirectional, sequences):
    def forward(x, *values):
        m = getattr(nn, kind)(3, 5, batch_first=True, bidirectional=bidirectional)
        tensors = {}
        for d, suffix in enumerate(["", "_reverse"][: 1 + bidirectional]):
            w, r, b = values[3 * d: 3 * d + 3]
            first, second = (b[0], b[1]) if b.dim() == 2 else (b, torch.zeros_like(b))
            for name, value in (("weight_ih", w), ("weight_hh", r), ("bias_ih", first), ("bias_hh", second)):
                tensors[f"{name}_l0{suffix}"] = gates(kind, value)
        set_weights(m, tensors)
        m._flat_weights = [tensors[n] for n in m._flat_weights_names]
        out, last = m(pack_padded_sequence(x, torch.tensor([4, 2]), batch_first=True))
        if sequences:
            return pad_packed_sequence(out, batch_first=True, total_length=4)[0]
        h = last[0] if kind == "LSTM" else last
        return torch.cat(list(h), -1)
    return forward


def cell(count, at, two=False):
    rows = 5 * count
    return {f"{at}kernel": (rows, 3), f"{at}recurrentKernel": (rows, 5), f"{at}bias": (2, rows) if two else (rows,)}


case("masked simpleRNN, all outputs", [(2, 4, 3)], cell(1, "simpleRNN/"), recurrent("RNN", False, True))
case("masked lstm", [(2, 4, 3)], cell(4, "lstm/"), recurrent("LSTM", False, False))
case("masked gru, all outputs", [(2, 4, 3)], cell(3, "gru/", True), recurrent("GRU", False, True))
both = {**cell(4, "bidirectional/forward/"), **cell(4, "bidirectional/backward/")}
case("masked bidirectional lstm", [(2, 4, 3)], both, recurrent("LSTM", True, False))
case("masked bidirectional lstm, all outputs", [(2, 4, 3)], both, recurrent("LSTM", True, True))


# Networks
def resnet_shapes(width, depths, classes, stem):
    """basic blocks; normalisations in training mode"""
    shapes = {}

    def convolved(at, index, filters, source, size):
        shapes[f"{at}conv2d{index}/kernel"] = (filters, source, size, size)
        shapes[f"{at}batchNormalization{index}/gamma"] = (filters,)
        shapes[f"{at}batchNormalization{index}/beta"] = (filters,)

    convolved("", "", width, 3, stem)
    source = width
    for stage, depth in enumerate(depths):
        filters = width * 2 ** stage
        for b in range(depth):
            at = f"stage_{stage + 1}_block_{b + 1}/"
            convolved(at + "layer/", "", filters, source, 3)
            convolved(at + "layer/", "_1", filters, filters, 3)
            if source != filters:
                convolved(at + "shortcut/", "", filters, source, 1)
            source = filters
    shapes["dense/kernel"], shapes["dense/bias"] = (source, classes), (classes,)
    return shapes


shapes = resnet_shapes(3, [2, 2, 2, 2], 4, 3)


def resnet(x, *values):
    w = dict(zip(shapes, values))

    def convolved(x, at, index="", stride=1):
        kernel = w[f"{at}conv2d{index}/kernel"]
        y = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[2] // 2)
        return F.batch_norm(y, None, None, w[f"{at}batchNormalization{index}/gamma"], w[f"{at}batchNormalization{index}/beta"], True, eps=1e-5)

    h = F.relu(convolved(x, ""))
    for stage in range(4):
        for b in range(2):
            at, stride = f"stage_{stage + 1}_block_{b + 1}/", 2 if stage > 0 and b == 0 else 1
            y = convolved(F.relu(convolved(h, at + "layer/", "", stride)), at + "layer/", "_1")
            h = F.relu(y + (convolved(h, at + "shortcut/", "", stride) if f"{at}shortcut/conv2d/kernel" in w else h))
    return h.mean((2, 3)) @ w["dense/kernel"] + w["dense/bias"]


case("resnet18", [(3, 3, 16, 16)], shapes, resnet, whole=False)

wave = {"embedding/embeddings": (6, 4), **weights((4, 4, 2), 4, "front/")}
for i in range(4):
    out = 5 if i == 3 else 9
    wave.update({**weights((8, 4, 2), 8, f"block_{i}/gate/"), f"block_{i}/condition/kernel": (3, 8), **weights((out, 4, 1), out, f"block_{i}/output/")})
wave.update({**weights((5, 5, 1), 5, "hidden/"), **weights((6, 5, 1), 6, "output/")})


def wavenet(tokens, condition, *values):
    w = dict(zip(wave, values))
    x = w["embedding/embeddings"][tokens].transpose(1, 2)
    x = F.conv1d(F.pad(x, (1, 0)), w["front/kernel"], w["front/bias"])
    skips = 0
    for i in range(4):
        d = 2 ** (i % 2)
        a = F.conv1d(F.pad(x, (d, 0)), w[f"block_{i}/gate/kernel"], w[f"block_{i}/gate/bias"], dilation=d)
        a = a + (condition @ w[f"block_{i}/condition/kernel"])[:, :, None]
        z = torch.tanh(a[:, :4]) * torch.sigmoid(a[:, 4:])
        o = F.conv1d(z, w[f"block_{i}/output/kernel"], w[f"block_{i}/output/bias"])
        if i < 3:
            x, o = x + o[:, :4], o[:, 4:]
        skips = skips + o
    h = F.relu(F.conv1d(F.relu(skips), w["hidden/kernel"], w["hidden/bias"]))
    return F.conv1d(h, w["output/kernel"], w["output/bias"]).transpose(1, 2)


tokens = torch.tensor([[0, 5, 2, 2, 4, 1, 3, 0], [1, 1, 5, 4, 0, 2, 3, 5]])
case("waveNet, steered", [(2, 3)], wave, wavenet, whole=False, integers=[tokens])


def block_shapes(at):
    return {name.replace("transformerEncoder/", at): shape for name, shape in block.items()}


def layers_of(values, kind):
    m = nn.TransformerEncoderLayer(6, 2, dim_feedforward=8, dropout=0.0, activation="gelu", norm_first=kind == "gpt", batch_first=True,
                                   layer_norm_eps=1e-5 if kind == "gpt" else 1e-12)
    names = {"attentionNormalization": "norm1", "feedForwardNormalization": "norm2", "attention/queryKeyValue": "self_attn.in_proj_", "attention/output": "self_attn.out_proj",
             "up": "linear1", "down": "linear2"}
    tensors = {}
    for path, value in values.items():
        part, leaf = path.rsplit("/", 1)
        theirs = "weight" if leaf in ("kernel", "gamma") else "bias"
        target = names[part] + theirs if names[part].endswith("_") else f"{names[part]}.{theirs}"
        tensors[target] = value.T if value.dim() == 2 else value
    set_weights(m, tensors)
    return m


gpt_shapes = {"tokenEmbedding/embeddings": (7, 6), "positionEmbedding/positions": (5, 6), **block_shapes("block_0/"), **block_shapes("block_1/"),
              "normalization/gamma": (6,), "normalization/beta": (6,)}


def gpt(tokens, *values):
    w = dict(zip(gpt_shapes, values))
    h = w["tokenEmbedding/embeddings"][tokens] + w["positionEmbedding/positions"][: tokens.shape[1]]
    mask = torch.triu(torch.full((tokens.shape[1],) * 2, float("-inf")), 1)
    for i in range(2):
        h = layers_of({k[8:]: v for k, v in w.items() if k.startswith(f"block_{i}/")}, "gpt")(h, mask)
    h = F.layer_norm(h, (6,), w["normalization/gamma"], w["normalization/beta"])
    return h @ w["tokenEmbedding/embeddings"].T


words = torch.tensor([[3, 6, 1, 1], [2, 5, 0, 0]])
case("gpt", [], gpt_shapes, gpt, whole=False, integers=[words])

last = {n: s for n, s in block_shapes("").items()}
order = [n for n in last if n.startswith("attention/")] + [n for n in last if n.startswith("attentionN")] + ["up/kernel", "up/bias", "down/kernel", "down/bias"] + [n for n in last if n.startswith("feedForwardN")]
front = {"tokenEmbedding/embeddings": (7, 6), "positionEmbedding/positions": (5, 6), "segmentEmbedding/embeddings": (2, 6), "normalization/gamma": (6,), "normalization/beta": (6,),
         **{f"block_0/{n}": last[n] for n in order}}
heads = {
    "none": {},
    "pooler": {**weights((6, 6), 6, "pooler/")},
    "maskedLanguageModel": {**weights((6, 6), 6, "transform/"), "transformNormalization/gamma": (6,), "transformNormalization/beta": (6,), "outputBias": (7,)},
    "classifier": {**weights((6, 6), 6, "pooler/"), **weights((6, 3), 3, "classifier/")},
}


def bert(head):
    shapes = {**front, **heads[head]}

    def forward(tokens, segments, *values):
        w = dict(zip(shapes, values))
        h = w["tokenEmbedding/embeddings"][tokens] + w["positionEmbedding/positions"][: tokens.shape[1]] + w["segmentEmbedding/embeddings"][segments]
        h = F.layer_norm(h, (6,), w["normalization/gamma"], w["normalization/beta"], 1e-12)
        h = layers_of({k[8:]: v for k, v in w.items() if k.startswith("block_0/")}, "bert")(h, src_key_padding_mask=tokens == 0)
        if head == "none":
            return h
        if head == "maskedLanguageModel":
            t = F.layer_norm(F.gelu(h @ w["transform/kernel"] + w["transform/bias"]), (6,), w["transformNormalization/gamma"], w["transformNormalization/beta"], 1e-12)
            return (t @ w["tokenEmbedding/embeddings"].T + w["outputBias"]).softmax(-1)
        pooled = torch.tanh(h[:, 0] @ w["pooler/kernel"] + w["pooler/bias"])
        return pooled if head == "pooler" else (pooled @ w["classifier/kernel"] + w["classifier/bias"]).softmax(-1)
    case(f"bert, {head}", [], shapes, forward, whole=False, integers=[words, torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1]])])


for head in heads:
    bert(head)

# Tables: Gorishniy et al. 2021
norms = lambda at, size: {f"{at}/gamma": (size,), f"{at}/beta": (size,)}
table_shapes = {**weights((3, 4), 4, "first/"), **{k: v for i in (1, 2) for k, v in {
    **norms(f"block_{i}/layer/batchNormalization", 4), **weights((4, 5), 5, f"block_{i}/layer/dense/"), **weights((5, 4), 4, f"block_{i}/layer/dense_1/")}.items()},
    **norms("normalization", 4), **weights((4, 2), 2, "last/")}


def table_resnet(x, *values):
    w = iter(values)
    linear = lambda h: h @ next(w) + next(w)
    normal = lambda h: F.batch_norm(h, None, None, next(w), next(w), training=True, eps=1e-5)
    h = linear(x)
    for _ in range(2):
        h = h + linear(F.relu(linear(normal(h))))
    return linear(F.relu(normal(h)))


case("tabularResNet", [(5, 3)], table_shapes, table_resnet)

gated = lambda i: {**norms(f"block_{i}/feedForwardNormalization", 6), **weights((6, 8), 8, f"block_{i}/up/"), **weights((6, 8), 8, f"block_{i}/gate/"), **weights((8, 6), 6, f"block_{i}/down/")}
ft_shapes = {"token": (1, 1, 6), **weights((6, 18), 18, "block_1/attention/queryKeyValue/"), **weights((6, 6), 6, "block_1/attention/output/"), **gated(1),
             **norms("block_2/attentionNormalization", 6), **weights((6, 6), 6, "block_2/attention/query/"), **weights((6, 12), 12, "block_2/attention/keyValue/"),
             **weights((6, 6), 6, "block_2/attention/output/"), **gated(2), **norms("normalization", 6), **weights((6, 2), 2, "last/")}


def ft_transformer(x, *values):
    w = dict(zip(ft_shapes, values))
    normal = lambda h, at: F.layer_norm(h, (6,), w[at + "/gamma"], w[at + "/beta"])
    linear = lambda h, at: h @ w[at + "/kernel"] + w[at + "/bias"]
    h = torch.cat([w["token"].expand(len(x), 1, 6), x], 1)
    for i in (1, 2):
        seen = h if i == 1 else normal(h, "block_2/attentionNormalization")
        m = nn.MultiheadAttention(6, 2, batch_first=True)
        at = f"block_{i}/attention/"
        parts = ["queryKeyValue"] if i == 1 else ["query", "keyValue"]
        joined = lambda leaf: torch.cat([w[f"{at}{part}/{leaf}"] for part in parts], -1)
        set_weights(m, {"in_proj_weight": joined("kernel").T, "in_proj_bias": joined("bias"), "out_proj.weight": w[at + "output/kernel"].T, "out_proj.bias": w[at + "output/bias"]})
        h = h + m(seen, seen, seen)[0]
        z = normal(h, f"block_{i}/feedForwardNormalization")
        h = h + linear(linear(z, f"block_{i}/up") * F.relu(linear(z, f"block_{i}/gate")), f"block_{i}/down")
    return linear(F.relu(normal(h[:, 0], "normalization")), "last")


case("ftTransformer", [(2, 3, 6)], ft_shapes, ft_transformer)

golden = {"torch": torch.__version__, "cases": cases}
save(__file__, golden)
