"""What the peers in Python share: the threads, the clock, the files of examples, and the one JSON line at the end."""
import json, os, sys, time

# Before any framework is imported: each of them reads some of these.
THREADS = int(os.environ.get('BENCH_THREADS', '2'))
for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS', 'TF_NUM_INTRAOP_THREADS'):
    os.environ[name] = str(THREADS)
os.environ['TF_NUM_INTEROP_THREADS'] = str(THREADS)
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ['CUDA_VISIBLE_DEVICES'] = ''

import numpy as np

WARM_UP = 3


def arguments():
    """(file, sizes, steps) of: program FILE SIZES [STEPS]"""
    return sys.argv[1], [int(n) for n in sys.argv[2].split(',')], int(sys.argv[3]) if len(sys.argv) > 3 else 30


def keep_to_cores():
    """As many cores as threads, for frameworks that start a thread a core: to be called before they are imported."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-THREADS:])


def measure_steps(run, steps, parameters, version, **more):
    """Runs the steps (run(i) returns the loss as a number) and prints what programs/measured-steps.ts prints, and the version."""
    losses = [run(i) for i in range(WARM_UP)]
    start, used = time.perf_counter(), time.process_time()
    for i in range(WARM_UP, WARM_UP + steps): losses.append(run(i))
    milliseconds, processor = (time.perf_counter() - start) / steps * 1e3, (time.process_time() - used) / steps * 1e3
    loss = float(np.mean(losses[-10:]))
    line = dict(milliseconds=milliseconds, processor=processor, firstLoss=losses[0], loss=loss, parameters=int(parameters), version=version, **more)
    print(json.dumps(line))


def fastest(ways, trials=2):
    """The name of the way (name -> function of i) whose best trial behind a first run is the shortest, and that time in seconds."""
    best = {}
    for name, run in ways.items():
        run(0)
        for i in range(trials):
            start = time.perf_counter(); run(i + 1)
            best[name] = min(best.get(name, float('inf')), time.perf_counter() - start)
    return min(best, key=best.get)


def read_pictures(file, channels, size):
    """float32 pictures [count, channels, size, size] from 0 to 1, and int64 classes"""
    rows = np.fromfile(file, dtype=np.uint8).reshape(-1, 1 + channels * size * size)
    return rows[:, 1:].reshape(-1, channels, size, size).astype(np.float32) / 255, rows[:, 0].astype(np.int64)


def read_tokens(file, vocabulary):
    """each byte by the order in which it first occurs; those beyond the vocabulary share the last number"""
    raw = open(file, 'rb').read()
    numbers = {byte: i for i, byte in enumerate(list(dict.fromkeys(raw))[:vocabulary - 1])}
    return np.array([numbers.get(byte, vocabulary - 1) for byte in raw], dtype=np.int64)


def windows(i, batch, context, data):
    """the windows of step i and, one further, what comes next: two arrays [batch, context]"""
    at = [((i * batch + row) * 997) % (len(data) - context - 1) for row in range(batch)]
    return np.stack([data[a:a + context] for a in at]), np.stack([data[a + 1:a + context + 1] for a in at])
