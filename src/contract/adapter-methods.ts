/** Names of the methods, for what is imported before a command runs: the checks of `adapter.ts` load a library. */
import type { AdapterSection } from './adapter.ts'

export const adapterMethods: readonly AdapterSection['method'][] = ['lora', 'ia3']
