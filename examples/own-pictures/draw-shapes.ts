/**
 * Draws a small set of pictures to learn from, one folder for each class: `photos/circle/0.png`, ... Stands for the pictures that
 * you have. The same seed draws the same pictures.
 *
 *     node --import ../../scripts/typescript.mjs draw-shapes.ts [folder] [pictures of each class]
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'

export const shapes = ['circle', 'square', 'triangle'] as const
export type Shape = (typeof shapes)[number]

/** Numbers in [0, 1) from a seed: mulberry32, a generator of a few lines that is good enough to place shapes. */
function numbersFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One shape of random size, place, turn and colour on a light ground, as a PNG of 48 x 48. */
export function drawShape(shape: Shape, seed: number): Promise<Uint8Array> {
  const next = numbersFrom(seed * 7919 + shapes.indexOf(shape))
  const radius = 8 + next() * 10
  const [x, y] = [18 + next() * 12, 18 + next() * 12]
  const turn = next() * 90
  const paint = `hsl(${Math.floor(next() * 360)} 70% ${25 + Math.floor(next() * 25)}%)`
  const ground = `hsl(${Math.floor(next() * 360)} 30% ${85 + Math.floor(next() * 12)}%)`
  const corners = shape === 'square' ? 4 : 3
  const points = Array.from({ length: corners }, (_, i) => {
    const angle = (i / corners) * 2 * Math.PI + (turn * Math.PI) / 180
    return `${x + radius * Math.cos(angle)},${y + radius * Math.sin(angle)}`
  })
  const body =
    shape === 'circle'
      ? `<circle cx="${x}" cy="${y}" r="${radius}" fill="${paint}"/>`
      : `<polygon points="${points.join(' ')}" fill="${paint}"/>`
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48"><rect width="48" height="48" fill="${ground}"/>${body}</svg>`
  return sharp(new TextEncoder().encode(svg)).png().toBuffer()
}

/** Writes `count` pictures of every shape below `folder`. */
export async function drawShapes(folder: string, count: number): Promise<void> {
  for (const shape of shapes) {
    await mkdir(join(folder, shape), { recursive: true })
    for (let i = 0; i < count; i++) await writeFile(join(folder, shape, `${i}.png`), await drawShape(shape, i))
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [folder = 'photos', count = '200'] = process.argv.slice(2)
  await drawShapes(folder, Number(count))
  console.log(`wrote ${shapes.length} x ${count} pictures to ${folder}/`)
}
