/** How training deals with classes of which there are few examples: keys of the section `train`. */
import { z } from 'zod'

/** Examples of an epoch, drawn anew in each: of smaller classes more often, or of larger classes fewer. */
export interface SamplingSection {
  /** 'over': smaller classes are repeated; 'under': larger classes are drawn from */
  readonly name: 'over' | 'under'
  /** what the smallest class has of the largest behind it: 1 makes all alike */
  readonly ratio: number
}

export interface ImbalanceSection {
  /** a factor of the loss by class: 'balanced' is examples / (classes * examples of the class), as in scikit-learn; or by label, others 1 */
  readonly classWeights?: 'balanced' | Readonly<Record<string, number>> | undefined
  readonly sampling?: SamplingSection | undefined
  /** focal loss (Lin et al. 2017) in place of cross-entropy: what is easy counts less, by (1 - p)^gamma */
  readonly focal?: { readonly gamma: number } | undefined
}

/** What a user writes. */
export interface ImbalanceInput {
  readonly classWeights?: ImbalanceSection['classWeights']
  readonly sampling?:
    | SamplingSection['name']
    | { readonly name: SamplingSection['name']; readonly ratio?: number | undefined }
    | undefined
  readonly focal?: boolean | { readonly gamma?: number | undefined } | undefined
}

const names = z.enum(['over', 'under'])
const ratio = z.number().positive().max(1).default(1)
const gamma = z.number().nonnegative().max(10).default(2)

interface ImbalanceKeys {
  readonly classWeights: z.ZodType<ImbalanceSection['classWeights'], ImbalanceInput['classWeights']>
  readonly sampling: z.ZodType<ImbalanceSection['sampling'], ImbalanceInput['sampling']>
  readonly focal: z.ZodType<ImbalanceSection['focal'], ImbalanceInput['focal']>
}

export const imbalanceKeys: ImbalanceKeys = {
  classWeights: z.union([z.literal('balanced'), z.record(z.string(), z.number().nonnegative())]).optional(),
  sampling: z
    .union([names.transform((name) => ({ name, ratio: 1 })), z.strictObject({ name: names, ratio })])
    .optional() as unknown as ImbalanceKeys['sampling'],
  focal: z
    .union([z.boolean().transform((on) => (on ? { gamma: 2 } : undefined)), z.strictObject({ gamma })])
    .optional() as unknown as ImbalanceKeys['focal'],
}
