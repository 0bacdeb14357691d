/** Versions of the program and of what its results depend on. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

interface PackageFile {
  readonly version: string
}

function versionIn(path: string | URL): string {
  return (JSON.parse(readFileSync(path, 'utf8')) as PackageFile).version
}

/** The version of this package. */
export function version(): string {
  return versionIn(new URL('../../package.json', import.meta.url))
}

/** What a model's numbers depend on, for its manifest. */
export function versions(): Record<string, string> {
  const installed = (name: string): Record<string, string> => {
    try {
      return { [name]: versionIn(createRequire(import.meta.url).resolve(`${name}/package.json`)) }
    } catch {
      return {}
    }
  }
  const { version: node, platform, arch } = process
  return { quern: version(), node: node.slice(1), ...installed('onnxruntime-node'), platform: `${platform} ${arch}` }
}
