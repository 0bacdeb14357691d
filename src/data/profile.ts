/** The profile of an image dataset, which `quern inspect` prints and saves: what there is, what is wrong, what to do. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { columnOf, countClasses, type Dataset, exampleName, exampleShape, exampleSize, labelsOf } from './dataset.ts'
import { exactDuplicates, nearDuplicates, type Pictures } from './duplicates.ts'
import type { PictureMode } from './image-decoder.ts'
import type { DuplicateGroup, ImageProfile, OriginalsProfile, Sample } from './image-profile.ts'
import { constantPictures, pixelStatistics } from './pixel-statistics.ts'
import { imageAdvice } from './profile-advice.ts'
import type { SourceReport } from './source.ts'

export interface ProfileInput {
  /** 'train', 'validation' and 'test', or one called 'all' */
  readonly splits: Readonly<Record<string, Dataset>>
  readonly report?: SourceReport
  /** of each storage row, when the source was a folder: all splits then share their columns */
  readonly originals?: readonly { readonly height: number; readonly width: number; readonly mode: PictureMode }[]
  /** look for near duplicates too; default: when there are at most 20,000 pictures */
  readonly near?: boolean
}

const listed = 20

function sample<T>(items: readonly T[]): Sample<T> {
  return { count: items.length, first: items.slice(0, listed) }
}

/** Every example of every split, numbered through. */
interface Everything extends Pictures {
  splitOf(index: number): string
  labelOf(index: number): string
  nameOf(index: number): string
}

function everything(splits: ProfileInput['splits']): Everything {
  const parts = Object.entries(splits).map(([name, dataset]) => {
    const column = columnOf(dataset, 'image')
    const shape = exampleShape(column)
    if (!(column.data instanceof Uint8Array) || shape.length !== 3) {
      throw new QuernError(
        'input',
        `the profile of pictures needs uint8 [n, channels, height, width] in column 'image', ` +
          `received ${column.dtype} ${formatShape(column.shape)} in split '${name}'`,
      )
    }
    return { name, dataset, pixels: column.data, size: exampleSize(column), shape, labels: labelsOf(dataset) }
  })
  const first = parts[0]
  if (!first) throw new QuernError('input', 'a profile needs at least one split, received none')
  const other = parts.find(({ shape }) => shape.some((dim, i) => dim !== first.shape[i]))
  if (other) {
    throw new QuernError(
      'input',
      `pictures of all splits must have one shape: '${first.name}' has ${formatShape(first.shape)}, ` +
        `'${other.name}' has ${formatShape(other.shape)}`,
    )
  }
  const partOf = new Uint8Array(parts.reduce((sum, { dataset }) => sum + dataset.length, 0))
  const positionOf = new Int32Array(partOf.length)
  let at = 0
  for (const [p, { dataset }] of parts.entries()) {
    for (let i = 0; i < dataset.length; i++, at++) [partOf[at], positionOf[at]] = [p, i]
  }
  const part = (i: number): (typeof parts)[number] => parts[partOf[i]!]!
  const [channels, height, width] = first.shape as [number, number, number]
  return {
    count: partOf.length,
    channels,
    height,
    width,
    pixels: (i) => part(i).pixels,
    offset: (i) => part(i).dataset.rows[positionOf[i]!]! * part(i).size,
    splitOf: (i) => part(i).name,
    labelOf: (i) => part(i).dataset.labels[part(i).labels[positionOf[i]!]!] ?? '?',
    nameOf: (i) => exampleName(part(i).dataset, positionOf[i]!),
  }
}

function groupFrom(all: Everything, indices: readonly number[]): DuplicateGroup {
  return {
    examples: indices.map((i) => `${all.splitOf(i)}: ${all.nameOf(i)}`),
    splits: [...new Set(indices.map(all.splitOf))],
    labels: [...new Set(indices.map(all.labelOf))],
  }
}

function duplicatesOf(all: Everything): ImageProfile['duplicates'] {
  const groups = exactDuplicates(all)
  const leaked: Record<string, number> = {}
  for (const group of groups) {
    if (!group.some((i) => all.splitOf(i) === 'train')) continue
    for (const i of group) {
      const split = all.splitOf(i)
      if (split !== 'train') leaked[split] = (leaked[split] ?? 0) + 1
    }
  }
  const described = groups.map((group) => groupFrom(all, group))
  return {
    groups: sample(described),
    extra: groups.reduce((sum, group) => sum + group.length - 1, 0),
    leaked,
    contradictions: sample(described.filter(({ labels }) => labels.length > 1)),
  }
}

function range(values: readonly number[]): OriginalsProfile['height'] {
  const sorted = [...values].sort((a, b) => a - b)
  return { min: sorted[0] ?? 0, median: sorted[sorted.length >> 1] ?? 0, max: sorted.at(-1) ?? 0 }
}

function counted<K extends string>(keys: readonly K[]): [K, number][] {
  const counts = new Map<K, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a)
}

function originalsOf(
  originals: NonNullable<ProfileInput['originals']>,
  height: number,
  width: number,
): OriginalsProfile {
  const sizes = counted(originals.map((o) => `${o.height}x${o.width}`)).slice(0, 5)
  return {
    height: range(originals.map((o) => o.height)),
    width: range(originals.map((o) => o.width)),
    sizes: sizes.map(([size, count]) => {
      const [h, w] = size.split('x').map(Number) as [number, number]
      return { height: h, width: w, count }
    }),
    modes: Object.fromEntries(counted(originals.map((o) => o.mode))),
    enlarged: originals.filter((o) => o.height < height || o.width < width).length,
  }
}

function imbalanceOf(labels: readonly string[], classes: readonly (readonly number[])[]): ImageProfile['imbalance'] {
  const totals = labels.map((_, label) => classes.reduce((sum, counts) => sum + counts[label]!, 0))
  const [most, least] = [Math.max(...totals), Math.min(...totals)]
  const nameAt = (count: number): string => labels[totals.indexOf(count)] ?? ''
  return { largest: nameAt(most), smallest: nameAt(least), ratio: least > 0 ? most / least : most }
}

/** The profile as plain JSON. */
export function profileImages({ splits, report, originals, near }: ProfileInput): ImageProfile {
  const all = everything(splits)
  const seekNear = near ?? all.count <= 20_000
  const labels = Object.values(splits).reduce<readonly string[]>(
    (a, { labels: b }) => (b.length > a.length ? b : a),
    [],
  )
  const parts = Object.entries(splits).map(([name, dataset]) => {
    const classes = countClasses({ ...dataset, labels })
    return [name, { examples: dataset.length, classes }] as const
  })
  const counts = parts.map(([, { classes }]) => classes)
  const duplicates = duplicatesOf(all)
  const profile = {
    kind: 'images' as const,
    examples: all.count,
    shape: [all.channels, all.height, all.width],
    labels,
    splits: Object.fromEntries(parts),
    imbalance: imbalanceOf(labels, counts),
    pixels: pixelStatistics(all, (i) => !splits.train || all.splitOf(i) === 'train'),
    ...(originals ? { originals: originalsOf(originals, all.height, all.width) } : {}),
    broken: report?.broken ?? [],
    ignored: report?.ignored ?? [],
    duplicates,
    ...(seekNear ? { near: sample(nearDuplicates(all).map((pair) => groupFrom(all, pair))) } : {}),
    constant: sample(constantPictures(all).map((i) => `${all.splitOf(i)}: ${all.nameOf(i)}`)),
  }
  return { ...profile, advice: [...(report?.warnings ?? []), ...imageAdvice(profile)] }
}
