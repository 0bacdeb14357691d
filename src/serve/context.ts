/** What the routes share; app.ts makes it. */
import type { Traffic } from './gate.ts'
import type { Models } from './models.ts'

/** What routes are given. */
export interface AppContext {
  readonly models: Models
  readonly version: string
  readonly maxBodyBytes: number
  readonly traffic: () => Traffic
}
