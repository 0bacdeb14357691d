/**
 * `profile.json` of a bundle: how the inputs and the answers of the training split were spread, as counts in bins. A server compares with
 * it what it is asked now. No example of the data is in it; of columns of names, the commonest ones are.
 */
import { z } from 'zod'

/** Numbers, missing ones apart. Bin 0 counts x <= edges[0], bin i edges[i-1] < x <= edges[i], the last x > edges[last]. */
export interface NumberBins {
  kind: 'numbers'
  name: string
  /** ascending */
  edges: number[]
  /** one more than edges */
  counts: number[]
  missing: number
}

/** Names, such as classes: the commonest ones, and all others together. */
export interface NameBins {
  kind: 'names'
  name: string
  values: string[]
  /** one for each value, then the others */
  counts: number[]
  missing: number
}

export type Bins = NumberBins | NameBins

export interface TrainingProfile {
  format: 1
  /** of the training split that were looked at */
  examples: number
  inputs: Bins[]
  outputs: Bins[]
}

/** Bins of one measure, and measures: more are not watched. */
export const mostBins = 200
export const mostMeasures = 200

/** Characters of a name: longer ones are shortened. */
export const longestName = 500

const name = z.string().max(longestName)
const count = z.int().nonnegative()

const numbers = z
  .strictObject({
    kind: z.literal('numbers'),
    name,
    edges: z.array(z.number()).max(mostBins),
    counts: z.array(count).max(mostBins + 1),
    missing: count,
  })
  .refine(({ edges, counts }) => counts.length === edges.length + 1, "'counts' must have one entry more than 'edges'")
  .refine(({ edges }) => edges.every((edge, i) => i === 0 || edge > edges[i - 1]!), "'edges' must ascend")

const names = z
  .strictObject({
    kind: z.literal('names'),
    name,
    values: z.array(name).max(mostBins),
    counts: z.array(count).max(mostBins + 1),
    missing: count,
  })
  .refine(
    ({ values, counts }) => counts.length === values.length + 1,
    "'counts' must have one entry more than 'values'",
  )

const measures = z.array(z.union([numbers, names])).max(mostMeasures)

export const trainingProfileSchema: z.ZodType<TrainingProfile> = z.strictObject({
  format: z.literal(1),
  examples: count,
  inputs: measures,
  outputs: measures,
})
