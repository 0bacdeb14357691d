/** What the cleaning rules did to the data. */
import type { CleaningStep } from '../../contract/clean.ts'
import { whole } from '../format.ts'
import { html, type Markup } from './markup.ts'

/** The section, or undefined where there are no rules. */
export function cleaningSection(steps: readonly CleaningStep[] | undefined): Markup | undefined {
  if (steps === undefined || steps.length === 0) return undefined
  return html`<section aria-labelledby="cleaning"><h2 id="cleaning">What was cleaned</h2>
<p class="note">The rules of the configuration, in their order, over all rows before they were divided. A row to predict is changed by the same rules; none is left out.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Cleaning rules"><table class="rows">
<thead><tr><th scope="col">Rule</th><th scope="col">Rows</th><th scope="col" class="text">Such as</th></tr></thead>
<tbody>${steps.map(
    ({ rule, rows, dropped, examples: [first] }) =>
      html`<tr><th scope="row" title="${rule}">${rule}</th><td>${rows === 0 ? 'none' : `${whole(rows)} ${dropped ? 'left out' : 'changed'}`}</td><td class="text">${first ?? 'no row: is the rule spelt as it should be?'}</td></tr>
`,
  )}</tbody></table></div></section>`
}
