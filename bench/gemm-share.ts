/**
 * How much of a training step of a small GPT is matrix products at the rate that the runtime's own MatMul reaches alone: the rest is
 * element-wise work, memory traffic, overhead, and products that run slower than they could.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeText } from './examples.ts'
import { runForJson } from './processes.ts'
import { type ProfileEvent, readProfile } from './profile.ts'
import { compileProgram } from './program.ts'
import type { BenchContext, BenchRecord, Figure } from './record.ts'
import { sizesOf } from './sizes.ts'
import { rounded, summary } from './statistics.ts'

const small = '4,4,128,64,12,65'
const profileSteps = 4

/** Operators of the runtime that are a matrix product, behind its own fusions too. */
const products: ReadonlySet<string> = new Set(['MatMul', 'FusedMatMul', 'Gemm', 'FusedGemm'])

/** A product [batch, m, k] x [batch, k, n]; batch is 1 where the second factor is one matrix. */
type Product = readonly [batch: number, m: number, k: number, n: number]

/** The product of an event: m and n are those of the result, k follows from the size of the first factor, turned or not. */
function productOf({ args }: ProfileEvent): Product {
  const [a, b] = (args?.input_type_shape ?? []).map((shape) => shape.float!)
  const c = args!.output_type_shape![0]!.float!
  const [m, n] = c.slice(-2) as [number, number]
  const k = (a!.at(-1)! * a!.at(-2)!) / m
  const batch = c.slice(0, -2).reduce((x, y) => x * y, 1)
  return b!.length === 2 ? [1, batch * m, k, n] : [batch, m, k, n]
}

/** The distinct products of a run of the step graph, with how often each occurs. */
function productsOf(events: readonly ProfileEvent[]): { product: Product; count: number }[] {
  const nodes = new Map<string, Product>()
  for (const event of events) {
    if (event.cat === 'Node' && event.name.endsWith('_kernel_time') && products.has(event.args?.op_name ?? '')) {
      nodes.set(event.name, productOf(event))
    }
  }
  const found = new Map<string, { product: Product; count: number }>()
  for (const product of nodes.values()) {
    const key = product.join('x')
    found.set(key, { product, count: (found.get(key)?.count ?? 0) + 1 })
  }
  return [...found.values()]
}

async function run(context: BenchContext): Promise<Figure> {
  const shape = context.text('shape')
  sizesOf(shape, small)
  const [steps, threads] = [String(context.number('steps')), String(context.number('threads'))]
  const text = await writeText(context.folder)
  const program = await compileProgram(new URL('./programs/gpt-step.ts', import.meta.url))
  const rates = await compileProgram(new URL('./programs/matmul-times.ts', import.meta.url))
  const prefix = join(context.folder, 'profile')
  await runForJson([process.execPath, program, text, shape, String(profileSteps), threads, prefix])
  const found = productsOf(await readProfile(prefix))
  const list = join(context.folder, 'products.json')
  await writeFile(list, JSON.stringify(found.map(({ product }) => product)))

  const stepTimes: number[] = []
  const best = found.map(() => Infinity)
  for (let round = 1; round <= context.number('rounds'); round++) {
    const step = await runForJson<{ milliseconds: number }>([process.execPath, program, text, shape, steps, threads])
    stepTimes.push(step.milliseconds)
    const times = await runForJson<number[]>([process.execPath, rates, list, threads])
    for (const [i, time] of times.entries()) best[i] = Math.min(best[i]!, time)
    context.progress(
      `round ${round}: step ${step.milliseconds.toFixed(1)} ms, its products alone ${sum(found, best).toFixed(1)} ms`,
    )
  }
  const step = summary(stepTimes)
  const alone = sum(found, best)
  const flop = found.reduce((total, { product, count }) => total + 2 * count * product.reduce((x, y) => x * y, 1), 0)
  return {
    metric: "share of the step that its matrix products would take at the runtime's own best rate",
    value: rounded(alone / step.median),
    ...(shape === small ? { floor: 0.65 } : {}),
    shape,
    ...{ step, products: rounded(alone), gigaflops: rounded(flop / 1e9), rate: rounded(flop / alone / 1e6) },
    list: found.map(({ product, count }, i) => ({
      product: product.join('x'),
      count,
      milliseconds: rounded(best[i]!),
    })),
    rounds: context.number('rounds'),
  }
}

/** Milliseconds of all products, each as often as it occurs. */
function sum(found: readonly { count: number }[], best: readonly number[]): number {
  return found.reduce((total, { count }, i) => total + count * best[i]!, 0)
}

export const gemmShare: BenchRecord = {
  name: 'gemm-share',
  title: 'share of a GPT step that is matrix products at the rate of the runtime alone',
  takes: '1 minute',
  needs: [],
  builds: true,
  options: {
    shape: { default: small, summary: 'layers,heads,width,context,batch,vocabulary' },
    steps: { default: 60, summary: 'steps in each round' },
    rounds: { default: 5, summary: 'times that steps and products take turns' },
    threads: { default: 2, summary: 'threads of both' },
  },
  run,
}
