/** What a benchmark is: a record in a file of its own; index.ts is the table, main.ts runs one of them. */

/** An option of a record, such as `--steps 400`; its type is that of the default. */
export interface OptionSpec {
  readonly default: number | boolean | string
  readonly summary: string
  /** all that a text may be */
  readonly choices?: readonly string[]
}

/** What a record gets from whoever runs it. */
export interface BenchContext {
  /** value of a numeric option */
  number(option: string): number
  flag(option: string): boolean
  text(option: string): string
  /** an empty folder that is removed afterwards */
  readonly folder: string
  /** a line about how far it is, for the person who waits */
  progress(message: string): void
}

/** What was measured. Whatever else helps to judge the value stands beside it under names of its own. */
export interface Figure {
  /** what `value` is, of scores: 'test accuracy' */
  readonly metric?: string
  /** what `value` is counted in, of everything else: 'ms', 'MB' */
  readonly unit?: string
  readonly value: number
  /** what the value must reach: at least, or where `better` is 'lower' at most; absent where nothing is demanded */
  readonly floor?: number
  /** default 'higher' */
  readonly better?: 'higher' | 'lower'
  /** only where more is demanded than that the value reaches the floor */
  readonly holds?: boolean
  readonly [detail: string]: unknown
}

/** A comparison with somebody else's program, both run in turn. */
export interface SpeedFigure extends Figure {
  readonly ours: Summary
  readonly peer: Summary
  /** how many times as fast ours is: medians, peer / ours */
  readonly ratio: number
  readonly peerCommand: string
  readonly peerVersion: string
  readonly rounds: number
}

/** Several measurements of one thing. */
export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface BenchRecord {
  readonly name: string
  /** one line for --list */
  readonly title: string
  /** how long it takes on a quiet machine of 2 cores */
  readonly takes: string
  /** peers that must be there; their names are those of peers.ts */
  readonly needs: readonly string[]
  /** it measures dist/, which is brought up to date first */
  readonly builds: boolean
  readonly options: Readonly<Record<string, OptionSpec>>
  run(context: BenchContext): Promise<Figure | SpeedFigure>
}

/** Whether a figure is as demanded; one of which nothing is demanded is. */
export function figureHolds({ value, floor, better = 'higher', holds }: Figure): boolean {
  if (holds !== undefined) return holds
  if (floor === undefined) return Number.isFinite(value)
  return better === 'higher' ? value >= floor : value <= floor
}
