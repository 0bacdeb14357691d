/** The profile of a training split, made with the same measures that the server takes of every request. */
import type { Manifest, Preprocessing } from '../../contract/manifest.ts'
import type { Bins, TrainingProfile } from '../../contract/training-profile.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import { answerMeasures } from './answer-measures.ts'
import { binsFrom } from './bins.ts'
import { imageMeasures } from './image-measures.ts'
import type { Measures } from './measures.ts'
import { tableMeasures } from './table-measures.ts'

/** THE table of what is measured of an input, by what makes inputs. */
const byPreprocessing: { [Kind in Preprocessing['kind']]: (manifest: Manifest) => Measures } = {
  image: ({ inputs }) => imageMeasures(inputs[0]!),
  table: ({ preprocessing }) => tableMeasures(preprocessing as Extract<Preprocessing, { kind: 'table' }>),
}

export interface ModelMeasures {
  /** of the graph's inputs */
  readonly inputs: Measures
  /** of its outputs */
  readonly outputs: Measures
}

/** What is measured of a model's examples. */
export function measuresOf(manifest: Manifest): ModelMeasures {
  return { inputs: byPreprocessing[manifest.preprocessing.kind](manifest), outputs: answerMeasures(manifest) }
}

/** Rows of tensors: of the columns of a dataset for `inputs`, of answers for `outputs`. */
export interface ProfiledRows {
  readonly tensors: NamedTensors
  /** along the first axis, one for each example */
  readonly rows: ArrayLike<number>
}

/** @param of the same examples in both */
export function trainingProfile(
  manifest: Manifest,
  of: { readonly inputs: ProfiledRows; readonly outputs: ProfiledRows },
): TrainingProfile {
  const { inputs, outputs } = measuresOf(manifest)
  return {
    format: 1,
    examples: of.inputs.rows.length,
    inputs: binsOf(inputs, of.inputs),
    outputs: binsOf(outputs, of.outputs),
  }
}

function binsOf({ list, read }: Measures, { tensors, rows }: ProfiledRows): Bins[] {
  const columns = list.map(() => new Float64Array(rows.length))
  const into = new Float64Array(list.length)
  for (let i = 0; i < rows.length; i++) {
    read(tensors, rows[i]!, into)
    for (let k = 0; k < into.length; k++) columns[k]![i] = into[k]!
  }
  return list.map((measure, k) => binsFrom(measure, columns[k]!))
}
