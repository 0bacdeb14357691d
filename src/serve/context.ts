/** What the routes share; app.ts makes it. */
import type { Catalog } from './catalog.ts'
import type { Gate } from './gate.ts'
import type { Jobs } from './jobs/jobs.ts'
import type { CatalogChanges } from './sync-catalog.ts'
import type { Watching } from './watch/watching.ts'

/** What routes are given. */
export interface AppContext {
  readonly catalog: Catalog
  /** jobs pass it too */
  readonly gate: Gate
  /** undefined where none are taken */
  readonly jobs?: Jobs | undefined
  readonly version: string
  /** undefined where nothing is watched */
  readonly watching?: Watching | undefined
  readonly maxBodyBytes: number
  /** reads the configuration again and swaps in what changed; undefined where there is none */
  readonly reload?: (() => Promise<CatalogChanges>) | undefined
}
