"""Training steps of a GPT in JAX: one compiled function a step, whose parameters and moments are given up to it; AdamW by hand.
usage: python jax_gpt_step.py TEXT_FILE LAYERS,HEADS,WIDTH,CONTEXT,BATCH,VOCABULARY [STEPS]"""
from measured_steps import arguments, fastest, keep_to_cores, measure_steps, read_tokens
keep_to_cores()
import functools
import jax, jax.numpy as jnp, numpy as np
file, (L, H, D, T, B, V), steps = arguments()
RATE, BETA1, BETA2, EPSILON, DECAY = 1e-3, 0.9, 0.999, 1e-8, 0.01
rng = np.random.default_rng(1)


def initial():
    normal = lambda *shape: jnp.asarray(rng.normal(0, 0.02, shape), jnp.float32)
    ones, zeros = lambda n: jnp.ones(n, jnp.float32), lambda n: jnp.zeros(n, jnp.float32)
    block = lambda: dict(
        ln1=(ones(D), zeros(D)), ln2=(ones(D), zeros(D)), qkv=(normal(D, 3 * D), zeros(3 * D)), out=(normal(D, D), zeros(D)),
        up=(normal(D, 4 * D), zeros(4 * D)), down=(normal(4 * D, D), zeros(D)))
    return dict(token=normal(V, D), position=normal(T, D), blocks=[block() for _ in range(L)], ln=(ones(D), zeros(D)), head=normal(D, V))


def layer_norm(x, p):
    mean = x.mean(-1, keepdims=True)
    centred = x - mean
    return centred * jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * p[0] + p[1]


mask = np.tril(np.ones((T, T), bool))


def plain_attention(q, k, v):
    """[batch, heads, context, size] each"""
    scores = jnp.einsum('bhqd,bhkd->bhqk', q, k) / np.float32(np.sqrt(D // H))
    return jnp.einsum('bhqk,bhkd->bhqd', jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), -1), v)


def attend(x, block, library):
    q, k, v = jnp.split(x @ block['qkv'][0] + block['qkv'][1], 3, -1)
    heads = [t.reshape(B, T, H, D // H) for t in (q, k, v)]
    if library: y = jax.nn.dot_product_attention(*heads, is_causal=True)
    else: y = plain_attention(*(t.transpose(0, 2, 1, 3) for t in heads)).transpose(0, 2, 1, 3)
    return y.reshape(B, T, D) @ block['out'][0] + block['out'][1]


def loss_of(p, x, y, library):
    h = p['token'][x] + p['position']
    for block in p['blocks']:
        h = h + attend(layer_norm(h, block['ln1']), block, library)
        up = jax.nn.gelu(layer_norm(h, block['ln2']) @ block['up'][0] + block['up'][1], approximate=False)
        h = h + up @ block['down'][0] + block['down'][1]
    logits = layer_norm(h, p['ln']) @ p['head']
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[..., None], -1).mean()


@functools.partial(jax.jit, donate_argnums=(0, 1, 2), static_argnums=6)
def update(p, m, v, t, x, y, library):
    loss, g = jax.value_and_grad(loss_of)(p, x, y, library)
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, g)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, g)
    a, b = 1 - BETA1 ** t, 1 - BETA2 ** t
    p = jax.tree.map(lambda p, m, v: p - RATE * (m / a / (jnp.sqrt(v / b) + EPSILON) + DECAY * p), p, m, v)
    return p, m, v, loss


data = read_tokens(file, V).astype(np.int32)


def stepper(library):
    p = initial()
    state = [p, jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p)]
    t = 0
    def step(i):
        nonlocal t
        t += 1
        at = rng.integers(len(data) - T - 1, size=B)
        x, y = np.stack([data[a:a + T] for a in at]), np.stack([data[a + 1:a + T + 1] for a in at])
        *state[:], loss = update(*state, np.float32(t), x, y, library)
        return float(loss)
    return step


ways = {'attention written out': False, 'jax.nn.dot_product_attention': True}
way = fastest({name: stepper(value) for name, value in ways.items()}, trials=8)
parameters = sum(leaf.size for leaf in jax.tree.leaves(initial()))
measure_steps(stepper(ways[way]), steps, parameters, f'jax {jax.__version__}', way=way)
