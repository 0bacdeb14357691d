/** The report of any task whose answers are probabilities of classes. */
import { exampleName, labelsOf } from '../data/dataset.ts'
import { type ClassificationReport, reportClassification } from '../evaluate/classification.ts'
import { onlyOutput, type SplitAnswers } from './task.ts'

export function reportClasses(answers: SplitAnswers): ClassificationReport {
  const { dataset, labels } = answers
  const ids = Array.from({ length: dataset.length }, (_, i) => exampleName(dataset, i))
  return reportClassification({ probabilities: onlyOutput(answers), labels: labelsOf(dataset), classes: labels, ids })
}
