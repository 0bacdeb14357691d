/** What a reader must not conclude from a report: sentences computed from its numbers, most serious first. */
import type { ClassificationReport } from './classification.ts'
import { countOf, digitsFor, percent, percentRange, whole } from './format.ts'
import type { ReportInput } from './report-input.ts'

export interface Limit {
  readonly title: string
  readonly text: string
}

/** `a, b and 3 more` */
function list(names: readonly string[], most = 6): string {
  const shown = names.slice(0, most)
  const rest = names.length - shown.length
  if (rest > 0) return `${shown.join(', ')} and ${rest} more`
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`
}

function ofTheTestSet({ examples, accuracyInterval, perClass }: ClassificationReport): Limit[] {
  const limits: Limit[] = []
  const width = accuracyInterval.high - accuracyInterval.low
  if (width > 0.04) {
    limits.push({
      title: 'The test set is small',
      text: `With ${countOf(examples, 'example')} the true accuracy may be anywhere in ${percentRange(accuracyInterval)}. Two models whose intervals overlap this much cannot be ranked.`,
    })
  }
  const absent = perClass.filter((row) => row.support === 0)
  if (absent.length > 0) {
    limits.push({
      title: `${countOf(absent.length, 'class', 'classes')} without a test example`,
      text: `Nothing is known about ${list(absent.map((row) => row.label))}. ${absent.length === 1 ? 'It counts' : 'They count'} as 0 in the macro averages.`,
    })
  }
  const rare = perClass.filter((row) => row.support > 0 && row.support < 30)
  if (rare.length > 0) {
    limits.push({
      title: 'Some classes have few examples',
      text: `${list(rare.map((row) => `${row.label} (${whole(row.support)})`))}: fewer than 30 test examples each, so ${rare.length === 1 ? 'its row is a rough guess' : 'their rows are rough guesses'}.`,
    })
  }
  const largest = perClass.reduce((a, b) => (b.support > a.support ? b : a))
  const share = largest.support / examples
  if (share > Math.max(0.5, 1.5 / perClass.length)) {
    limits.push({
      title: 'The classes are unbalanced',
      text: `Always answering ${largest.label} would already be right for ${percent(share)} of the examples. Judge by the macro F1 and the rows of the rare classes, not by the accuracy.`,
    })
  }
  return limits
}

function ofTheProtocol({ report, provenance, bestEpoch, history = [] }: ReportInput<ClassificationReport>): Limit[] {
  const limits: Limit[] = []
  if (provenance.split !== 'test') {
    limits.push({
      title: `These are not test examples`,
      text: `The numbers come from the '${provenance.split}' split. If it also chose the epoch or the settings, they are too good.`,
    })
  }
  if (bestEpoch !== undefined && history.every((epoch) => epoch.validationLoss === undefined)) {
    limits.push({
      title: 'How the epoch was chosen is not recorded',
      text: `Epoch ${bestEpoch} was evaluated, and the history holds no validation loss that explains why.`,
    })
  }
  const seed = provenance.seed === undefined ? 'one seed' : `one seed (${provenance.seed})`
  limits.push({
    title: 'One training run',
    text: `The interval of the accuracy covers the choice of test examples. It does not cover chance in training: this is ${seed}, and another gives another model. Train with three seeds before comparing close results.`,
  })
  const { correct, examples } = report
  const wrong = examples - correct
  limits.push({
    title: 'Labels are taken as true',
    text:
      wrong === 0
        ? 'No answer differs from its label. That can also mean that test examples were among the training examples: check for duplicates.'
        : `${countOf(wrong, 'answer')} (${percent(wrong / examples, digitsFor(examples))}) ${wrong === 1 ? 'differs from its label' : 'differ from their labels'}. Where the label is wrong, the model may be right: look at the confident mistakes.`,
  })
  return limits
}

/** Limits of this evaluation, those that its own numbers show before those that always hold. */
export function limitsOf(input: ReportInput<ClassificationReport>): Limit[] {
  const { report } = input
  const always: Limit[] = [
    {
      title: 'Only data like this',
      text: 'The test examples come from the same source as the training examples. Other cameras, seasons, users or habits are not measured, nor is anything that is none of the classes: the model must answer one of them.',
    },
  ]
  if (report.slices.length === 0) {
    always.push({
      title: 'No groups were compared',
      text: 'An average can hide a group for which the model fails. Give a slice per example (site, device, customer, age) to see each apart.',
    })
  }
  return [...ofTheTestSet(report), ...ofTheProtocol(input), ...always]
}
