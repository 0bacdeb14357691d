/** The wrong answers that the model was most sure of, as pictures. */
import type { ClassificationReport } from '../classification.ts'
import { percent } from '../format.ts'
import type { Mistake } from '../mistakes.ts'
import type { ReportInput } from '../report-input.ts'
import { html, type Markup } from './markup.ts'

/** A picture that needs nothing from elsewhere and runs nothing: base64 of a raster format. */
const picture = /^data:image\/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}$/

function card(mistake: Mistake, input: ReportInput<ClassificationReport>): Markup {
  const { id, label, predicted, confidence, labelProbability } = mistake
  const source = input.thumbnails?.get(id)
  const alternative = `${id}: labelled ${label}, answered ${predicted}`
  const shown =
    source !== undefined && picture.test(source)
      ? html`<img src="${source}" alt="${alternative}" loading="lazy"${input.pixelated ? html` class="pixelated"` : ''}>`
      : html`<div class="blank">no picture</div>`
  const line = (word: string, name: string, probability: number) =>
    html`<p><span class="label"><span>${word}</span> ${name}</span> <span>${percent(probability)}</span></p>`
  return html`<li>${shown}${line('is', label, labelProbability)}${line('said', predicted, confidence)}<p class="file" title="${id}"><bdi>${id}</bdi></p></li>
`
}

function gallery(mistakes: readonly Mistake[], input: ReportInput<ClassificationReport>): Markup {
  const wide = mistakes.some(({ label, predicted }) => Math.max(label.length, predicted.length) > 3)
  return html`<ul class="${wide ? 'mistakes wide' : 'mistakes'}">${mistakes.map((mistake) => card(mistake, input))}</ul>`
}

/** For examples that are not pictures. */
function table(mistakes: readonly Mistake[]): Markup {
  const rows = mistakes.map(
    (
      m,
    ) => html`<tr><th scope="row" title="${m.id}"><bdi>${m.id}</bdi></th><td class="text">${m.label}</td><td>${percent(m.labelProbability)}</td><td class="text">${m.predicted}</td><td>${percent(m.confidence)}</td></tr>
`,
  )
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Mistakes"><table class="rows">
<thead><tr><th scope="col">Example</th><th scope="col" class="text">Label</th><th scope="col">Probability</th><th scope="col" class="text">Answer</th><th scope="col">Probability</th></tr></thead>
<tbody>${rows}</tbody></table></div>`
}

/** The section, or undefined when there is no mistake. */
export function mistakeSection(input: ReportInput<ClassificationReport>): Markup | undefined {
  const { worstMistakes, examples, correct } = input.report
  if (worstMistakes.length === 0) return undefined
  const heading =
    worstMistakes.length === examples - correct
      ? 'Every mistake, most confident first'
      : `The ${worstMistakes.length} most confident mistakes`
  return html`<section aria-labelledby="mistakes"><h2 id="mistakes">${heading}</h2>
<p class="note">Some of these are errors of the model, some are examples that nobody could tell, and some are wrong labels. The last kind is worth correcting before anything else. Beside each class stands the probability that the model gave it.</p>
${worstMistakes.some((mistake) => input.thumbnails?.has(mistake.id)) ? gallery(worstMistakes, input) : table(worstMistakes)}</section>`
}
