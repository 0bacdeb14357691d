/** Markup that is escaped by construction: what is put into a template is text, unless a template made it. */

export class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** `undefined` and `false` print nothing, so that `condition && html`...`` can be written. */
export type Content = string | number | false | Markup | undefined | readonly Content[]

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text that is harmless between tags and inside quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!)
}

function textOf(content: Content): string {
  if (content === undefined || content === false) return ''
  if (content instanceof Markup) return content.text
  return typeof content === 'object' ? content.map(textOf).join('') : escapeHtml(String(content))
}

/** Template tag for HTML and SVG: html`<b title="${name}">${name}</b>`. Values must stand in text or QUOTED attributes. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(parts.reduce((text, part, i) => text + textOf(values[i - 1]) + part))
}
