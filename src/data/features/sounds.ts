/**
 * Sounds in a table: WAV files as samples of one rate and length; spectra are taken in the graph (ONNX' STFT), so that the exported model takes samples.
 * Log-mel: log of the power in triangular bands that are equally wide on the mel scale, mel = 2595 log10(1 + f / 700) (O'Shaughnessy 1987; HTK). MFCC:
 * its discrete cosine transform, orthonormal (Davis and Mermelstein 1980).
 */
import { QuernError } from '../../core/errors.ts'
import { float32, int64 } from '../../core/tensor.ts'
import { decodeWav } from '../../formats/wav.ts'
import type { Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { resample } from '../resample.ts'
import { cellBytes } from './cell-bytes.ts'
import { numericOptions } from './number-statistics.ts'
import type { OwnFeature } from './own-feature.ts'

interface Sound {
  /** samples a second */
  readonly rate: number
  readonly samples: number
}

interface Spectrum extends Sound {
  /** samples of a frame, and from one to the next */
  readonly frame: number
  readonly step: number
  /** bands of mel; 0: the bins themselves */
  readonly mels: number
  /** of the cosine transform; 0: none */
  readonly coefficients: number
}

const defaults = { rate: 16_000, seconds: 1 }
const framing = { ...defaults, frameMs: 25, stepMs: 10 }

/** The same for all: samples of a file, mixed to one channel, at the rate, cut or filled up with silence. */
const base = {
  kinds: ['audio'],
  dtype: 'float32',
  shape: ({ samples }: Sound) => [samples],
  async encode({ rate, samples }, cell, into, c) {
    const { channels, rate: found } = decodeWav(await cellBytes(cell, c))
    const mixed = Float32Array.from(
      channels[0]!,
      (_, i) => channels.reduce((sum, x) => sum + x[i]!, 0) / channels.length,
    )
    into.set(resample(mixed, found, rate).subarray(0, samples))
  },
} satisfies Partial<OwnFeature<Sound>>

function spectrumOf(name: string, given: Record<string, number>, mels: number, coefficients: number): Spectrum {
  const { rate, seconds, frameMs, stepMs } = given as Record<keyof typeof framing, number>
  const [samples, frame, step] = [rate * seconds, (rate * frameMs) / 1000, (rate * stepMs) / 1000].map(Math.round) as [
    number,
    number,
    number,
  ]
  if (frame > samples) {
    throw new QuernError(
      'config',
      `feature '${name}': a frame of ${frameMs} ms does not fit into ${seconds} s of sound`,
    )
  }
  return { rate, samples, frame, step, mels, coefficients }
}

/** Power of every frame, float32 [batch, frames, frame / 2 + 1], by a Hann window. */
function power(g: Emitter, { frame, step }: Spectrum, signal: Value): Value {
  const window = Float32Array.from({ length: frame }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / frame))
  const steps = g.constant(int64([], [step]))
  const parts = g.op('STFT', [signal, steps, g.constant(float32([frame], window))], { onesided: 1 })
  return g.sum(g.mul(parts, parts), [3])
}

const melOf = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700)
const hertzOf = (mel: number): number => 700 * (10 ** (mel / 2595) - 1)

/** Triangular bands, row-major [bins, mels]. */
export function melBands(rate: number, frame: number, mels: number): Float32Array {
  const bins = Math.floor(frame / 2) + 1
  const edges = Array.from({ length: mels + 2 }, (_, i) => hertzOf((melOf(rate / 2) * i) / (mels + 1)))
  const bands = new Float32Array(bins * mels)
  for (let bin = 0; bin < bins; bin++) {
    const hertz = (bin * rate) / frame
    for (let mel = 0; mel < mels; mel++) {
      const [low, middle, high] = edges.slice(mel, mel + 3) as [number, number, number]
      const share = Math.min((hertz - low) / (middle - low), (high - hertz) / (high - middle))
      bands[bin * mels + mel] = Math.max(0, share)
    }
  }
  return bands
}

/** The cosine transform of type II, orthonormal, row-major [size, count]. */
function cosines(size: number, count: number): Float32Array {
  const matrix = new Float32Array(size * count)
  for (let n = 0; n < size; n++) {
    for (let k = 0; k < count; k++) {
      const scale = Math.sqrt((k === 0 ? 1 : 2) / size)
      matrix[n * count + k] = scale * Math.cos((Math.PI / size) * (n + 0.5) * k)
    }
  }
  return matrix
}

/** [batch, bands, frames] of log(power + 1e-6), as the state asks for. */
function spectrogram(state: Spectrum, g: Emitter, samples: Value): Value {
  const { rate, frame, mels, coefficients } = state
  const bins = Math.floor(frame / 2) + 1
  const plain = power(g, state, g.unsqueeze(samples, [2]))
  const bands = mels > 0 ? g.matMul(plain, g.constant(float32([bins, mels], melBands(rate, frame, mels)))) : plain
  const logs = g.log(g.add(bands, 1e-6))
  const count = mels > 0 ? mels : bins
  const made =
    coefficients > 0 ? g.matMul(logs, g.constant(float32([count, coefficients], cosines(count, coefficients)))) : logs
  return g.transpose(made, [0, 2, 1])
}

const waveform: OwnFeature<Sound> = {
  ...base,
  name: 'waveform',
  summary: 'audio (WAV): the samples themselves, `rate` (16000) a second, `seconds` (1) of them',
  fit(_, options) {
    const { rate, seconds } = numericOptions('waveform', options, defaults)
    return { rate, samples: Math.round(rate * seconds) }
  },
  graph: (_, { g }, samples) => g.unsqueeze(samples, [1]),
}

const stft: OwnFeature<Spectrum> = {
  ...base,
  name: 'stft',
  summary: 'audio: log power of frames of `frameMs` (25) every `stepMs` (10), `rate` (16000), `seconds` (1)',
  fit: (_, options) => spectrumOf('stft', numericOptions('stft', options, framing), 0, 0),
  graph: (state, { g }, samples) => spectrogram(state, g, samples),
}

const logMel: OwnFeature<Spectrum> = {
  ...base,
  name: 'logMel',
  summary: 'audio: as stft, in `mels` (40) bands of the mel scale',
  fit(_, options) {
    const given = numericOptions('logMel', options, { ...framing, mels: 40 })
    return spectrumOf('logMel', given, Math.round(given.mels), 0)
  },
  graph: (state, { g }, samples) => spectrogram(state, g, samples),
}

const mfcc: OwnFeature<Spectrum> = {
  ...base,
  name: 'mfcc',
  summary: 'audio: `coefficients` (13) of the cosine transform of logMel',
  fit(_, options) {
    const given = numericOptions('mfcc', options, { ...framing, mels: 40, coefficients: 13 })
    return spectrumOf('mfcc', given, Math.round(given.mels), Math.round(given.coefficients))
  },
  graph: (state, { g }, samples) => spectrogram(state, g, samples),
}

/** Their states are known to themselves alone. */
export const soundFeatures: readonly OwnFeature[] = [waveform, stft, logMel, mfcc] as unknown as readonly OwnFeature[]
