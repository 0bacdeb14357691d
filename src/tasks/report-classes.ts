/** The report of any task whose answers are probabilities of classes. */
import { exampleName, labelsOf } from '../data/dataset.ts'
import { type ClassificationReport, reportClassification } from '../evaluate/classification.ts'
import type { SplitAnswers } from './task.ts'

export function reportClasses({ outputs, dataset, labels }: SplitAnswers): ClassificationReport {
  const ids = Array.from({ length: dataset.length }, (_, i) => exampleName(dataset, i))
  return reportClassification({ probabilities: outputs, labels: labelsOf(dataset), classes: labels, ids })
}
