/** Hands a trained model out in the form that its next user needs. */

import { type BundleContent, writeBundle } from '../bundle/bundle.ts'
import { memoryFiles, zipBundle } from '../bundle/zip.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import { writeSafetensors } from '../formats/safetensors.ts'
import { constantsOf } from '../graph/graph.ts'
import { readModel } from '../onnx/read.ts'
import { findBundle } from './open-model.ts'
import type { Services } from './services.ts'

export const exportTargets = ['bundle', 'zip', 'onnx', 'safetensors'] as const
export type ExportTarget = (typeof exportTargets)[number]

export interface ExportInput {
  /** run id, 'latest', or path of a bundle */
  readonly model: string
  /** bundle: the folder; zip: the same as one file; onnx: the graph alone; safetensors: the parameters alone */
  readonly target: ExportTarget
  /** a folder for `bundle`, a file for the others */
  readonly out: string
}

/** Writes the files and says which. The bundle's checksums are verified on the way. */
export async function exportModel(
  services: Services,
  { model, target, out }: ExportInput,
): Promise<{ files: { path: string; bytes: number }[] }> {
  if (!exportTargets.includes(target)) {
    throw new QuernError('config', `unknown export target '${target}'. ${suggestion(target, exportTargets)}`)
  }
  const { bundle } = await findBundle(services, model)
  const { files: _, ...manifest } = bundle.manifest
  const content = { model: bundle.model, manifest, profile: bundle.profile }
  if (target === 'bundle') {
    const written = await writeBundle(services.folder(out), content)
    return { files: Object.entries(written.files).map(([name, { bytes }]) => ({ path: `${out}/${name}`, bytes })) }
  }
  const bytes =
    target === 'onnx' ? bundle.model : target === 'zip' ? await zipped(content) : await parametersOf(bundle.model)
  const cut = Math.max(out.lastIndexOf('/'), out.lastIndexOf('\\'))
  await services.folder(cut < 0 ? '.' : out.slice(0, cut) || '/').write(out.slice(cut + 1), bytes)
  return { files: [{ path: out, bytes: bytes.length }] }
}

async function zipped(content: BundleContent): Promise<Uint8Array> {
  const files = memoryFiles()
  await writeBundle(files, content)
  return zipBundle(files, 'the bundle')
}

/** The initializers of the graph under their names: the paths of the parameters. */
async function parametersOf(model: Uint8Array): Promise<Uint8Array> {
  const { graph } = await readModel(model)
  const named = constantsOf(graph).filter((value) => value.name.includes('/') && value.constant?.dtype === 'float32')
  return writeSafetensors({
    tensors: new Map(named.map((value) => [value.name, value.constant!])),
    metadata: { format: 'quern parameters 1' },
  })
}
