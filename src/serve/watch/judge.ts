/** How good answers were, by the metrics that the model was trained with: what labels an answer can have, and what they say of it, target by target. */
import { answersOf, type Manifest, targetsOf } from '../../contract/manifest.ts'
import { classificationMetrics, createMeter, type MetricSpec, regressionMetrics } from '../../metrics/index.ts'
import type { ClassificationBatch, RegressionBatch } from '../../metrics/metric.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import { RequestError } from '../request-error.ts'

/** What was right, as clients tell it: a class, a number, the labels of a set, the numbers of a vector. */
export type TargetLabel = string | number | readonly (string | number)[]

/** What a model answered of one target for one example, and what would have been right. */
export interface Judged {
  readonly answer: Float32Array
  /** the place of the class, the number or numbers, or a 1 for each label of the set and 0 for the others */
  readonly truth: readonly number[]
}

/** Of one target: a class, a number, a set of labels or a vector. */
export interface TargetJudge {
  /** the column, of models of several targets; undefined where there is one */
  readonly target: string | undefined
  /** its numbers in an answer: the first, and how many */
  readonly from: number
  readonly width: number
  /** Throws RequestError 422 for what it cannot be. */
  truthFrom(label: TargetLabel): readonly number[]
  /** Metrics by name; those that are not defined, such as of one class alone, are left out. */
  score(judged: readonly Judged[]): Record<string, number>
}

export interface Judge {
  /** outputs of the graph; their numbers for one example, side by side, are an answer */
  readonly outputs: readonly { readonly name: string; readonly width: number }[]
  /** numbers of an answer */
  readonly width: number
  /** one, or several with names */
  readonly targets: readonly TargetJudge[]
}

/** What a target's judge is made of. */
interface Place {
  readonly target: string | undefined
  readonly from: number
  readonly width: number
}

/** Undefined where nothing that a client could tell can be compared with an answer. */
export function judgeOf(manifest: Manifest): Judge | undefined {
  const several = answersOf(manifest)
  if (several) {
    const outputs = several.map(({ output, labels }) => ({ name: output, width: Math.max(1, labels.length) }))
    let width = 0
    const targets = several.map(({ target, labels }) => {
      const place = { target, from: width, width: Math.max(1, labels.length) }
      width += place.width
      return labels.length > 0 ? classJudge(manifest, place, labels) : numberJudge(manifest, place)
    })
    return { outputs, width, targets }
  }
  const { name, shape } = manifest.outputs[0]!
  const width = shape.slice(1).reduce<number>((product, size) => product * Number(size), 1)
  const targets = Number.isInteger(width) && width > 0 ? singleOutput(manifest, width) : undefined
  return targets && { outputs: [{ name, width }], width, targets }
}

function singleOutput(manifest: Manifest, width: number): TargetJudge[] | undefined {
  const { labels, preprocessing, task } = manifest
  const whole: Place = { target: undefined, from: 0, width }
  if (labels.length > 0) {
    if (width !== labels.length) return undefined
    return [task === 'tabular-multilabel' ? setJudge(manifest, whole) : classJudge(manifest, whole, labels)]
  }
  const columns = preprocessing.kind === 'table' ? targetsOf(preprocessing.target) : []
  if (columns.length > 1 && columns.length === width) {
    return columns.map((target, from) => numberJudge(manifest, { target, from, width: 1 }))
  }
  return [numberJudge(manifest, whole)]
}

/** Numbers of all targets for each example, `[examples, judge.width]`; NaN where an output was not asked for. */
export function answersIn(results: NamedTensors, judge: Judge | undefined): Float32Array | undefined {
  if (!judge) return new Float32Array()
  const { outputs, width } = judge
  if (outputs.length === 1) {
    const data = results[outputs[0]!.name]?.data
    return data instanceof Float32Array ? data : undefined
  }
  const rows = outputs.map(({ name }) => results[name]?.shape[0]).find((count) => count !== undefined)
  if (rows === undefined) return undefined
  const answers = new Float32Array(rows * width).fill(Number.NaN)
  let from = 0
  for (const { name, width: own } of outputs) {
    const data = results[name]?.data
    if (data instanceof Float32Array) {
      for (let row = 0; row < rows; row++) answers.set(data.subarray(row * own, (row + 1) * own), row * width + from)
    }
    from += own
  }
  return answers
}

const told = (model: string, target: string | undefined): string =>
  target === undefined ? `model '${model}'` : `the target '${target}' of model '${model}'`

const shown = (label: TargetLabel): string => {
  const text = JSON.stringify(label)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

function placeOf(label: TargetLabel, labels: readonly string[], what: string): number {
  const place = Array.isArray(label) ? -1 : labels.indexOf(String(label))
  if (place >= 0) return place
  const more = labels.length > 10 ? `, and ${labels.length - 10} more` : ''
  throw new RequestError(422, `${what} has no class ${shown(label)}; it has ${labels.slice(0, 10).join(', ')}${more}`)
}

function classJudge({ name, lineage }: Manifest, place: Place, labels: readonly string[]): TargetJudge {
  const classes = labels.length
  return {
    ...place,
    truthFrom: (label) => [placeOf(label, labels, told(name, place.target))],
    score: (judged) =>
      classScores(lineage.config, {
        probabilities: sideBySide(judged, classes),
        classes,
        labels: judged.map(({ truth }) => truth[0]!),
      }),
  }
}

/** Each label of each example is a question of yes or no, as while training. */
function setJudge({ name, labels, lineage }: Manifest, place: Place): TargetJudge {
  const what = told(name, place.target)
  return {
    ...place,
    truthFrom(label) {
      if (!Array.isArray(label)) {
        const example = JSON.stringify(labels.slice(0, 1))
        throw new RequestError(
          422,
          `${what} answers labels that do not exclude each other: a label is the list of those that are right, such as ${example} or [], received ${shown(label)}`,
        )
      }
      const members = new Set(label.map((each) => placeOf(each, labels, what)))
      return labels.map((_, i) => Number(members.has(i)))
    },
    score(judged) {
      const yes = sideBySide(judged, labels.length)
      const probabilities = Float32Array.from({ length: 2 * yes.length }, (_, i) =>
        i % 2 === 1 ? yes[i >> 1]! : 1 - yes[i >> 1]!,
      )
      return classScores(lineage.config, { probabilities, classes: 2, labels: judged.flatMap(({ truth }) => truth) })
    },
  }
}

/** A number, or the numbers of a vector. */
function numberJudge({ name, lineage }: Manifest, place: Place): TargetJudge {
  const { width } = place
  const expected = width === 1 ? 'a number: a label is a number' : `${width} numbers: a label is a list of as many`
  return {
    ...place,
    truthFrom(label) {
      const numbers: readonly unknown[] = width === 1 ? [label] : Array.isArray(label) ? label : []
      if (numbers.length === width && numbers.every(Number.isFinite)) return numbers as readonly number[]
      throw new RequestError(422, `${told(name, place.target)} estimates ${expected}, received ${shown(label)}`)
    },
    score(judged) {
      const predictions = sideBySide(judged, width)
      const batch: RegressionBatch = { predictions, targets: judged.flatMap(({ truth }) => truth), outputs: width }
      return scored(specsOf(lineage.config), ['meanAbsoluteError', 'rootMeanSquaredError', 'r2'], (specs) => {
        const meter = createMeter<RegressionBatch>(regressionMetrics, specs)
        meter.add(batch)
        return meter.values()
      })
    },
  }
}

function classScores(config: Manifest['lineage']['config'], batch: ClassificationBatch): Record<string, number> {
  return scored(specsOf(config), ['accuracy', 'f1'], (specs) => {
    const meter = createMeter<ClassificationBatch>(classificationMetrics, specs)
    meter.add(batch)
    return meter.values()
  })
}

/** `[judged, width]` */
function sideBySide(judged: readonly Judged[], width: number): Float32Array {
  const numbers = new Float32Array(judged.length * width)
  for (const [i, { answer }] of judged.entries()) numbers.set(answer, i * width)
  return numbers
}

/** As the configuration wrote them; a bundle of a stranger may say anything there. */
function specsOf({ metrics }: Manifest['lineage']['config']): readonly MetricSpec[] {
  return Array.isArray(metrics) ? (metrics as MetricSpec[]) : []
}

function scored(
  own: readonly MetricSpec[],
  usual: readonly MetricSpec[],
  compute: (specs: readonly MetricSpec[]) => Record<string, number>,
): Record<string, number> {
  const named = new Set(own.map((spec) => (typeof spec === 'string' ? spec : spec?.name)))
  const values: Record<string, number> = {}
  for (const spec of [...own, ...usual.filter((name) => !named.has(name as string))]) {
    try {
      for (const [key, value] of Object.entries(compute([spec]))) if (Number.isFinite(value)) values[key] = value
    } catch {
      // A metric that does not exist here, or that these answers do not have.
    }
  }
  return values
}
