/** Names of values while a graph is written. ONNX knows values by name, the graph by identity. */
import { QuernError } from '../core/errors.ts'
import type { Node, Value } from '../graph/graph.ts'

/** The names that are visible in a graph: its own and those of the graphs around it. */
export class Scope {
  readonly title: string
  readonly #outer: Scope | undefined
  readonly #nameOf = new Map<Value, string>()
  /** names in use, with the last number given behind each */
  readonly #taken: Map<string, number>

  constructor(title: string, outer?: Scope) {
    this.title = title
    this.#outer = outer
    // One map for the whole model: no name is used twice, not even by two branches of one If.
    this.#taken = outer ? outer.#taken : new Map()
  }

  has(value: Value): boolean {
    return this.#nameOf.has(value) || (this.#outer?.has(value) ?? false)
  }

  /** Whether a graph around this one has named the value. */
  isOuter(value: Value): boolean {
    return this.#outer?.has(value) ?? false
  }

  /** Gives a value its own name; an error when another one has it. */
  keep(value: Value): void {
    if (this.#nameOf.has(value)) throw new QuernError('input', `graph '${this.title}' lists '${value.name}' twice`)
    if (value.name === '' || this.#taken.has(value.name)) {
      throw new QuernError(
        'input',
        `graph '${this.title}' has two values named '${value.name}', or one without a name`,
        {
          hint: 'Inputs, parameters and outputs need names of their own.',
        },
      )
    }
    this.#set(value, value.name)
  }

  /** Gives a value its own name, with a number behind it when the name is taken. */
  declare(value: Value): string {
    const known = this.#nameOf.get(value)
    if (known !== undefined) return known
    const wanted = value.name === '' ? 'value' : value.name
    let name = wanted
    while (this.#taken.has(name)) {
      const count = (this.#taken.get(wanted) ?? 0) + 1
      this.#taken.set(wanted, count)
      name = `${wanted}_${count}`
    }
    return this.#set(value, name)
  }

  #set(value: Value, name: string): string {
    this.#nameOf.set(value, name)
    this.#taken.set(name, 0)
    return name
  }

  /** The name of a value that is visible here. */
  nameOf(value: Value, reader?: Node): string {
    const name = this.#nameOf.get(value) ?? this.#outer?.find(value)
    if (name !== undefined) return name
    const where = reader ? `node '${reader.name}' (${reader.op})` : 'an output'
    throw new QuernError(
      'input',
      `graph '${this.title}' is not valid: ${where} uses '${value.name}', which nothing computes`,
    )
  }

  find(value: Value): string | undefined {
    return this.#nameOf.get(value) ?? this.#outer?.find(value)
  }
}
