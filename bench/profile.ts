/** Where the time of a step goes: ONNX Runtime's own profile, summed up by operator. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { rounded, summary } from './statistics.ts'

export interface OperatorShare {
  readonly operator: string
  /** in a run of the graph */
  readonly nodes: number
  readonly milliseconds: number
  /** of the sum over all operators */
  readonly share: number
}

/** What an event of the profile holds, of what is read here (Chrome's trace format; `dur` is in microseconds). */
export interface ProfileEvent {
  readonly cat: string
  readonly name: string
  readonly dur: number
  readonly args?: {
    readonly op_name?: string
    /** dimensions by element type, of each input and output that is there */
    readonly input_type_shape?: readonly Readonly<Record<string, readonly number[]>>[]
    readonly output_type_shape?: readonly Readonly<Record<string, readonly number[]>>[]
  }
}

/** Adds up each node's median over the runs, so that the first run and a disturbed one count for little. Dearest first. */
export function operatorShares(events: readonly ProfileEvent[]): OperatorShare[] {
  const nodes = new Map<string, { operator: string; durations: number[] }>()
  for (const { cat, name, dur, args } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue
    const node = nodes.get(name) ?? { operator: args?.op_name ?? 'unknown', durations: [] }
    node.durations.push(dur / 1000)
    nodes.set(name, node)
  }
  const operators = new Map<string, { nodes: number; milliseconds: number }>()
  for (const { operator, durations } of nodes.values()) {
    const sum = operators.get(operator) ?? { nodes: 0, milliseconds: 0 }
    operators.set(operator, { nodes: sum.nodes + 1, milliseconds: sum.milliseconds + summary(durations).median })
  }
  const total = [...operators.values()].reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  return [...operators]
    .map(([operator, { nodes: count, milliseconds }]) => ({
      ...{ operator, nodes: count, milliseconds: rounded(milliseconds), share: rounded(milliseconds / total) },
    }))
    .sort((a, b) => b.milliseconds - a.milliseconds)
}

/** Events of the profile that the runtime wrote behind a path prefix; of several sessions, of that which wrote most. */
export async function readProfile(prefix: string): Promise<ProfileEvent[]> {
  const names = (await readdir(dirname(prefix))).filter((name) => name.startsWith(basename(prefix)))
  const texts = await Promise.all(names.map((name) => readFile(join(dirname(prefix), name), 'utf8')))
  const longest = texts.toSorted((a, b) => b.length - a.length)[0] ?? '[]'
  return JSON.parse(longest) as ProfileEvent[]
}

/** A line an operator, for a person. */
export function profileLines(shares: readonly OperatorShare[]): string[] {
  return shares.map(
    ({ operator, nodes, milliseconds, share }) =>
      `${`${(100 * share).toFixed(1)}%`.padStart(6)} ${milliseconds.toFixed(2).padStart(9)} ms ${String(nodes).padStart(5)} x ${operator}`,
  )
}
