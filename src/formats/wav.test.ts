import { describe, expect, it } from 'vitest'
import { decodeWav } from './wav.ts'

/** A WAV file of one chunk of samples; `extra` stands before it. */
function wav(code: number, bits: number, channels: number, samples: Uint8Array, extra = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(44 + extra.length + samples.length)
  const view = new DataView(bytes.buffer)
  const text = (at: number, word: string) => bytes.set(new TextEncoder().encode(word), at)
  text(0, 'RIFF')
  view.setUint32(4, bytes.length - 8, true)
  text(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, code, true)
  view.setUint16(22, channels, true)
  view.setUint32(24, 8000, true)
  view.setUint16(34, bits, true)
  bytes.set(extra, 36)
  text(36 + extra.length, 'data')
  view.setUint32(40 + extra.length, samples.length, true)
  bytes.set(samples, 44 + extra.length)
  return bytes
}

describe('decodeWav', () => {
  it.each([
    [1, 8, [0, 128, 255], [-1, 0, 127 / 128]],
    [1, 16, [0, 128, 0, 0, 255, 127], [-1, 0, 32_767 / 32_768]],
    [1, 24, [0, 0, 128, 0, 0, 0, 0, 0, 64], [-1, 0, 0.5]],
    [1, 32, [0, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0, 64], [-1, 0, 0.5]],
    [3, 32, [...new Uint8Array(Float32Array.of(-1, 0, 0.25).buffer)], [-1, 0, 0.25]],
  ])('coding %d of %d bits', (code, bits, bytes, expected) => {
    const { channels, rate } = decodeWav(wav(code, bits, 1, Uint8Array.from(bytes)))
    expect(rate).toBe(8000)
    expect([...channels[0]!]).toEqual(expected.map(Math.fround))
  })

  it('tells channels apart and leaves other chunks alone', () => {
    const other = Uint8Array.from([...new TextEncoder().encode('LIST'), 3, 0, 0, 0, 1, 2, 3, 0])
    const { channels } = decodeWav(wav(1, 8, 2, Uint8Array.of(0, 128, 128, 0), other))
    expect(channels.map((samples) => [...samples])).toEqual([
      [-1, 0],
      [0, -1],
    ])
  })

  it.each([
    ['text', new TextEncoder().encode('ID3 not a wave'), /not a WAV file/],
    ['a coding that is not read', wav(6, 8, 1, Uint8Array.of(1)), /coding 6 with 8 bits/],
    ['no samples', wav(1, 8, 1, new Uint8Array(0)).subarray(0, 36), /it has no samples/],
    ['no channels', wav(1, 8, 0, Uint8Array.of(1)), /0 channels at 8000 Hz/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decodeWav(bytes)).toThrow(message)
  })

  it('reads what is there of a file that was cut', () => {
    expect(decodeWav(wav(1, 16, 1, Uint8Array.of(0, 64, 0, 64)).subarray(0, 47)).channels[0]).toEqual(
      Float32Array.of(0.5),
    )
  })
})
