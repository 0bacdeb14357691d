/** Writes the forward pass of some objectives: models applied where objectives ask for them, losses, penalties, outputs. */
import { isFloat } from '../core/dtype.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import { resolveDistribution } from '../nn/distribution.ts'
import type { Layer } from '../nn/layer.ts'
import { type TracedParameter, Tracer } from '../nn/trace.ts'
import { Emitter } from '../ops/emitter.ts'
import type { ApplyMode, JointNetwork, Objective, ObjectiveContext } from './network.ts'

export interface JointTrace {
  readonly g: Emitter
  readonly tracer: Tracer
  readonly parameters: readonly TracedParameter[]
  /** scalars by the names of their objectives, without penalties */
  readonly losses: ReadonlyMap<string, Value>
  /** scalars that objectives report beside their losses */
  readonly reports: ReadonlyMap<string, Value>
  readonly outputs: ReadonlyMap<string, Value>
  /** what each model was first applied to */
  readonly applied: ReadonlyMap<string, readonly Value[]>
}

export interface JointTraceOptions {
  readonly batch: number
  readonly training: boolean
  readonly objectives: readonly Objective[]
}

/** A graph for one batch size with the columns as inputs and the objectives' losses in it. */
export function traceJoint(network: JointNetwork, { batch, training, objectives }: JointTraceOptions): JointTrace {
  const g = new Emitter(network.table, new GraphBuilder(training ? 'step' : 'evaluation'))
  const context = new JointContext(network, g, batch, training)
  const losses = new Map(
    objectives.map(({ name, loss }) => [name, scalar(`objective '${name}'`, loss(context))] as const),
  )
  const outputs = new Map(Object.entries(network.outputs?.(context) ?? {}))
  const { tracer, reports, applied } = context
  for (const name of reports.keys()) {
    if (losses.has(name)) throw new QuernError('config', `'${name}' is reported, and is an objective too`)
  }
  return { g, tracer, parameters: [...tracer.parameters.values()], losses, reports, outputs, applied }
}

function scalar(what: string, value: Value): Value {
  if (shapeOf(value).length === 0 && isFloat(dtypeOf(value))) return value
  throw new QuernError('input', `${what} must be a scalar, received ${dtypeOf(value)} ${formatShape(shapeOf(value))}`, {
    hint: 'Take the mean over the batch: c.g.mean(value).',
  })
}

interface Application {
  readonly model: string
  readonly training: boolean
  readonly inputs: readonly Value[]
  readonly result: Value | Readonly<Record<string, Value>>
}

class JointContext implements ObjectiveContext {
  readonly g: Emitter
  readonly batch: number
  readonly training: boolean
  readonly tracer: Tracer
  readonly reports = new Map<string, Value>()
  readonly applied = new Map<string, readonly Value[]>()
  readonly #models: Readonly<Record<string, Layer>>
  readonly #columns: ReadonlyMap<string, Value>
  readonly #draws = new Map<string, { readonly value: Value; readonly key: string }>()
  readonly #applications: Application[] = []

  constructor({ models, columns }: JointNetwork, g: Emitter, batch: number, training: boolean) {
    this.g = g
    this.batch = batch
    this.training = training
    this.tracer = new Tracer(g)
    this.#models = models
    this.#columns = new Map(
      columns.map(({ name, dtype, shape }) => [name, g.builder.input(name, { dtype, shape: [batch, ...shape] })]),
    )
  }

  column(name: string): Value {
    const value = this.#columns.get(name)
    if (value) return value
    throw new QuernError('config', `there is no column '${name}'. ${suggestion(name, this.#columns.keys())}`)
  }

  apply(model: string, inputs: Value | readonly Value[], mode?: ApplyMode): Value {
    const apply = (layer: Layer, values: readonly Value[], training: boolean) =>
      this.tracer.apply(model, layer, values, training)
    return this.#once(model, inputs, mode, apply) as Value
  }

  applyAll(model: string, inputs: Value | readonly Value[], mode?: ApplyMode): Readonly<Record<string, Value>> {
    const apply = (layer: Layer, values: readonly Value[], training: boolean) =>
      this.tracer.applyAll(model, layer, values, training)
    return this.#once(model, inputs, mode, apply) as Readonly<Record<string, Value>>
  }

  #once(
    model: string,
    given: Value | readonly Value[],
    mode: ApplyMode = {},
    apply: (layer: Layer, inputs: readonly Value[], training: boolean) => Application['result'],
  ): Application['result'] {
    const layer = Object.hasOwn(this.#models, model) ? this.#models[model] : undefined
    if (!layer) {
      throw new QuernError('config', `there is no model '${model}'. ${suggestion(model, Object.keys(this.#models))}`)
    }
    const inputs = 'name' in given ? [given] : given
    const training = this.training && (mode.training ?? true)
    const known = this.#applications.find(
      (a) =>
        a.model === model &&
        a.training === training &&
        a.inputs.length === inputs.length &&
        a.inputs.every((value, i) => value === inputs[i]),
    )
    if (known) return known.result
    const run = () => apply(layer, inputs, training)
    const result = model === '' ? run() : this.g.builder.within(model, run)
    this.#applications.push({ model, training, inputs, result })
    if (!this.applied.has(model)) this.applied.set(model, inputs)
    return result
  }

  random(...[site, shape, distribution = 'normal']: Parameters<ObjectiveContext['random']>): Value {
    const resolved = resolveDistribution(distribution)
    const key = JSON.stringify([shape, resolved])
    const known = this.#draws.get(site)
    if (known?.key === key) return known.value
    if (known) {
      throw new QuernError('config', `the random numbers '${site}' are asked for as ${known.key} and as ${key}`, {
        hint: 'Numbers of another shape or distribution need a site of another name.',
      })
    }
    const value = this.tracer.draw(site, shape, resolved)
    this.#draws.set(site, { value, key })
    return value
  }

  report(name: string, value: Value): void {
    if (this.reports.has(name)) throw new QuernError('config', `'${name}' is reported twice`)
    this.reports.set(name, scalar(`what is reported as '${name}'`, value))
  }
}
