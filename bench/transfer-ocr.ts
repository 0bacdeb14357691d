/** A recogniser taught a handwriting: characters of unseen words that it reads wrongly, before and after, by all weights and by LoRA. */
import type { FontScores } from '../examples/transfer/read-font.ts'
import type { BenchRecord } from './record.ts'

const rounded = (value: number): number => Number(value.toFixed(4))

export const transferOcr: BenchRecord = {
  name: 'transfer-ocr',
  title: "PP-OCR's recogniser taught a secretary hand: character error after fine-tuning, as a share of that before",
  takes: '4 minutes',
  needs: [],
  builds: false,
  options: {
    train: { default: 240, summary: 'words to train on, a tenth of them to choose the best epoch' },
    test: { default: 300, summary: 'words to test, none of them trained on' },
    epochs: { default: 4, summary: 'of each way' },
    seeds: { default: 1, summary: 'draws of words' },
  },
  async run({ number, progress }) {
    const { teachFont } = await import('../examples/transfer/read-font.ts')
    const runs: FontScores[] = []
    for (let seed = 1; seed <= number('seeds'); seed++) {
      const words = { train: number('train'), test: number('test') }
      runs.push(await teachFont({ epochs: number('epochs'), words, seed, say: progress }))
    }
    const mean = (key: 'before' | 'full' | 'lora') => runs.reduce((sum, run) => sum + run[key], 0) / runs.length
    const [before, full, lora] = [mean('before'), mean('full'), mean('lora')]
    return {
      metric: 'character error after / before',
      value: rounded(full / before),
      floor: 0.5,
      better: 'lower',
      holds: full <= 0.5 * before && lora <= 1.2 * full,
      ...{ before: rounded(before), full: rounded(full), lora: rounded(lora), loraToFull: rounded(lora / full) },
      parameters: runs[0]!.parameters,
      runs,
    }
  },
}
