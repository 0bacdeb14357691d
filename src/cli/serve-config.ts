/** Where the server's configuration comes from: the file, then what the command line says. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { parseWith } from '../contract/parse.ts'
import { messageOf, QuernError } from '../core/errors.ts'
import { type ServeConfig, serveConfigSchema } from '../serve/config.ts'
import { type OptionValues, wholeNumber } from './command.ts'
import { loadConfig } from './load-config.ts'

export const serveConfigFile = 'quern.serve.json'

/** Options of `quern serve` go before the file; a key that neither names has its default. */
export async function readServeConfig(cwd: string, options: OptionValues): Promise<ServeConfig> {
  const given = typeof options.config === 'string' ? options.config : undefined
  const path = resolve(cwd, given ?? serveConfigFile)
  const isThere = existsSync(path)
  if (given !== undefined && !isThere) throw new QuernError('config', `there is no file ${given}`)
  const written = isThere ? await loadConfig(path) : {}
  const number = (
    name: 'port' | 'maxBody' | 'drain' | 'workers' | 'memory',
    flag: string,
    least: number,
    most: number,
  ) => (options[name] === undefined ? {} : { [name]: wholeNumber(options[name], flag, least, most) })
  const models = [options.model ?? []].flat().map((model) => ({ model: String(model) }))
  const typed = {
    ...(options.host === undefined ? {} : { host: String(options.host) }),
    ...(models.length === 0 ? {} : { models }),
    ...number('port', '--port', 0, 65_535),
    ...number('maxBody', '--max-body', 1, 4096),
    ...number('drain', '--drain', 0, 3600),
    ...number('workers', '--workers', 1, 256),
    ...number('memory', '--memory', 1, 2 ** 24),
  }
  const isObject = typeof written === 'object' && written !== null
  const merged = isObject ? { ...written, ...typed, ...watchFrom(written, options.logFormat) } : written
  return parseWith(serveConfigSchema, merged, given ?? serveConfigFile)
}

/** What the command line says of the section `watch`. */
function watchFrom(written: object, log: OptionValues[string]): object {
  const { watch = {} } = written as { watch?: unknown }
  return log === undefined || typeof watch !== 'object' ? {} : { watch: { ...watch, log } }
}

/** The texts of the PEM files. */
export function readTls(cwd: string, { tls }: ServeConfig): { key: string; cert: string } | undefined {
  if (!tls) return undefined
  const read = (name: 'key' | 'cert'): string => {
    try {
      return readFileSync(resolve(cwd, tls[name]), 'utf8')
    } catch (cause) {
      throw new QuernError('config', `tls.${name}: ${tls[name]} cannot be read`, { cause })
    }
  }
  const pair = { key: read('key'), cert: read('cert') }
  try {
    createSecureContext(pair)
  } catch (cause) {
    const message = `tls: ${tls.key} and ${tls.cert} must be a private key and its certificate, both PEM, received others (${messageOf(cause)})`
    throw new QuernError('config', message, { cause })
  }
  return pair
}
