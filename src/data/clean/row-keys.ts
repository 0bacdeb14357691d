/**
 * Rows by what they hold, without holding it: 96 bits of a hash and the row, 16 bytes each. Two of a billion different rows share a hash with a
 * probability of 1e-11.
 */
export class RowKeys {
  /** three words of the hash and the row + 1 of each place; 0: free */
  #places: Uint32Array = new Uint32Array(4 * 1024)
  #count = 0

  /** The row that came first with this key; undefined where it is this one. */
  add(key: string, row: number): number | undefined {
    if (2 * this.#count >= this.#places.length / 4) this.#grow()
    const [a, b, c] = hashOf(key)
    const at = this.#find(a, b, c)
    const known = this.#places[at + 3]!
    if (known > 0) return known - 1
    this.#places.set([a, b, c, row + 1], at)
    this.#count++
    return undefined
  }

  #find(a: number, b: number, c: number): number {
    const places = this.#places
    const last = places.length / 4 - 1
    for (let place = a & last; ; place = (place + 1) & last) {
      const at = 4 * place
      if (places[at + 3] === 0) return at
      if (places[at] === a && places[at + 1] === b && places[at + 2] === c) return at
    }
  }

  #grow(): void {
    const old = this.#places
    this.#places = new Uint32Array(2 * old.length)
    for (let at = 0; at < old.length; at += 4) {
      if (old[at + 3] === 0) continue
      this.#places.set(old.subarray(at, at + 4), this.#find(old[at]!, old[at + 1]!, old[at + 2]!))
    }
  }
}

/** Three lanes over the characters, each with a multiplier of its own, mixed with each other (MurmurHash3's finalizer). */
function hashOf(text: string): [number, number, number] {
  let [a, b, c] = [0x9e3779b9, 0x85ebca6b, 0xc2b2ae35]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x2c1b3c6d)
    b = Math.imul(b ^ code, 0x297a2d39)
    c = Math.imul(c ^ code, 0x1b56c4e9)
    a ^= c >>> 15
    b ^= a >>> 13
    c ^= b >>> 16
  }
  return [mixed(a ^ text.length), mixed(b ^ a), mixed(c ^ b)]
}

function mixed(word: number): number {
  let x = word ^ (word >>> 16)
  x = Math.imul(x, 0x85ebca6b)
  x ^= x >>> 13
  x = Math.imul(x, 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}
