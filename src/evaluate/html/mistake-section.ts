/** The wrong answers that the model was most sure of, as pictures. */
import { percent } from '../format.ts'
import type { Mistake } from '../mistakes.ts'
import type { ReportInput } from '../report-input.ts'
import { html, type Markup } from './markup.ts'

/** A picture that needs nothing from elsewhere and runs nothing: base64 of a raster format. */
const picture = /^data:image\/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}$/

function card(mistake: Mistake, input: ReportInput): Markup {
  const { id, label, predicted, confidence, labelProbability } = mistake
  const source = input.thumbnails?.get(id)
  const alternative = `${id}: labelled ${label}, answered ${predicted}`
  const shown =
    source !== undefined && picture.test(source)
      ? html`<img src="${source}" alt="${alternative}" loading="lazy"${input.pixelated ? html` class="pixelated"` : ''}>`
      : input.thumbnails && html`<div class="blank">no picture</div>`
  return html`<li>${shown}<p class="said"><span>labelled</span> ${label}</p><p class="said"><span>answered</span> ${predicted}</p><p>${percent(confidence)} sure<span class="hidden">, </span><br>true class ${percent(labelProbability)}</p><p class="file" title="${id}"><bdi>${id}</bdi></p></li>
`
}

/** The section, or undefined when there is no mistake. */
export function mistakeSection(input: ReportInput): Markup | undefined {
  const { worstMistakes, examples, correct } = input.report
  if (worstMistakes.length === 0) return undefined
  const all = worstMistakes.length === examples - correct
  return html`<section aria-labelledby="mistakes"><h2 id="mistakes">${all ? 'Every mistake, most confident first' : 'The most confident mistakes'}</h2>
<p class="note">Some of these are errors of the model, some are examples that nobody could tell, and some are wrong labels. The last kind is worth correcting before anything else.</p>
<ul class="mistakes">${worstMistakes.map((mistake) => card(mistake, input))}</ul></section>`
}
