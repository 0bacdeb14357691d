/** The profile of data as ONE file of HTML that needs nothing else: no script, no font, no request. */
import type { ImageProfile } from '../data/image-profile.ts'
import { beyondGuessing } from '../data/table-leakage.ts'
import type { ColumnProfile, TableProfile } from '../data/table-profile.ts'
import { countOf, decimal, percent, whole } from './format.ts'
import { cleaningSection } from './html/cleaning-section.ts'
import { type Content, html, Markup } from './html/markup.ts'
import { smallBar, smallHistogram, smallPlotStyle } from './html/small-plots.ts'
import { style } from './html/style.ts'
import { pagePolicy } from './html.ts'

type Profile = ImageProfile | TableProfile

export interface ProfilePage {
  /** of the project */
  readonly name: string
  readonly profile: Profile
  /** ISO 8601 */
  readonly date: string
}

/** Columns that are drawn; a table of thousands would be no page. */
const mostColumns = 200
const mostClasses = 40

/** Renders a profile of a table or of pictures. */
export function renderProfile({ name, profile, date }: ProfilePage): string {
  const isTable = profile.kind === 'table'
  const lede = isTable ? tableLede(profile) : pictureLede(profile)
  const sections: Content[] = isTable
    ? [columnSection(profile), splitSection(partsOf(profile), profile.labels), sameRows(profile), timeSection(profile)]
    : [splitSection(partsOf(profile), profile.labels), pictureSection(profile), samePictures(profile)]
  const broken = isTable ? profile.skipped : profile.broken
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${pagePolicy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${name}: profile of the data</title>
<style>${new Markup(style + smallPlotStyle)}</style>
</head>
<body>
<main>
<header><p class="eyebrow">${name} · <time datetime="${date}">${date.slice(0, 16).replace('T', ' ')} UTC</time></p>
<h1>What is in the data</h1>
<p class="lede">${lede}</p></header>
${adviceSection(profile.advice)}
${sections}
${isTable ? cleaningSection(profile.cleaned) : undefined}
${listSection('broken', 'Left out, since it cannot be read', broken)}
</main>
</body>
</html>
`.text
}

function tableLede({ rows, columns, targets, labels, splits, majority }: TableProfile): string {
  const parts = Object.entries(splits).map(([split, part]) => `${whole(part.rows)} ${split}`)
  const [target] = targets
  const goal =
    targets.length > 1
      ? `The targets are ${targets.map((name) => `'${name}'`).join(', ')}`
      : labels.length > 0
        ? `'${target}' is one of ${labels.length} classes; always answering the commonest is right for ${percent(majority)}`
        : `'${target}' is a number`
  return `${countOf(rows, 'row')} of ${countOf(columns.length, 'column')}: ${parts.join(', ')}. ${goal}.`
}

function pictureLede({ examples, shape: [channels, height, width], labels, splits }: ImageProfile): string {
  const parts = Object.entries(splits).map(([split, part]) => `${whole(part.examples)} ${split}`)
  const kind = channels === 1 ? 'grey' : 'colour'
  return `${countOf(examples, 'picture')} of ${height} x ${width}, ${kind}, ${labels.length} classes: ${parts.join(', ')}.`
}

function adviceSection(advice: readonly string[]): Markup {
  if (advice.length === 0)
    return html`<section><h2>What to do</h2><p>Nothing stands in the way of training.</p></section>`
  return html`<section aria-labelledby="advice"><h2 id="advice">What to do</h2><ol>${advice.map((sentence) => html`<li>${sentence}</li>\n`)}</ol></section>`
}

/** Rows of a table, whose first cell is the head of the row. */
function tableOf(title: string, head: readonly string[], rows: readonly (readonly Content[])[]): Markup {
  const line = ([first, ...cells]: readonly Content[]): Markup =>
    html`<tr><th scope="row">${first}</th>${cells.map((cell) => html`<td class="text">${cell}</td>`)}</tr>\n`
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${title}"><table class="rows">
<thead><tr>${head.map((name, i) => (i === 0 ? html`<th scope="col">${name}</th>` : html`<th scope="col" class="text">${name}</th>`))}</tr></thead>
<tbody>${rows.map(line)}</tbody></table></div>`
}

function columnSection({ columns, rows, targets, majority }: TableProfile): Markup {
  const shown = columns.slice(0, mostColumns)
  const head = ['Column', 'Kind', 'Missing', 'Different', 'Alone', 'Distribution', 'Values']
  const lines = shown.map((column) => [
    targets.includes(column.name) ? html`${column.name} <small>target</small>` : column.name,
    column.role === undefined ? column.kind : `${column.kind}, ${column.role}`,
    column.missing === 0 ? '' : percent(column.missing / rows),
    whole(column.distinct),
    column.alone === undefined ? '' : decimal(beyondGuessing(column.alone, majority)),
    distribution(column, rows),
    values(column),
  ])
  return html`<section aria-labelledby="columns"><h2 id="columns">Columns</h2>
<p class="note">Kinds are found by looking at every row; data.columns in the configuration decides otherwise. Alone: what this column by itself tells of the target of training rows beyond always answering the commonest class or the mean, 0 nothing and 1 everything; near 1 it may be the answer in another form.</p>
${tableOf('Columns', head, lines)}${columns.length > shown.length ? html`<p class="note">${whole(columns.length - shown.length)} more columns are in the profile as JSON.</p>` : ''}</section>`
}

function distribution({ numbers, top, name }: ColumnProfile, rows: number): Content {
  if (numbers) {
    const [least, , , , most] = numbers.quartiles
    return smallHistogram(numbers.histogram, `${name}: rows in bins from ${decimal(least)} to ${decimal(most)}`)
  }
  const [first] = top ?? []
  return (
    first && smallBar(first.count / rows, `${name}: the commonest value is in ${percent(first.count / rows)} of rows`)
  )
}

function values({ kind, numbers, top = [], distinct }: ColumnProfile): string {
  if (numbers) {
    const shown = kind === 'date' ? (x: number) => new Date(x).toISOString().slice(0, 10) : decimal
    const [least, , middle, , most] = numbers.quartiles.map(shown)
    return `${least} .. ${middle} .. ${most}`
  }
  const named = top.slice(0, 3).map(({ value, count }) => `${value.slice(0, 40)} (${whole(count)})`)
  return distinct > named.length && named.length > 0 ? `${named.join(', ')}, ...` : named.join(', ')
}

interface Part {
  readonly name: string
  readonly examples: number
  readonly classes: readonly number[]
}

function partsOf(profile: Profile): Part[] {
  return profile.kind === 'table'
    ? Object.entries(profile.splits).map(([name, { rows, classes }]) => ({ name, examples: rows, classes }))
    : Object.entries(profile.splits).map(([name, { examples, classes }]) => ({ name, examples, classes }))
}

/** Balance of the classes in each split. */
function splitSection(parts: readonly Part[], labels: readonly string[]): Markup | undefined {
  if (labels.length === 0) return undefined
  const cell = ({ classes, examples }: Part, i: number): Markup => {
    const share = examples === 0 ? 0 : classes[i]! / examples
    return html`${smallBar(share, percent(share))} ${whole(classes[i]!)} <span class="range">${percent(share)}</span>`
  }
  const lines = labels.slice(0, mostClasses).map((label, i) => [label, ...parts.map((part) => cell(part, i))])
  return html`<section aria-labelledby="balance"><h2 id="balance">Classes</h2>${tableOf('Classes', ['Class', ...parts.map(({ name }) => name)], lines)}${
    labels.length > mostClasses ? html`<p class="note">${whole(labels.length - mostClasses)} more classes.</p>` : ''
  }</section>`
}

function factSection(id: string, title: string, facts: readonly (readonly [string, string])[]): Markup {
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2><dl class="facts">${facts.map(
    ([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>\n`,
  )}</dl></section>`
}

function sameRows({ duplicates, near }: TableProfile): Markup {
  const shared = Object.entries(duplicates.shared).map(([split, count]) => `${whole(count)} of ${split}`)
  return factSection('same', 'Rows that are the same', [
    [
      'Repeat an earlier one',
      duplicates.rows === 0 ? 'none' : `${whole(duplicates.rows)}: ${duplicates.first.join(', ')}`,
    ],
    ['In training too', shared.join(', ') || 'none'],
    ['Equal but for the target', duplicates.contradictions === 0 ? 'none' : whole(duplicates.contradictions)],
    [
      'Almost the same',
      near.pairs === 0
        ? 'none'
        : `${whole(near.pairs)} pairs, ${whole(near.across)} across splits: ${near.first.join(', ')}`,
    ],
  ])
}

function timeSection({ time }: TableProfile): Markup | undefined {
  if (time.length === 0) return undefined
  const facts = time.map(({ column, broken, earlier }): [string, string] => {
    const before = Object.entries(earlier).map(([split, share]) => `${percent(share)} of ${split}`)
    const order = broken ? `${whole(broken.count)} rows out of order, the first is ${broken.first}; ` : ''
    return [column, `${order}earlier than the latest row of training: ${before.join(', ') || 'no other split'}`]
  })
  return factSection('time', 'Order of time', facts)
}

function balance({ ratio, largest, smallest }: ImageProfile['imbalance']): string {
  return ratio > 1 ? `'${largest}' has ${decimal(ratio)} times as many as '${smallest}'` : 'every class has as many'
}

function pictureSection({ pixels, originals, imbalance, constant }: ImageProfile): Markup {
  const list = (numbers: readonly number[]): string => numbers.map(decimal).join(', ')
  const sizes = originals?.sizes.map(({ height, width, count }) => `${height} x ${width} (${whole(count)})`) ?? []
  return factSection('pictures', 'Pictures', [
    ['Pixels, mean', list(pixels.mean)],
    ['Pixels, deviation', list(pixels.std)],
    ['Balance', balance(imbalance)],
    ...(sizes.length > 0 ? ([['Sizes as found', sizes.join(', ')]] as const) : []),
    [
      'Of one colour',
      constant.count === 0 ? 'none' : `${whole(constant.count)}: ${constant.first.slice(0, 5).join(', ')}`,
    ],
  ])
}

function samePictures({ duplicates, near }: ImageProfile): Markup {
  const groups = (found: ImageProfile['duplicates']['groups'] | undefined): string =>
    found === undefined
      ? 'not looked for'
      : found.count === 0
        ? 'none'
        : `${whole(found.count)}: ${found.first
            .slice(0, 5)
            .map(({ examples }) => examples.join(' = '))
            .join('; ')}`
  const leaked = Object.entries(duplicates.leaked).map(([split, count]) => `${whole(count)} of ${split}`)
  return factSection('same', 'Pictures that are the same', [
    ['Pixel for pixel', groups(duplicates.groups)],
    ['In training too', leaked.join(', ') || 'none'],
    ['Under different classes', groups(duplicates.contradictions)],
    ['Almost, by a perceptual hash', groups(near)],
  ])
}

function listSection(
  id: string,
  title: string,
  items: readonly { readonly name: string; readonly reason: string }[],
): Markup | undefined {
  if (items.length === 0) return undefined
  const rows = items.slice(0, 50).map(({ name, reason }) => [name, reason])
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2><p class="note">${countOf(items.length, 'example')}${items.length > 50 ? ', the first 50' : ''}.</p>${tableOf(title, ['Where', 'Why'], rows)}</section>`
}
