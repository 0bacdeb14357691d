import { expect, it } from 'vitest'
import { html } from './markup.ts'

it('escapes texts and keeps markup', () => {
  const name = `<script>alert("x" & 'y')</script>`
  expect(html`<b title="${name}">${name}</b>`.text).toBe(
    '<b title="&lt;script&gt;alert(&quot;x&quot; &amp; &#39;y&#39;)&lt;/script&gt;">' +
      '&lt;script&gt;alert(&quot;x&quot; &amp; &#39;y&#39;)&lt;/script&gt;</b>',
  )
  expect(html`<ul>${['<', html`<li>`, undefined, false, 3]}</ul>`.text).toBe('<ul>&lt;<li>3</ul>')
})
