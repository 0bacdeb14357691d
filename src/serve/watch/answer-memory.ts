/**
 * The answers of the last requests by their ids, in memory that is taken once. As objects they would live for some seconds each, just long enough for every collection of
 * garbage to move them: most of what it found alive, and of its time, was these.
 */

export interface RememberedAnswers<T> {
  readonly owner: string
  readonly about: T
  /** a copy */
  readonly answers: Float32Array
  /** what is noted here is found again */
  readonly told: Set<number>
}

/** Numbers that there is room for at first. */
const fewestNumbers = 2 ** 16
const nobody = -1
/** An id with a 0 behind it: a UUID has 36. */
const idBytes = 40

export class AnswerMemory<T> {
  readonly #requests: number
  readonly #mostNumbers: number
  /** one request after another in a ring of slots: `#count` from `#first` on */
  #first = 0
  #count = 0
  /** in rows of `idBytes`; ids are ASCII (see gate.ts) */
  readonly #ids: Uint8Array
  /** of those that are longer */
  readonly #longIds: (string | undefined)[] = []
  readonly #owners: string[] = []
  readonly #about: T[] = []
  readonly #told: (Set<number> | undefined)[] = []
  readonly #hashes: Uint32Array
  /** a chain of slots for each remainder of a hash, the newest first */
  readonly #chains: Int32Array
  readonly #next: Int32Array
  /** the numbers of a slot lie in one piece; the next are written at `#head`, or at 0 when there is no room behind it */
  #numbers: Float32Array
  #head = 0
  readonly #from: Uint32Array
  readonly #lengths: Uint32Array

  /**
   * @param requests that are remembered
   * @param numbers of all their answers; with more the oldest are forgotten too
   */
  constructor(requests: number, numbers: number) {
    this.#requests = requests
    this.#mostNumbers = numbers
    this.#ids = new Uint8Array(requests * idBytes)
    this.#hashes = new Uint32Array(requests)
    this.#chains = new Int32Array(2 ** Math.ceil(Math.log2(2 * requests))).fill(nobody)
    this.#next = new Int32Array(requests)
    this.#numbers = new Float32Array(Math.min(fewestNumbers, numbers))
    this.#from = new Uint32Array(requests)
    this.#lengths = new Uint32Array(requests)
  }

  /** Of requests with one id the newest is found. */
  add(id: string, owner: string, about: T, answers: Float32Array): void {
    if (this.#count === this.#requests) this.#forgetOldest()
    // Head and tail are equal in an empty ring alone: none is without numbers.
    const length = Math.max(1, answers.length)
    const from = this.#placeFor(length)
    if (from === undefined) return
    const slot = (this.#first + this.#count++) % this.#requests
    this.#numbers.set(answers, from)
    this.#head = from + length
    this.#from[slot] = from
    this.#lengths[slot] = answers.length
    this.#longIds[slot] = id.length < idBytes ? undefined : id
    if (id.length < idBytes) for (let i = 0; i <= id.length; i++) this.#ids[slot * idBytes + i] = id.charCodeAt(i) || 0
    this.#owners[slot] = owner
    this.#about[slot] = about
    this.#told[slot] = undefined
    const hash = hashOf(id)
    const chain = hash & (this.#chains.length - 1)
    this.#hashes[slot] = hash
    this.#next[slot] = this.#chains[chain]!
    this.#chains[chain] = slot
  }

  find(id: string): RememberedAnswers<T> | undefined {
    let slot = this.#chains[hashOf(id) & (this.#chains.length - 1)]!
    while (slot !== nobody && !this.#isOf(slot, id)) slot = this.#next[slot]!
    if (slot === nobody) return undefined
    const from = this.#from[slot]!
    const told = this.#told[slot] ?? new Set()
    this.#told[slot] = told
    return {
      owner: this.#owners[slot]!,
      about: this.#about[slot]!,
      answers: this.#numbers.slice(from, from + this.#lengths[slot]!),
      told,
    }
  }

  #isOf(slot: number, id: string): boolean {
    if (id.length >= idBytes) return this.#longIds[slot] === id
    if (this.#longIds[slot] !== undefined) return false
    for (let i = 0; i <= id.length; i++) {
      if (this.#ids[slot * idBytes + i] !== (id.charCodeAt(i) || 0)) return false
    }
    return true
  }

  #forgetOldest(): void {
    const slot = this.#first
    const chain = this.#hashes[slot]! & (this.#chains.length - 1)
    const next = this.#next[slot]!
    // It is the last of its chain: those behind it were older.
    if (this.#chains[chain] === slot) this.#chains[chain] = next
    else {
      let before = this.#chains[chain]!
      while (this.#next[before] !== slot) before = this.#next[before]!
      this.#next[before] = next
    }
    this.#told[slot] = undefined
    this.#first = (slot + 1) % this.#requests
    this.#count--
  }

  /** Where so many numbers can be written; undefined when there are more than there is room for. */
  #placeFor(length: number): number | undefined {
    if (length >= this.#mostNumbers) return undefined
    for (;;) {
      if (this.#count === 0 && length < this.#numbers.length) return 0
      if (this.#count > 0) {
        const tail = this.#from[this.#first]!
        const isWrapped = this.#head <= tail
        if (isWrapped && tail - this.#head > length) return this.#head
        if (!isWrapped && this.#numbers.length - this.#head >= length) return this.#head
        if (!isWrapped && tail > length) return 0
      }
      if (this.#numbers.length < this.#mostNumbers) this.#grow(length)
      else this.#forgetOldest()
    }
  }

  /** All that is there moves to the beginning of a larger array. */
  #grow(length: number): void {
    const before = this.#numbers
    this.#numbers = new Float32Array(Math.min(this.#mostNumbers, Math.max(2 * before.length, before.length + length)))
    this.#head = 0
    for (let i = 0; i < this.#count; i++) {
      const slot = (this.#first + i) % this.#requests
      const from = this.#from[slot]!
      this.#numbers.set(before.subarray(from, from + this.#lengths[slot]!), this.#head)
      this.#from[slot] = this.#head
      this.#head += Math.max(1, this.#lengths[slot]!)
    }
  }
}

/** FNV-1a, over the units of the text. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
