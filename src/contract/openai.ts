/** Requests of OpenAI's HTTP API, as far as models here answer them. Keys that would be ignored are errors. */
import { z } from 'zod'

/** A text without a character is a missing value: what a model says of it is not about the text. */
const text = z.string().min(1)
const texts = z.union([text, z.array(text).min(1)])

export interface ModerationRequest {
  model: string
  input: string | string[]
}

export const moderationRequest: z.ZodType<ModerationRequest> = z.strictObject({ model: z.string(), input: texts })

export interface EmbeddingRequest {
  model: string
  input: string | string[]
  encoding_format: 'float' | 'base64'
  dimensions?: number | undefined
  user?: string | undefined
}

export const embeddingRequest: z.ZodType<EmbeddingRequest> = z.strictObject({
  model: z.string(),
  /** tokens as numbers are not taken: they are those of another model */
  input: texts,
  encoding_format: z.enum(['float', 'base64']).default('float'),
  /** no other than the model's own */
  dimensions: z.int().positive().optional(),
  /** changes nothing */
  user: z.string().optional(),
})
