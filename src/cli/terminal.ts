/**
 * The two outputs of a command. Results go to stdout: text for people, or JSON and nothing else with --json. Everything said
 * on the way goes to stderr; a live line is drawn there when it is a terminal, and is out of the way of every other line.
 */
import { createColors } from 'picocolors'
import type { Output, World } from './world.ts'

export type Colors = ReturnType<typeof createColors>

/** Milliseconds between two drawings of the live line. */
const frame = 100

/** NO_COLOR (any value but an empty one) wins, then FORCE_COLOR, then whether it is a terminal that knows colours. */
export function wantsColor(output: Output, env: World['env']): boolean {
  if (env.NO_COLOR) return false
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== '0'
  return output.isTTY === true && env.TERM !== 'dumb'
}

export class Terminal {
  /** for stdout */
  readonly colors: Colors
  /** for stderr */
  readonly noteColors: Colors
  readonly json: boolean
  readonly #world: World
  readonly #animated: boolean
  #live = ''
  #drawn = Number.NEGATIVE_INFINITY

  constructor(world: World, json: boolean) {
    this.#world = world
    this.json = json
    this.colors = createColors(wantsColor(world.stdout, world.env))
    this.noteColors = createColors(wantsColor(world.stderr, world.env))
    this.#animated = world.stderr.isTTY === true && world.env.TERM !== 'dumb' && !json
  }

  /** whether `live` shows anything */
  get isAnimated(): boolean {
    return this.#animated
  }

  /** columns of stdout; unlimited when it is no terminal */
  get width(): number {
    const { isTTY, columns } = this.#world.stdout
    return isTTY && columns ? columns : Number.POSITIVE_INFINITY
  }

  /** Text of the result, for people. */
  print(...lines: string[]): void {
    if (this.json) return
    this.clear()
    for (const line of lines) this.#world.stdout.write(`${line}\n`)
  }

  /** The result for programs: the only thing on stdout. */
  document(value: unknown): void {
    if (this.json) this.#world.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
  }

  /** One of many results for programs: a line of JSON. */
  record(value: unknown): void {
    if (this.json) this.#world.stdout.write(`${JSON.stringify(value)}\n`)
  }

  /** Something worth knowing that is no result. */
  note(...lines: string[]): void {
    this.clear()
    for (const line of lines) this.#world.stderr.write(`${line}\n`)
  }

  warn(message: string): void {
    this.note(`${this.noteColors.yellow('warning:')} ${message}`)
  }

  /** Draws the live line over the last one; at most ten a second, the others are left out. */
  live(line: (columns: number) => string): void {
    const now = this.#world.now()
    if (!this.#animated || now - this.#drawn < frame) return
    this.#drawn = now
    this.#live = line(this.#world.stderr.columns ?? 80)
    this.#world.stderr.write(`\r\u001b[2K${this.#live}`)
  }

  /** Takes the live line away. */
  clear(): void {
    if (this.#live === '') return
    this.#live = ''
    this.#drawn = Number.NEGATIVE_INFINITY
    this.#world.stderr.write('\r\u001b[2K')
  }
}
