/** The order of very many names without holding them: what follows the beginning that all share is compared as a number, and only equals by their names. */

/** Characters of a key, 7 bits each: exact in a float64. */
const keyLength = 7

/** Positions 0 to count - 1 in the order of their names (by code units), equals in their own order. */
export function orderByName(count: number, nameOf: (position: number) => string): Int32Array {
  const positions = Int32Array.from({ length: count }, (_, i) => i)
  const keys = keysOf(count, nameOf)
  if (!keys) {
    const names = Array.from(positions, nameOf)
    return positions.sort((a, b) => compared(names[a]!, names[b]!) || a - b)
  }
  return positions.sort((a, b) => keys[a]! - keys[b]! || compared(nameOf(a), nameOf(b)) || a - b)
}

const compared = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Undefined where names hold other characters than ASCII's. */
function keysOf(count: number, nameOf: (position: number) => string): Float64Array | undefined {
  let shared = count > 0 ? nameOf(0) : ''
  for (let i = 1; i < count && shared !== ''; i++) {
    const name = nameOf(i)
    let length = Math.min(shared.length, name.length)
    while (!name.startsWith(shared.slice(0, length))) length--
    shared = shared.slice(0, length)
  }
  const keys = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const name = nameOf(i)
    let key = 0
    for (let at = shared.length; at < shared.length + keyLength; at++) {
      const unit = at < name.length ? name.charCodeAt(at) : 0
      if (unit > 127) return undefined
      key = key * 128 + unit
    }
    keys[i] = key
  }
  return keys
}
