/** What files in Hugging Face's layout say: labels of config.json, pixels of preprocessor_config.json, what kind of tokenizer.json it is. Numbers are checked, the rest is passed over. */
import { QuernError } from '../core/errors.ts'
import type { BaseImage, BaseTokenizer } from '../tasks/task.ts'

type Json = Readonly<Record<string, unknown>>

/** `id2label` in the order of its numbers; undefined where there is none, or where it has gaps. */
export function labelsFrom({ id2label }: Json): readonly string[] | undefined {
  if (typeof id2label !== 'object' || id2label === null) return undefined
  const entries = Object.entries(id2label).sort(([a], [b]) => Number(a) - Number(b))
  if (entries.length === 0 || !entries.every(([id], i) => Number(id) === i)) return undefined
  return entries.map(([, label]) => String(label))
}

/**
 * Size, fit and pixels of an image processor; undefined when it is no image processor.
 *
 * @throws QuernError 'input' for numbers that are none
 */
export function imagePreprocessingFrom(json: Json, what: string): BaseImage | undefined {
  const type = String(json.image_processor_type ?? json.feature_extractor_type ?? '')
  const isImage = /Image|ViT|Conv|DeiT|Beit/.test(type) || 'image_mean' in json || 'do_rescale' in json
  if (!isImage) return undefined
  const crops = json.do_center_crop === true
  const size = sizeFrom(crops ? (json.crop_size ?? json.size) : json.size, what)
  const shortest =
    typeof json.size === 'number' ||
    (typeof json.size === 'object' && json.size !== null && 'shortest_edge' in json.size)
  const scale = json.do_rescale === false ? 1 : numberFrom(json.rescale_factor ?? 1 / 255, 'rescale_factor', what)
  const normalizes = json.do_normalize !== false && json.image_mean !== undefined
  const mean = normalizes ? numbersFrom(json.image_mean, 'image_mean', what) : [0]
  const std = normalizes ? numbersFrom(json.image_std ?? [1], 'image_std', what) : [1]
  // The shorter side to size, then the middle: what 'cover' does when nothing stands out beyond the crop.
  return { ...size, fit: crops || shortest ? 'cover' : 'fill', pixels: { scale, mean, std } }
}

/**
 * Kind and size of a tokenizer; its file is carried along.
 *
 * @throws QuernError 'input' for a file of another form
 */
export function tokenizerFrom(json: Json, bytes: Uint8Array, what: string): BaseTokenizer {
  const { type, vocab } = (json.model ?? {}) as Json
  // WordPiece and BPE have an object of numbers by token, Unigram a list of tokens with scores.
  const size = typeof vocab === 'object' && vocab !== null ? Object.keys(vocab).length : undefined
  if (size !== undefined) return { kind: typeof type === 'string' ? type : 'unknown', vocabulary: size, bytes }
  throw new QuernError('input', `${what} has no model.vocab: it is no file of Hugging Face's tokenizers`, {
    hint: 'Save it again: tokenizer.save("tokenizer.json").',
  })
}

function sizeFrom(size: unknown, what: string): { height?: number; width?: number } {
  if (size === undefined) return {}
  if (typeof size === 'number') return { height: numberFrom(size, 'size', what), width: size }
  const { height, width, shortest_edge: shortest } = size as Json
  const side = shortest === undefined ? undefined : numberFrom(shortest, 'size.shortest_edge', what)
  if (side !== undefined) return { height: side, width: side }
  return { height: numberFrom(height, 'size.height', what), width: numberFrom(width, 'size.width', what) }
}

function numberFrom(value: unknown, key: string, what: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
  throw new QuernError('input', `${what}: ${key} must be a number above 0, received ${JSON.stringify(value)}`)
}

function numbersFrom(value: unknown, key: string, what: string): readonly number[] {
  const list = typeof value === 'number' ? [value] : value
  if (Array.isArray(list) && list.length > 0 && list.every((x) => typeof x === 'number' && Number.isFinite(x)))
    return list
  throw new QuernError('input', `${what}: ${key} must be a list of numbers, received ${JSON.stringify(value)}`)
}
