/** What a server says when it listens: where, which models, and what to type. */
import { type Manifest, targetsOf } from '../../contract/manifest.ts'
import type { Access } from '../access.ts'
import { harmless } from './text-width.ts'

interface Listed {
  readonly name: string
  readonly version: string
  readonly manifest: Manifest
}

/** What a model answers, in a word or two behind its task. */
function answersIn({ task, labels, preprocessing }: Manifest): string {
  const targets = preprocessing.kind === 'table' ? targetsOf(preprocessing.target) : []
  if (targets.length > 1) return `: ${targets.map(harmless).join(', ')}`
  if (labels.length === 0) return targets.length > 0 ? `: ${harmless(targets[0]!)}` : ''
  return `, ${labels.length} ${task === 'tabular-multilabel' ? 'labels' : 'classes'}`
}

/** What /predict takes, for the first model. */
function exampleBody([first]: readonly Listed[]): string {
  return first?.manifest.preprocessing.kind === 'table'
    ? "-H 'Content-Type: text/csv' --data-binary @rows.csv"
    : '--data-binary @picture.png'
}

export function listeningLines(
  url: string,
  models: readonly Listed[],
  { kind, key }: Access,
  bold: (text: string) => string,
): string[] {
  const list = models.map(({ name, version, manifest }) => {
    return `  ${harmless(name)}, version ${version}: ${harmless(manifest.task)}${answersIn(manifest)}`
  })
  const header = kind === 'public' ? '' : ` -H 'Authorization: Bearer ${key ?? 'KEY'}'`
  const about = key === undefined ? [] : ['', `There are no keys yet. For this run, and not shown again: ${bold(key)}`]
  return [
    `listening on ${bold(url)}`,
    ...list,
    ...about,
    '',
    `  curl ${url}/v2/health/ready`,
    `  curl${header} ${exampleBody(models)} ${url}/predict${models.length > 1 ? `/${models[0]!.name}` : ''}`,
    '',
    'Ctrl-C stops it after the requests that run',
  ]
}
