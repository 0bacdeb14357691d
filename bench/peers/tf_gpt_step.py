"""Training steps of a GPT in TensorFlow: one tf.function a step, compiled by XLA or not, whichever is faster; Keras' AdamW.
usage: python tf_gpt_step.py TEXT_FILE LAYERS,HEADS,WIDTH,CONTEXT,BATCH,VOCABULARY [STEPS]"""
from measured_steps import arguments, fastest, keep_to_cores, measure_steps, read_tokens
keep_to_cores()
import numpy as np, tensorflow as tf
file, (L, H, D, T, B, V), steps = arguments()
rng = np.random.default_rng(1)


class GPT(tf.Module):
    def __init__(self):
        super().__init__()
        normal = lambda *shape: tf.Variable(rng.normal(0, 0.02, shape).astype(np.float32))
        linear = lambda i, o: (normal(i, o), tf.Variable(tf.zeros(o)))
        norm = lambda: (tf.Variable(tf.ones(D)), tf.Variable(tf.zeros(D)))
        self.token, self.position, self.ln, self.head = normal(V, D), normal(T, D), norm(), normal(D, V)
        self.blocks = [
            dict(ln1=norm(), ln2=norm(), qkv=linear(D, 3 * D), out=linear(D, D), up=linear(D, 4 * D), down=linear(4 * D, D))
            for _ in range(L)
        ]

    def loss(self, x, y):
        h = tf.gather(self.token, x) + self.position
        h = tf.reshape(h, (B * T, D))
        for block in self.blocks:
            h += attend(layer_norm(h, block['ln1']), block)
            up = tf.nn.gelu(tf.nn.bias_add(layer_norm(h, block['ln2']) @ block['up'][0], block['up'][1]), approximate=False)
            h += tf.nn.bias_add(up @ block['down'][0], block['down'][1])
        logits = layer_norm(h, self.ln) @ self.head
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.reshape(y, (-1,)), logits))


def layer_norm(x, p):
    mean, variance = tf.nn.moments(x, -1, keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, p[1], p[0], 1e-5)


minus_infinity = tf.constant(np.triu(np.full((T, T), -1e9, np.float32), 1))


def attend(x, block):
    qkv = tf.reshape(tf.nn.bias_add(x @ block['qkv'][0], block['qkv'][1]), (B, T, 3, H, D // H))
    q, k, v = tf.unstack(tf.transpose(qkv, (2, 0, 3, 1, 4)))
    scores = tf.matmul(q, k, transpose_b=True) * np.float32(1 / np.sqrt(D // H)) + minus_infinity
    y = tf.reshape(tf.transpose(tf.nn.softmax(scores) @ v, (0, 2, 1, 3)), (B * T, D))
    return tf.nn.bias_add(y @ block['out'][0], block['out'][1])


data = read_tokens(file, V).astype(np.int32)


def stepper(compiled):
    model = GPT()
    variables = model.trainable_variables
    optimiser = tf.keras.optimizers.AdamW(1e-3, weight_decay=0.01, epsilon=1e-8)
    optimiser.build(variables)
    @tf.function(jit_compile=compiled)
    def update(x, y):
        with tf.GradientTape() as tape: loss = model.loss(x, y)
        optimiser.apply(tape.gradient(loss, variables), variables)
        return loss
    def step(i):
        at = rng.integers(len(data) - T - 1, size=B)
        x, y = np.stack([data[a:a + T] for a in at]), np.stack([data[a + 1:a + T + 1] for a in at])
        return float(update(tf.constant(x), tf.constant(y)))
    step.parameters = sum(int(np.prod(v.shape)) for v in variables)
    return step


ways = {'XLA': True, 'without XLA': False}
way = fastest({name: stepper(value) for name, value in ways.items()}, trials=8)
step = stepper(ways[way])
measure_steps(step, steps, step.parameters, f'tensorflow {tf.__version__}', way=way)
