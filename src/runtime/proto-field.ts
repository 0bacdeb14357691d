/** A field of protocol buffers that holds bytes, fewer than 128 together: for the few messages that are written by hand, without a library. */
export function protoField(number: number, ...parts: readonly Iterable<number>[]): number[] {
  const bytes = parts.flatMap((part) => [...part])
  return [(number << 3) | 2, bytes.length, ...bytes]
}
