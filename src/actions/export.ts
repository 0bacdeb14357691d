/** Hands a trained model out in the form that its next user needs. */

import { type BundleContent, writeBundle } from '../bundle/bundle.ts'
import { memoryFiles, zipBundle } from '../bundle/zip.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import { writeSafetensors } from '../formats/safetensors.ts'
import { constantsOf } from '../graph/graph.ts'
import { readModel } from '../onnx/read.ts'
import { findBundle, under } from './open-model.ts'
import type { Services } from './services.ts'
import { adapterFolder } from './trained-adapter.ts'

export const exportTargets = ['bundle', 'zip', 'onnx', 'safetensors', 'adapter'] as const
export type ExportTarget = (typeof exportTargets)[number]

export interface ExportInput {
  /** run id, 'latest', or path of a bundle */
  readonly model: string
  /** bundle: the folder; zip: the same as one file; onnx: the graph alone; safetensors: the parameters alone; adapter: what was trained beside a base, in PEFT's files */
  readonly target: ExportTarget
  /** a folder for `bundle` and `adapter`, a file for the others */
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
  const { bundle, run } = await findBundle(services, model)
  if (target === 'adapter') return exportAdapter(services, { model, run, out })
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

async function exportAdapter(
  services: Services,
  { model, run, out }: { readonly model: string; readonly run: string | undefined; readonly out: string },
): Promise<{ files: { path: string; bytes: number }[] }> {
  const kept = run === undefined ? undefined : under((await services.runs.open(run)).files, adapterFolder)
  const names = kept ? await kept.list('') : []
  if (!kept || names.length === 0) {
    const what =
      run === undefined
        ? `'${model}' is no run: adapters are kept with the run that trained them`
        : `run ${run} trained no adapter`
    throw new QuernError('missing', what, {
      hint: 'quern runs lists them; quern train --from MODEL --adapter lora trains one.',
    })
  }
  const folder = services.folder(out)
  const files: { path: string; bytes: number }[] = []
  for (const name of names) {
    const bytes = await kept.read(name)
    await folder.write(name, bytes)
    files.push({ path: `${out}/${name}`, bytes: bytes.length })
  }
  return { files }
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
