"""Training steps of the seed's CNN in TensorFlow, the program that it was written in: what model.fit runs for a batch, or a step of one's own,
compiled by XLA or not, whichever is fastest. usage: python tf_cnn_step.py DIR_WITH_MNIST_IDX [STEPS]"""
import sys
from measured_steps import fastest, keep_to_cores, measure_steps
keep_to_cores()
import numpy as np, tensorflow as tf
from tensorflow.keras import layers
folder, steps = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 400
BATCH, TRAINED = 32, 54000
images = np.fromfile(f'{folder}/train-images-idx3-ubyte', dtype=np.uint8)[16:].reshape(-1, 28, 28, 1)[:TRAINED]
labels = np.fromfile(f'{folder}/train-labels-idx1-ubyte', dtype=np.uint8)[8:].astype(np.int32)[:TRAINED]
x, y = tf.constant(images.astype(np.float32) / 255), tf.constant(labels)
order = np.random.default_rng(1).permutation(TRAINED).astype(np.int32)


def network():
    return tf.keras.Sequential([
        layers.Input((28, 28, 1)),
        layers.Conv2D(32, (3, 3), activation='relu'),
        layers.MaxPooling2D((2, 2)),
        layers.Flatten(),
        layers.Dense(128, activation='relu'),
        layers.Dense(10),
    ])


crossentropy = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def keras_stepper(compiled):
    """The function that model.fit calls for each batch, without what fit does around it."""
    model = network()
    model.compile(optimizer='adam', loss=crossentropy, jit_compile=compiled)
    batches = tf.data.Dataset.from_tensor_slices(order).repeat().batch(BATCH, drop_remainder=True)
    batches = batches.map(lambda rows: (tf.gather(x, rows), tf.gather(y, rows))).prefetch(tf.data.AUTOTUNE)
    train, iterator = model.make_train_function() or model.train_function, iter(batches)
    def step(i):
        model.reset_metrics()
        return float(train(iterator)['loss'])
    return step


def own_stepper(compiled):
    model, optimiser = network(), tf.keras.optimizers.Adam()
    optimiser.build(model.trainable_variables)
    @tf.function(jit_compile=compiled)
    def update(rows):
        with tf.GradientTape() as tape: loss = crossentropy(tf.gather(y, rows), model(tf.gather(x, rows), training=True))
        optimiser.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss
    return lambda i: float(update(tf.constant(order[(i * BATCH) % (TRAINED - BATCH):][:BATCH])))


ways = {'own step, XLA': (own_stepper, True), 'own step': (own_stepper, False),
        "fit's step, XLA": (keras_stepper, True), "fit's step": (keras_stepper, False)}
way = fastest({name: make(value) for name, (make, value) in ways.items()}, trials=30)
make, compiled = ways[way]
measure_steps(make(compiled), steps, network().count_params(), f'tensorflow {tf.__version__}', way=way)
