/** What a frozen backbone is worth with five recordings of a class: a head on it beside the same network from random weights. */
import type { BenchRecord } from './record.ts'

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
const rounded = (value: number): number => Number(value.toFixed(4))

export const transferKeyword: BenchRecord = {
  name: 'transfer-keyword',
  title:
    'initials of Mandarin syllables from 5 clips each of one speaker, tested on another: points above training from scratch',
  takes: '5 minutes',
  needs: [],
  builds: false,
  options: {
    clips: { default: 5, summary: 'recordings of a class to train on' },
    classes: { default: 10, summary: 'initials, those of most syllables' },
    test: { default: 40, summary: 'unseen recordings of a class, of the other speaker' },
    seeds: { default: 3, summary: 'draws of recordings and initial weights' },
    epochs: { default: 30, summary: 'of the head' },
    scratch: { default: 12, summary: 'epochs of the network from random weights' },
  },
  async run({ number, progress }) {
    const { spotKeywords } = await import('../examples/transfer/keywords.ts')
    const runs = []
    for (let seed = 1; seed <= number('seeds'); seed++) {
      const scores = await spotKeywords({
        ...{ clips: number('clips'), classes: number('classes'), test: number('test'), seed },
        ...{ epochs: number('epochs'), scratchEpochs: number('scratch'), say: progress },
      })
      progress(`seed ${seed}: ${scores.tuned} with the embedding, ${scores.scratch} from scratch, of ${scores.tested}`)
      runs.push(scores)
    }
    const tuned = mean(runs.map((run) => run.tuned))
    const scratch = mean(runs.map((run) => run.scratch))
    return {
      metric: 'accuracy above from scratch',
      unit: 'points',
      value: Number((100 * (tuned - scratch)).toFixed(1)),
      floor: 10,
      ...{ fineTuned: rounded(tuned), fromScratch: rounded(scratch) },
      protocol:
        'other clips of the training speaker choose the learning rate, for both; but classes and augmentation were picked after trials that scored speaker 5',
      runs,
    }
  },
}
