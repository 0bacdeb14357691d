/** A row of probabilities as labels, the best first. */
import type { Manifest } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import type { Prediction } from './task-pipeline.ts'

/** The `count` highest scores; of equal ones the earlier label comes first. Insertion: one pass, and count is small. */
export function bestClasses(
  scores: Float32Array,
  row: number,
  { labels, name }: Pick<Manifest, 'labels' | 'name'>,
  count: number,
): Prediction[] {
  const start = row * labels.length
  const size = Math.min(count, labels.length)
  const places: number[] = []
  for (let i = 0; i < labels.length; i++) {
    const score = scores[start + i]!
    if (!Number.isFinite(score)) {
      throw new QuernError('numeric', `model '${name}' answered ${score} for the label '${labels[i]}'`, {
        hint: 'Its parameters are not finite: train it again.',
      })
    }
    let place = places.length
    while (place > 0 && score > scores[start + places[place - 1]!]!) place--
    if (place >= size) continue
    places.splice(place, 0, i)
    if (places.length > size) places.pop()
  }
  return places.map((i) => ({ label: labels[i]!, score: scores[start + i]! }))
}
