/** What a client did wrong, or what the server cannot take now, as a status and a sentence, and how every other error becomes an answer. */
import { type ErrorKind, QuernError } from '../core/errors.ts'

export type ErrorStatus = 400 | 401 | 403 | 404 | 408 | 409 | 413 | 415 | 422 | 429 | 499 | 500 | 501 | 503 | 504

export interface RequestErrorOptions {
  readonly cause?: unknown
  /** when asking again may help: becomes Retry-After, in whole seconds from 1 up */
  readonly retryAfterSeconds?: number
}

export class RequestError extends Error {
  readonly status: ErrorStatus
  readonly retryAfterSeconds: number | undefined

  constructor(status: ErrorStatus, message: string, options: RequestErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'RequestError'
    this.status = status
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

const statusOfKind: Readonly<Record<ErrorKind, ErrorStatus>> = {
  input: 400,
  missing: 404,
  unsupported: 501,
  config: 500,
  // No model is trained here: its answer to these inputs is no number.
  numeric: 422,
  io: 500,
}

export interface ErrorAnswer {
  readonly status: ErrorStatus
  readonly message: string
  readonly retryAfterSeconds?: number | undefined
}

/** What the client is told. Of errors that are no one's fault but ours it learns nothing but the id, which the log explains. */
export function errorAnswer(error: unknown, id: string): ErrorAnswer {
  if (error instanceof RequestError) {
    const { status, message, retryAfterSeconds } = error
    // Whoever is sent away for lack of room may come back soon.
    return {
      status,
      message,
      retryAfterSeconds: retryAfterSeconds ?? (status === 503 || status === 429 ? 1 : undefined),
    }
  }
  const status = error instanceof QuernError ? statusOfKind[error.kind] : 500
  if (status === 500 || !(error instanceof QuernError)) {
    return { status: 500, message: `the server failed; its log says more about request ${id}` }
  }
  const { message, hint } = error
  return { status, message: hint === undefined ? message : `${message.replace(/\.$/, '')}. ${hint}` }
}

/** Runs `body`; what it says about wrong input is answered with the status. */
export async function inputErrorsAs<T>(status: ErrorStatus, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (error) {
    if (!(error instanceof QuernError) || error.kind !== 'input') throw error
    throw new RequestError(status, errorAnswer(error, '').message, { cause: error })
  }
}
