/**
 * The SIMD kernels over an arena's memory: what a training step does besides the graph. Vectors are float32, given by
 * the address of their first byte in the memory and a count of elements; sums are float64. Every kernel is one pass
 * and deterministic: the same memory gives the same bits, on any machine. An address outside of the memory traps.
 *
 * The source is assembly/ (AssemblyScript); build.mjs compiles it into generated/wasm.ts.
 */
import { type WasmMemory, webAssembly } from '../webassembly.ts'
import { kernelsBase64 } from './generated/wasm.ts'

/** Where an update finds a run of parameters and their gradients. */
export interface UpdateTarget {
  readonly parameters: number
  readonly gradients: number
  /** elements */
  readonly count: number
}

/** A place in the counter-based generator, see core/random.ts; `step` tells the draws of one stream apart. */
export interface DrawKey {
  /** integer of up to 53 bits */
  readonly seed: number
  /** 32-bit id, such as `createRandom(seed).fork('dropout/1').stream` */
  readonly stream: number
  /** below 2^32; 0 gives the numbers of `createRandom(seed, stream)` */
  readonly step: number
}

export interface SgdScalars {
  /** learning rate times gradient scale */
  readonly rate: number
  /** share of itself that a parameter loses: learning rate * decoupled decay */
  readonly shrink: number
}

export interface AdamScalars {
  /** multiplies the gradients as they are read */
  readonly gradientScale: number
  readonly beta1: number
  readonly beta2: number
  /** learning rate with the bias corrections: learningRate * sqrt(1 - beta2^t) / (1 - beta1^t) */
  readonly rate: number
  /** added to sqrt(v); above 0, else the zero padding of the arena turns into NaN */
  readonly epsilon: number
  readonly shrink: number
}

/** What every adaptive rule is given besides its decays. */
export interface AdaptiveScalars {
  /** multiplies the gradients as they are read */
  readonly gradientScale: number
  readonly rate: number
  /** above 0, else the zero padding of the arena turns into NaN */
  readonly epsilon: number
  readonly shrink: number
}

export interface LambScalars {
  readonly gradientScale: number
  readonly beta1: number
  readonly beta2: number
  /** the bias corrections 1 / (1 - beta1^t) and 1 / (1 - beta2^t) */
  readonly correction1: number
  readonly correction2: number
  readonly epsilon: number
  /** of the weights themselves, inside of the direction */
  readonly decay: number
}

/** A row-major matrix of gradients, and where the means of its squares are. */
export interface FactoredMoments {
  readonly rows: number
  readonly columns: number
  readonly rowSquares: number
  readonly columnSquares: number
}

export interface DirectionScalars {
  readonly gradientScale: number
  readonly rho: number
  /** above 0, else a gradient of zeros turns into NaN */
  readonly epsilon: number
}

export interface Kernels {
  /** w = w - rate * g - shrink * w */
  sgd(target: UpdateTarget, scalars: SgdScalars): void
  /** v = momentum * v + rate * g; w = w - v - shrink * w */
  momentum(target: UpdateTarget, velocity: number, scalars: SgdScalars & { readonly momentum: number }): void
  /** v = momentum * v + rate * g; w = w - momentum * v - rate * g - shrink * w */
  nesterov(target: UpdateTarget, velocity: number, scalars: SgdScalars & { readonly momentum: number }): void
  /**
   * m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; w = w - rate * m / (sqrt(v) + epsilon) - shrink * w
   * (Kingma & Ba, "Adam", 2015; Loshchilov & Hutter, "Decoupled weight decay regularization", 2019)
   */
  adam(target: UpdateTarget, first: number, second: number, scalars: AdamScalars): void

  /**
   * v = rho v + (1 - rho) g^2; step = rate * g / sqrt(v + epsilon); w = w - step - shrink * w. With `mean`, a = rho a + (1 - rho) g
   * and v - a^2 stands below the root. With `velocity`, b = momentum * b + step is the step.
   */
  rmsprop(
    target: UpdateTarget,
    slots: { readonly square: number; readonly mean?: number | undefined; readonly velocity?: number | undefined },
    scalars: AdaptiveScalars & { readonly rho: number; readonly momentum: number },
  ): void
  /** v = v + g^2; w = w - rate * g / sqrt(v + epsilon) - shrink * w */
  adagrad(target: UpdateTarget, sum: number, scalars: AdaptiveScalars): void
  /**
   * v = rho v + (1 - rho) g^2; step = sqrt(d + epsilon) / sqrt(v + epsilon) * g; d = rho d + (1 - rho) step^2;
   * w = w - rate * step - shrink * w
   */
  adadelta(
    target: UpdateTarget,
    square: number,
    moved: number,
    scalars: AdaptiveScalars & { readonly rho: number },
  ): void
  /** m and v as `adam`; w = w - (rate * m + look * g) / (sqrt(v) + epsilon) - shrink * w */
  nadam(target: UpdateTarget, first: number, second: number, scalars: AdamScalars & { readonly look: number }): void
  /** w = w - rate * sign(beta1 m + (1 - beta1) g) - shrink * w; m = beta2 m + (1 - beta2) g; `rate` is not negative */
  lion(target: UpdateTarget, momentum: number, scalars: Omit<AdamScalars, 'epsilon'>): void
  /** m and v as `adam`; the gradient becomes correction1 * m / sqrt(correction2 * v + epsilon) + decay * w */
  lamb(target: UpdateTarget, first: number, second: number, scalars: LambScalars): void

  /**
   * r = rho r + (1 - rho) (mean over each row of g^2 + epsilon), c the same over columns; the gradient becomes
   * g / sqrt(r c / mean(r)) (Shazeer & Stern, "Adafactor", 2018). `rows` times `columns` elements; r and c above 0.
   */
  factoredDirection(target: UpdateTarget, moments: FactoredMoments, scalars: DirectionScalars): void
  /** v = rho v + (1 - rho) (g^2 + epsilon); the gradient becomes g / sqrt(v) */
  wholeDirection(target: UpdateTarget, squares: number, scalars: DirectionScalars): void

  /** y = value */
  fill(y: number, count: number, value: number): void
  /** y = x; the ranges may overlap */
  copy(y: number, x: number, count: number): void
  /** y = factor * y */
  scale(y: number, count: number, factor: number): void
  /**
   * y = 0 where |y| < 2^-90; NaN stays. Averages of gradients that stopped would else end as denormal numbers for
   * ever; many processors handle those a hundred times slower, and WebAssembly cannot switch them off.
   */
  flush(y: number, count: number): void
  /** y = y * x */
  multiply(y: number, x: number, count: number): void
  /** y = y + factor * x */
  axpy(y: number, x: number, count: number, factor: number): void
  /** y = y + rate * (x - y): an exponential moving average of x */
  approach(y: number, x: number, count: number, rate: number): void
  /** y = factor * y, limited to [-limit, limit]; NaN stays NaN */
  clamp(y: number, count: number, factor: number, limit: number): void
  /** g = factor * g + the gradient of l1 * |w| + l2 * w^2, which is l1 * sign(w) + 2 * l2 * w */
  penalty(target: UpdateTarget, factor: number, l1: number, l2: number): void

  /** sum of x^2 */
  sumOfSquares(x: number, count: number): number
  /** sum of |x| */
  sumOfAbsolutes(x: number, count: number): number
  /** index of the first element that is NaN or infinite; -1 when all are finite */
  firstNonFinite(x: number, count: number): number

  /** y = 0 with probability `rate`, in [0, 1), else 1 / (1 - rate); element i takes word i of the stream */
  dropoutMask(y: number, count: number, key: DrawKey, rate: number): void
  /** y = low + (high - low) * u, u in [0, 1) with 32 bits; rounding to float32 may give `high` itself */
  uniform(y: number, count: number, key: DrawKey, low: number, high: number): void
  /** y = mean + deviation * z, z standard normal (Box-Muller), two words each */
  normal(y: number, count: number, key: DrawKey, mean: number, deviation: number): void
}

type Export = (...args: number[]) => number

let compiled: object | undefined

/** The module is compiled once per process; each arena costs an instance. */
function compile(): object {
  compiled ??= new webAssembly.Module(Uint8Array.from(atob(kernelsBase64), (char) => char.charCodeAt(0)))
  return compiled
}

/**
 * Binds the kernels to a memory.
 *
 * @example
 * const kernels = createKernels(arena.memory)
 * const gradients = arena.region('gradients')
 * const norm = Math.sqrt(kernels.sumOfSquares(gradients.byteOffset, gradients.byteLength / 4))
 */
export function createKernels(memory: WasmMemory): Kernels {
  const run = new webAssembly.Instance(compile(), { env: { memory } }).exports as Record<
    keyof Kernels | 'rowSquares' | 'columnSquares',
    Export
  >
  const draw = (kernel: Export, y: number, count: number, { seed, stream, step }: DrawKey, a: number, b: number) => {
    kernel(y, count, seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0, stream, step, a, b)
  }
  return {
    sgd: (at, { rate, shrink }) => void run.sgd(at.parameters, at.gradients, at.count, rate, shrink),
    momentum(at, velocity, { rate, momentum, shrink }) {
      run.momentum(at.parameters, at.gradients, velocity, at.count, rate, momentum, shrink)
    },
    nesterov(at, velocity, { rate, momentum, shrink }) {
      run.nesterov(at.parameters, at.gradients, velocity, at.count, rate, momentum, shrink)
    },
    adam(at, first, second, { gradientScale, beta1, beta2, rate, epsilon, shrink }) {
      const { parameters, gradients, count } = at
      run.adam(parameters, gradients, first, second, count, gradientScale, beta1, beta2, rate, epsilon, shrink)
    },
    rmsprop(at, { square, mean = 0, velocity = 0 }, { gradientScale, rho, rate, epsilon, momentum, shrink }) {
      const { parameters, gradients, count } = at
      const slots = [square, mean, velocity]
      run.rmsprop(parameters, gradients, ...slots, count, gradientScale, rho, rate, epsilon, momentum, shrink)
    },
    adagrad(at, sum, { gradientScale, rate, epsilon, shrink }) {
      run.adagrad(at.parameters, at.gradients, sum, at.count, gradientScale, rate, epsilon, shrink)
    },
    adadelta(at, square, moved, { gradientScale, rho, rate, epsilon, shrink }) {
      run.adadelta(at.parameters, at.gradients, square, moved, at.count, gradientScale, rho, rate, epsilon, shrink)
    },
    nadam(at, first, second, { gradientScale, beta1, beta2, rate, look, epsilon, shrink }) {
      const { parameters, gradients, count } = at
      run.nadam(parameters, gradients, first, second, count, gradientScale, beta1, beta2, rate, look, epsilon, shrink)
    },
    lion(at, momentum, { gradientScale, beta1, beta2, rate, shrink }) {
      run.lion(at.parameters, at.gradients, momentum, at.count, gradientScale, beta1, beta2, rate, shrink)
    },
    lamb(at, first, second, { gradientScale, beta1, beta2, correction1, correction2, epsilon, decay }) {
      const { parameters, gradients, count } = at
      const betas = [beta1, beta2, correction1, correction2]
      run.lamb(parameters, gradients, first, second, count, gradientScale, ...betas, epsilon, decay)
    },
    factoredDirection({ gradients }, { rows, columns, rowSquares, columnSquares }, { gradientScale, rho, epsilon }) {
      run.rowSquares(rowSquares, gradients, rows, columns, gradientScale, rho, epsilon)
      run.columnSquares(columnSquares, gradients, rows, columns, gradientScale, rho, epsilon)
      run.factoredDirection(gradients, rowSquares, columnSquares, rows, columns, gradientScale)
    },
    wholeDirection({ gradients, count }, squares, { gradientScale, rho, epsilon }) {
      run.wholeDirection(gradients, squares, count, gradientScale, rho, epsilon)
    },
    fill: (y, count, value) => void run.fill(y, count, value),
    copy: (y, x, count) => void run.copy(y, x, count),
    scale: (y, count, factor) => void run.scale(y, count, factor),
    flush: (y, count) => void run.flush(y, count),
    multiply: (y, x, count) => void run.multiply(y, x, count),
    axpy: (y, x, count, factor) => void run.axpy(y, x, count, factor),
    approach: (y, x, count, rate) => void run.approach(y, x, count, rate),
    clamp: (y, count, factor, limit) => void run.clamp(y, count, factor, limit),
    penalty: (at, factor, l1, l2) => void run.penalty(at.gradients, at.parameters, at.count, factor, l1, l2),
    sumOfSquares: (x, count) => run.sumOfSquares(x, count),
    sumOfAbsolutes: (x, count) => run.sumOfAbsolutes(x, count),
    firstNonFinite: (x, count) => run.firstNonFinite(x, count),
    dropoutMask(y, count, key, rate) {
      const threshold = Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1)
      draw(run.dropoutMask, y, count, key, threshold, 1 / (1 - rate))
    },
    uniform: (y, count, key, low, high) => draw(run.uniform, y, count, key, low, high),
    normal: (y, count, key, mean, deviation) => draw(run.normal, y, count, key, mean, deviation),
  }
}
