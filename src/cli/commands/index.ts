/** THE table of commands, in the order of a user's way. */
import type { Command } from '../command.ts'
import { config } from './config.ts'
import { evaluate } from './evaluate.ts'
import { exportCommand } from './export.ts'
import { init } from './init.ts'
import { inspect } from './inspect.ts'
import { keys } from './keys.ts'
import { payloads } from './payloads.ts'
import { predict } from './predict.ts'
import { runs } from './runs.ts'
import { serve } from './serve.ts'
import { train } from './train.ts'

export const commands: readonly Command[] = [
  init,
  inspect,
  train,
  evaluate,
  predict,
  exportCommand,
  serve,
  keys,
  payloads,
  runs,
  config,
]
