// Entropy-coded data of a sequential JPEG (ITU T.81): Huffman codes to coefficients, F.2.2. The reader's state lives between blocks.
import { place } from './transform'

/** Bits of a code and of its value that one look into a table may settle. */
const lookBits: i32 = 11
const lookBytes: usize = (1 << lookBits) * 4
/** Parts of an entry: the coefficient stands in it; a code ends in it, and its value does not. */
const isWhole: i32 = 1 << 6
const isCode: i32 = 1 << 7

/** What was read and is not used yet, the next bit highest. */
let bits: u64 = 0
let count: i32 = 0
let at: usize = 0
let end: usize = 0
/** bytes that were asked for behind the data */
let lack: i32 = 0

/**
 * A table of codes from its segment of the file (16 counts, then the values in the order of their codes, annex C): entries for the next 11
 * bits, then for longer codes of 12 to 16 bits the first code behind them, aligned to 16 bits, and what is added to a code for its value's place.
 * Returns the number of values, or -1 where the counts are no code.
 */
export function table(spec: usize, target: usize): i32 {
  memory.fill(target, 0, lookBytes)
  const limits = target + lookBytes
  const values = spec + 16
  let code: i32 = 0
  let place: i32 = 0
  for (let length = 1; length <= 16; length++) {
    const some: i32 = load<u8>(spec + length - 1)
    if (code + some > 1 << length) return -1
    store<i32>(limits + 8 * length + 4, place - code)
    for (let i = 0; i < some; i++, code++, place++) {
      if (length <= lookBits) enter(target, code, length, load<u8>(values + place))
    }
    store<i32>(limits + 8 * length, code << (16 - length))
    code <<= 1
  }
  // The values are read in the slow way, from where the file has them.
  store<i32>(limits, <i32>values)
  return place
}

function enter(target: usize, code: i32, length: i32, symbol: i32): void {
  const size = symbol & 15
  const free = lookBits - length
  const first = code << free
  for (let i = 0; i < 1 << free; i++) {
    let entry = isCode | (symbol << 8) | length
    if (size > 0 && size <= free) {
      const raw = i >> (free - size)
      entry = isWhole | ((symbol >> 4) << 8) | (length + size) | (extended(raw, size) << 16)
    }
    store<i32>(target + ((first + i) << 2), entry)
  }
}

/** F.2.2.1: the upper half of the numbers of some bits are positive. */
@inline
function extended(raw: i32, size: i32): i32 {
  return raw < 1 << (size - 1) ? raw - (1 << size) + 1 : raw
}

/** Begins to read at an address; after a restart as well. Four bytes 0xff stand behind the data, so that nobody reads on in fours. */
export function begin(from: usize, to: usize): void {
  bits = 0
  count = 0
  lack = 0
  at = from
  end = to
}

/** The bytes 0xff 0x00 stand for 0xff; any other pair that begins with 0xff is a marker, behind which zeros are read. */
function refillSlowly(): void {
  while (count <= 32) {
    let byte: u64 = 0
    if (at < end) {
      byte = load<u8>(at)
      if (byte == 0xff) {
        if (at + 1 < end && load<u8>(at + 1) == 0) at += 2
        else {
          byte = 0
          lack++
        }
      } else at++
    } else lack++
    bits |= byte << (56 - count)
    count += 8
  }
}

/** Whether none of four bytes is 0xff. */
@inline
function isPlain(word: u32): bool {
  return ((~word - 0x01010101) & word & 0x80808080) == 0
}

/** More than 32 bits; four bytes at once where none of them is 0xff. */
@inline
function refill(): void {
  if (count > 32) return
  const word = load<u32>(at)
  if (isPlain(word)) {
    bits |= (<u64>bswap<u32>(word)) << (32 - count)
    count += 32
    at += 4
  } else refillSlowly()
}

@inline
function drop(length: i32): void {
  bits <<= length
  count -= length
}

/** A code of more than 11 bits; -1 where there is none. */
function longSymbol(tableAt: usize): i32 {
  const limits = tableAt + lookBytes
  const next = <i32>(bits >> 48)
  for (let length = lookBits + 1; length <= 16; length++) {
    if (next >= load<i32>(limits + 8 * length)) continue
    const place = (next >> (16 - length)) + load<i32>(limits + 8 * length + 4)
    drop(length)
    return load<u8>(<usize>load<i32>(limits) + place)
  }
  return -1
}

@inline
function received(size: i32): i32 {
  if (count < size) refill()
  const raw = <i32>(bits >> (64 - size))
  drop(size)
  return extended(raw, size)
}

/** The difference of the block's mean to that of the block before; 1 << 20 where the data are damaged. */
export function difference(tableAt: usize): i32 {
  refill()
  const entry = load<i32>(tableAt + (<usize>(bits >> (64 - lookBits)) << 2))
  // A difference has up to 11 bits and no run, so that an entry may hold it whole.
  if (entry & isWhole) {
    drop(entry & 63)
    return entry >> 16
  }
  let size: i32
  if (entry & isCode) {
    drop(entry & 63)
    size = (entry >> 8) & 255
  } else size = longSymbol(tableAt)
  if (size == 0) return 0
  if (size < 0 || size > 11) return 1 << 20
  return received(size)
}

/**
 * The other 63 coefficients, dequantised, at their places in `block` (int16), which holds zeros before. `quantum` has the table's numbers in the
 * order of the file. Returns the place behind the last one that is not zero, or a number above 64 where the data are damaged.
 */
export function coefficients(tableAt: usize, quantum: usize, block: usize): i32 {
  let k: i32 = 1
  // The state in locals, which the compiler keeps in registers.
  let next = bits
  let left = count
  while (k < 64) {
    if (left <= 32) {
      const word = load<u32>(at)
      if (isPlain(word)) {
        next |= (<u64>bswap<u32>(word)) << (32 - left)
        left += 32
        at += 4
      } else {
        bits = next
        count = left
        refillSlowly()
        next = bits
        left = count
      }
    }
    const entry = load<i32>(tableAt + (<usize>(next >> (64 - lookBits)) << 2))
    if (entry & isWhole) {
      const length = entry & 63
      next <<= length
      left -= length
      k += (entry >> 8) & 15
      put(k, entry >> 16, quantum, block)
      k++
      continue
    }
    let symbol: i32
    if (entry & isCode) {
      const length = entry & 63
      next <<= length
      left -= length
      symbol = (entry >> 8) & 255
    } else {
      bits = next
      count = left
      symbol = longSymbol(tableAt)
      next = bits
      left = count
      if (symbol < 0) return 100
    }
    const size = symbol & 15
    const run = symbol >> 4
    if (size == 0) {
      if (run < 15) break
      k += 16
      continue
    }
    k += run
    // No code and value are longer than 16 + 15 bits.
    put(k, extended(<i32>(next >> (64 - size)), size), quantum, block)
    next <<= size
    left -= size
    k++
  }
  bits = next
  count = left
  return k
}

@inline
function put(k: i32, value: i32, quantum: usize, block: usize): void {
  store<i16>(block + place(k), <i16>(value * <i32>load<u16>(quantum + (<usize>k << 1))))
}

/** Behind the marker RST of this number; -1 where it is not there. */
export function restart(number: i32): i32 {
  // What is read ahead is no more than the bits of the last byte: markers are not read over.
  while (at + 1 < end && load<u8>(at) == 0xff && load<u8>(at + 1) == 0xff) at++
  if (lack * 8 > count || at + 2 > end) return -1
  if (load<u8>(at) != 0xff || load<u8>(at + 1) != 0xd0 + (number & 7)) return -1
  begin(at + 2, end)
  return 0
}

/** Whether more was read than there is. */
export function isShort(): bool {
  return lack * 8 > count
}
