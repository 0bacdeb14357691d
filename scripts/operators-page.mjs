/**
 * `npm run docs:operators`: writes docs/operators.md from the operator table, which is all that Quern knows of operators. A test
 * (test/operators-page.test.ts) fails when the page is not current.
 */
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { root } from './tools.mjs'

/** A text within a cell of a table. */
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

function row(op) {
  const [least, most] = op.inputs
  const inputs = least === most ? least : most >= 1000 ? `${least} or more` : `${least} to ${most}`
  const gradient = typeof op.grad === 'function' ? 'yes' : `no: ${op.grad.none}`
  const smooth = op.smooth ? 'yes' : ''
  const cells = [`\`${op.name}\``, op.domain || 'ONNX', op.since, inputs, cell(gradient), smooth, op.samples.length]
  return `| ${cells.join(' | ')} |`
}

/** The page as text. */
export function operatorsPage(ops, opset) {
  const sorted = [...ops].sort(
    (a, b) => a.name.localeCompare(b.name, 'en') || (a.domain ?? '').localeCompare(b.domain ?? ''),
  )
  const differentiable = ops.filter((op) => typeof op.grad === 'function').length
  return `# Operators

Generated from the table in \`src/ops/\` by \`npm run docs:operators\`; do not edit.

${ops.length} operators, ${differentiable} of them with a gradient. Graphs are written for opset ${opset} of ONNX; older files are
upgraded when they are read. **since**: the opset from which the operator has the form described. **inputs**: how many it takes.
**smooth**: it has a second derivative worth testing, and it is tested. **samples**: calls that \`npm test -- test/operators\` runs against ONNX Runtime, comparing gradients with finite differences.

| operator | domain | since | inputs | gradient | smooth | samples |
| --- | --- | --- | --- | --- | --- | --- |
${sorted.map(row).join('\n')}
`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await import('./typescript.mjs')
  const [{ allOps }, { opset }] = await Promise.all([import('../src/ops/index.ts'), import('../src/ops/op.ts')])
  writeFileSync(`${root}/docs/operators.md`, operatorsPage(allOps, opset))
  console.log(`wrote docs/operators.md: ${allOps.length} operators`)
}
