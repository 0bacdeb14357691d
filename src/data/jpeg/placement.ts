/** Where a picture's samples stand in the frame that it is made into; sizes and cuts are rounded as libvips rounds them. */
import type { ImageForm } from '../image-decoder.ts'

/** One direction: `count` samples of the frame from `at` on are the samples from `first` on of a picture that is `size` long in all. */
export interface Span {
  readonly size: number
  readonly first: number
  readonly at: number
  readonly count: number
  /** samples of the source for one of the picture */
  readonly shrink: number
}

export interface Placement {
  readonly across: Span
  readonly down: Span
}

/** The placement of a source; undefined where it would be made larger. */
export function placementOf(width: number, height: number, { fit, ...form }: ImageForm): Placement | undefined {
  const [x, y] = [width / form.width, height / form.height]
  const shared = fit === 'cover' ? Math.min(x, y) : Math.max(x, y)
  const [across, down] = fit === 'fill' ? [x, y] : [shared, shared]
  if (across < 1 || down < 1) return undefined
  return { across: spanOf(width, form.width, across), down: spanOf(height, form.height, down) }
}

function spanOf(source: number, frame: number, shrink: number): Span {
  const size = Math.max(1, Math.round(source / shrink))
  if (size >= frame) return { size, first: (size - frame + 1) >> 1, at: 0, count: frame, shrink }
  return { size, first: 0, at: (frame - size) >> 1, count: size, shrink }
}
