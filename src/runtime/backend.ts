/**
 * What Quern asks of a runtime: load a model, run it. One call of `run` executes a whole graph; a training step is one run.
 * Adapters: onnxruntime-node.ts, later onnxruntime-web.ts. Nothing outside this folder knows which one it holds.
 */
import type { DType } from '../core/dtype.ts'
import type { Shape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'

/** Where graphs run. `cpu` is always there; the others need a device and a build of the runtime that supports it. */
export type Device = 'cpu' | 'cuda' | 'webgpu' | 'coreml' | 'dml'

export interface SessionOptions {
  readonly device?: Device
  /** threads inside one operator; default: the runtime's choice, one a physical core */
  readonly threads?: number
  /**
   * plans the memory of a run as one block once its first run is known; default true. The block comes beside what the first run took, so that graphs with
   * large values, such as a training step, peak at up to twice of what they need.
   */
  readonly memoryPattern?: boolean
  /** side files with large tensors, by their path relative to the model, or the folder that they lie in: then they are mapped into memory */
  readonly externalData?: ReadonlyMap<string, Uint8Array> | string
  /** turns weights into copies that products run faster on, and fuses nodes; default true. False for a model that runs once. */
  readonly packWeights?: boolean
  /**
   * what `bind` gives memory to is not copied besides; default false. For sessions of large bound results, such as training steps: it costs a copy of the model's
   * bytes once, and some 0.03 ms a run where results are large (runtime/refused-output.ts).
   */
  readonly inPlace?: boolean
  /**
   * reshapes that follow each other stay apart; default false. For graphs with gates (ops/after.ts): the runtime takes the shape of the first one for a constant, loses what
   * the gate waits for, and refuses the graph (ReshapeFusion, ONNX Runtime 1.30.0)
   */
  readonly keepReshapes?: boolean
  /**
   * a run computes before `run` returns, where the runtime can do so (`Session.runNow`), and the event loop gets no turn between runs that follow each other; default false: it computes
   * in the next turn
   */
  readonly immediate?: boolean
  /** path prefix of a JSON profile (Chrome trace format) that is written when the session is released */
  readonly profile?: string
}

export interface PortInfo {
  readonly name: string
  readonly dtype: DType | undefined
  readonly shape: Shape | undefined
}

/** Tensors by the names of graph inputs or outputs. */
export type NamedTensors = Readonly<Record<string, Tensor>>

/** Inputs and outputs fixed once: each run reads and writes the same memory, with no copy and no allocation. */
export interface BoundRun {
  run(): Promise<void>
}

export interface Session {
  readonly inputs: readonly PortInfo[]
  readonly outputs: readonly PortInfo[]
  /** Runs once; results are new tensors. Without `outputs`, all are computed. */
  run(feeds: NamedTensors, outputs?: readonly string[]): Promise<Record<string, Tensor>>
  /** The same without a promise, where `run` computes before it returns; absent where it computes in the next turn of the event loop, or elsewhere. */
  readonly runNow?: ((feeds: NamedTensors, outputs?: readonly string[]) => Record<string, Tensor>) | undefined
  /** Fixes where inputs are read from and where outputs are written to. */
  bind(feeds: NamedTensors, results: NamedTensors): BoundRun
  /** Frees the native memory. A released session must not be used again. */
  release(): Promise<void>
}

export interface Backend {
  /** such as 'onnxruntime-node 1.30.0' */
  readonly name: string
  /**
   * whether sessions of these options write a bound result when its node computes it, and not again: then results may share memory, where all that read the
   * one must be done before the other is computed. Default: they may not.
   */
  writesAtOnce?(options?: SessionOptions): boolean
  /** Gives back what building graphs and sessions took of the process' memory; takes as long as a collection of all garbage. Default: nothing is given back. */
  giveMemoryBack?(): Promise<void>
  createSession(model: Uint8Array, options?: SessionOptions): Promise<Session>
}
