import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ExportTarget } from '../../actions/export.ts'
import { QuernError } from '../../core/errors.ts'
import { type Command, modelOption } from '../command.ts'
import { formatBytes } from '../render/numbers.ts'
import { table } from '../render/table.ts'

const names: Readonly<Record<ExportTarget, string>> = {
  bundle: 'model',
  zip: 'model.zip',
  onnx: 'model.onnx',
  safetensors: 'model.safetensors',
  adapter: 'adapter',
}

export const exportCommand: Command = {
  name: 'export',
  summary: 'write a model in the form that its next user needs',
  options: [
    {
      flags: '--target <form>',
      summary:
        'bundle: a folder; zip: the same as one file; onnx: the graph; safetensors: the parameters; adapter: what was trained beside a base, in the files of PEFT',
      choices: Object.keys(names),
      default: 'bundle',
    },
    {
      flags: '--out <path>',
      summary: 'folder or file to write (default: model, model.zip, model.onnx, model.safetensors, adapter)',
    },
    modelOption,
  ],
  examples: ['quern export --out model', 'quern export --target onnx --out cats.onnx'],
  async run({ world, terminal, services }, _, options) {
    const target = options.target as ExportTarget
    const out = typeof options.out === 'string' ? options.out : names[target]
    const own = target === 'bundle' ? 'quern.json' : target === 'adapter' ? 'adapter_config.json' : undefined
    if (own) await refuseForeignFolder(resolve(world.cwd, out), { out, own, target })
    const { exportModel } = await import('../../actions/export.ts')
    const { files } = await exportModel(await services(), { model: String(options.model), target, out })
    terminal.document({ target, out, files })
    const columns = [
      { title: 'file', value: ({ path }: { path: string }) => path, isWhole: true },
      { title: 'size', value: ({ bytes }: { bytes: number }) => formatBytes(bytes), align: 'right' as const },
    ]
    terminal.print(...table(columns, files, { width: terminal.width, title: terminal.colors.dim }))
    return 0
  },
}

/** A bundle has a README.md of its own: it is not written over that of somebody's project. `own` is the file that shows a folder to be one of these. */
async function refuseForeignFolder(
  path: string,
  { out, own, target }: { readonly out: string; readonly own: string; readonly target: string },
): Promise<void> {
  const entries = await readdir(path).catch((): string[] => [])
  if (entries.length === 0 || entries.includes(own)) return
  throw new QuernError(
    'config',
    `the folder ${out} holds other files, and ${target === 'adapter' ? 'an' : 'a'} ${target} would be mixed with them`,
    {
      hint: 'Choose a new folder with --out, or empty this one.',
    },
  )
}
