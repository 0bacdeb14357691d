/**
 * ONNX Runtime in Node.js. The only file that imports onnxruntime-node, and it does so when the first session is made, so
 * that `quern --help` does not wait for it.
 */
import type * as Ort from 'onnxruntime-node'
import type { DType } from '../core/dtype.ts'
import { messageOf, QuernError } from '../core/errors.ts'
import { formatShape, isStatic, unknownDim } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Backend, BoundRun, Device, NamedTensors, PortInfo, Session, SessionOptions } from './backend.ts'
import { isRefusal, isRefusedOutput, refusedOutput, withRefusedOutput } from './refused-output.ts'

type OrtModule = typeof Ort

/** Results whose copies take less time than the error that spares them. */
const freeBytes = 65_536

let loading: Promise<OrtModule> | undefined

function loadRuntime(): Promise<OrtModule> {
  loading ??= import('onnxruntime-node').then(quiet).catch((cause: unknown) => {
    loading = undefined
    throw new QuernError('unsupported', `ONNX Runtime could not be loaded: ${messageOf(cause)}`, {
      hint: 'Install it again with `ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node`.',
      cause,
    })
  })
  return loading
}

function quiet(ort: OrtModule): OrtModule {
  ort.env.logLevel = 'fatal'
  return ort
}

/** Sessions of one backend share nothing but the library. */
export function createNodeBackend(defaults: SessionOptions = {}): Backend {
  return {
    name: 'onnxruntime-node',
    async createSession(model, options = {}) {
      const ort = await loadRuntime()
      const merged = { ...defaults, ...options }
      requireDevice(ort, merged.device ?? 'cpu')
      const bytes = merged.inPlace ? withRefusedOutput(model) : model
      return new NodeSession(ort, await createSession(ort, bytes, merged))
    },
  }
}

/** A native session; an error says whether the model or the device is at fault. */
async function createSession(
  ort: OrtModule,
  model: Uint8Array,
  options: SessionOptions,
): Promise<Ort.InferenceSession> {
  const { device = 'cpu' } = options
  try {
    return await ort.InferenceSession.create(model, sessionOptions(options))
  } catch (cause) {
    // A model that the processor accepts is sound: then it is the device that cannot be used.
    const isSound = device !== 'cpu' && (await createSession(ort, model, { ...options, device: 'cpu' }))
    const why = clean(messageOf(cause))
    if (!isSound) throw new QuernError('unsupported', `the runtime does not accept the model: ${why}`, { cause })
    await isSound.release()
    throw new QuernError('unsupported', `device '${device}' cannot be used: ${why}`, { hint: deviceHint, cause })
  }
}

const deviceHint = "Set device: 'cpu', or install the driver and a build of onnxruntime-node for that device."

/** The devices that this build of the runtime knows; whether the hardware is there shows when a session is made. */
function requireDevice(ort: OrtModule, device: Device): void {
  const supported = ort.listSupportedBackends().map((backend) => backend.name)
  if (!supported.includes(device)) {
    throw new QuernError(
      'unsupported',
      `device '${device}' is not available: this runtime has ${supported.join(', ')}`,
      {
        hint: deviceHint,
      },
    )
  }
}

function sessionOptions(options: SessionOptions): Ort.InferenceSession.SessionOptions {
  const { externalData, packWeights } = options
  return {
    executionProviders: [options.device ?? 'cpu'],
    graphOptimizationLevel: 'all',
    enableMemPattern: options.memoryPattern ?? true,
    // What goes wrong arrives as an exception; what the runtime logs besides means nothing to a user.
    logSeverityLevel: 4,
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
    ...(typeof externalData === 'object' && {
      externalData: [...externalData].map(([path, data]) => ({ path, data })),
    }),
    ...(options.profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: options.profile }),
    extra: {
      session: {
        ...{ set_denormal_as_zero: '1', intra_op: { allow_spinning: '1' } },
        ...(packWeights === false && { disable_prepacking: '1' }),
        ...(typeof externalData === 'string' && { model_external_initializers_file_folder_path: externalData }),
      },
    },
  }
}

class NodeSession implements Session {
  readonly inputs: readonly PortInfo[]
  readonly outputs: readonly PortInfo[]
  readonly #ort: OrtModule
  readonly #session: Ort.InferenceSession
  /** the model has an output that keeps results from being copied */
  readonly #inPlace: boolean

  constructor(ort: OrtModule, session: Ort.InferenceSession) {
    this.#ort = ort
    this.#session = session
    this.inputs = session.inputMetadata.map(portInfo)
    const outputs = session.outputMetadata.map(portInfo)
    this.outputs = outputs.filter(({ name }) => !isRefusedOutput(name))
    this.#inPlace = this.outputs.length < outputs.length
  }

  async run(feeds: NamedTensors, outputs?: readonly string[]): Promise<Record<string, Tensor>> {
    this.#check(feeds)
    const native = this.#native(feeds)
    try {
      const asked = outputs ?? (this.#inPlace ? this.outputs.map(({ name }) => name) : undefined)
      const results = asked ? await this.#session.run(native, [...asked]) : await this.#session.run(native)
      return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, tensorFromOrt(value)]))
    } catch (cause) {
      throw runError(cause)
    }
  }

  bind(feeds: NamedTensors, results: NamedTensors): BoundRun {
    this.#check(feeds)
    const inputs = this.#native(feeds)
    const bytes = Object.values(results).reduce((sum, { data }) => sum + (data as Uint8Array).byteLength, 0)
    const isRefused = this.#inPlace && bytes > freeBytes
    const outputs = { ...(isRefused && refusedOutput), ...this.#native(results) }
    return {
      run: async () => {
        try {
          await this.#session.run(inputs, outputs)
        } catch (cause) {
          if (!isRefused || !isRefusal(messageOf(cause))) throw runError(cause)
        }
      },
    }
  }

  async release(): Promise<void> {
    this.#session.endProfiling()
    await this.#session.release()
  }

  #native(tensors: NamedTensors): Record<string, Ort.Tensor> {
    return Object.fromEntries(
      Object.entries(tensors).map(([name, { dtype, data, shape }]) => [
        name,
        new this.#ort.Tensor(dtype as Ort.Tensor.Type, data as Ort.Tensor.DataType, [...shape]),
      ]),
    )
  }

  /** Names the input that is wrong: the runtime's own message shows only indices of dimensions. */
  #check(feeds: NamedTensors): void {
    for (const { name, dtype, shape } of this.inputs) {
      const fed = feeds[name]
      if (!fed) {
        throw new QuernError(
          'input',
          `the model needs the input '${name}', received ${Object.keys(feeds).join(', ') || 'none'}`,
        )
      }
      if (dtype && fed.dtype !== dtype) {
        throw new QuernError('input', `input '${name}' must be ${dtype}, received ${fed.dtype}`)
      }
      const fits =
        shape?.length === fed.shape.length && shape.every((dim, i) => typeof dim === 'string' || dim === fed.shape[i])
      if (shape && !fits) {
        throw new QuernError(
          'input',
          `input '${name}' must have the shape ${formatShape(shape)}, received ${formatShape(fed.shape)}`,
        )
      }
    }
  }
}

function portInfo(metadata: Ort.InferenceSession.ValueMetadata): PortInfo {
  if (!metadata.isTensor) return { name: metadata.name, dtype: undefined, shape: undefined }
  const shape = metadata.shape.map((dim) => (dim === '' ? unknownDim : dim))
  return { name: metadata.name, dtype: metadata.type as DType, shape: isStatic(shape) ? [...shape] : shape }
}

function tensorFromOrt(value: Ort.Tensor): Tensor {
  return { dtype: value.type as DType, shape: [...value.dims], data: value.data as Tensor['data'] }
}

function runError(cause: unknown): QuernError {
  return new QuernError('input', `the runtime failed: ${clean(messageOf(cause))}`, { cause })
}

/** The runtime's message without the C++ source positions in front. */
function clean(message: string): string {
  return message.replaceAll(/\S+\.(?:cc|h):\d+ \S.*?\) ?/g, '').trim()
}
