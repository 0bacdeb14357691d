/**
 * Colours of the report, light and dark. Blue and orange stay apart for every common colour blindness; the heat scale is
 * one hue whose lightness alone carries the value. palette.test.ts holds every pair to WCAG's AA contrast.
 */

export interface Palette {
  readonly page: string
  readonly surface: string
  readonly ink: string
  readonly muted: string
  readonly line: string
  readonly blue: string
  readonly orange: string
  /** [level 1 .. 9] fills of the heat map, from few to many */
  readonly heat: readonly string[]
  /** text on the faint levels, on the strong levels, and the first strong level */
  readonly onFaint: string
  readonly onStrong: string
  readonly strongFrom: number
}

export const light: Palette = {
  page: '#faf9f7',
  surface: '#ffffff',
  ink: '#171c22',
  muted: '#59626c',
  line: '#dddcd8',
  blue: '#0b5fa5',
  orange: '#b34700',
  heat: ['#e8f0f8', '#cfe1f1', '#b0cee8', '#8cb7dc', '#659dce', '#2f72ad', '#1f5b94', '#134577', '#0a2e55'],
  onFaint: '#101820',
  onStrong: '#ffffff',
  strongFrom: 6,
}

export const dark: Palette = {
  page: '#12161a',
  surface: '#191e24',
  ink: '#e9ebed',
  muted: '#a2acb6',
  line: '#323a43',
  blue: '#74b6f2',
  orange: '#f5a054',
  heat: ['#1d2f41', '#1f3c57', '#214a6f', '#245887', '#27669d', '#5f9fd4', '#82b6e2', '#a9cdee', '#d3e6f8'],
  onFaint: '#f2f5f8',
  onStrong: '#0a141d',
  strongFrom: 6,
}

/** CSS declarations of the custom properties. */
export function customProperties(p: Palette): string {
  const heat = p.heat.map((fill, i) => `--h${i + 1}:${fill};`).join('')
  return (
    `--page:${p.page};--surface:${p.surface};--ink:${p.ink};--muted:${p.muted};--line:${p.line};--blue:${p.blue};` +
    `--orange:${p.orange};${heat}--on-faint:${p.onFaint};--on-strong:${p.onStrong};`
  )
}

/** CSS classes h1 .. h9: fill and the text that is readable on it. */
export function heatClasses(p: Palette): string {
  return p.heat
    .map(
      (_, i) =>
        `.h${i + 1}{background:var(--h${i + 1});color:var(${i + 1 < p.strongFrom ? '--on-faint' : '--on-strong'})}`,
    )
    .join('\n')
}
