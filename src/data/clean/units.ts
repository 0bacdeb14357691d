/** Units by dimension: how many of the first one each is. Sources: the SI brochure (BIPM 2019), NIST SP 811 (2008), appendix B. */
import { QuernError, suggestion } from '../../core/errors.ts'

interface Unit {
  readonly dimension: string
  readonly factor: number
  /** added before the factor: of temperatures */
  readonly offset: number
}

const scales: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  length: { m: 1, mm: 1e-3, cm: 1e-2, km: 1e3, um: 1e-6, in: 0.0254, ft: 0.3048, yd: 0.9144, mi: 1609.344 },
  mass: { kg: 1, g: 1e-3, mg: 1e-6, ug: 1e-9, t: 1e3, oz: 0.028349523125, lb: 0.45359237, st: 6.35029318 },
  time: { s: 1, ms: 1e-3, min: 60, h: 3600, d: 86400, wk: 604800 },
  volume: { l: 1, ml: 1e-3, dl: 0.1, cl: 0.01, m3: 1000, gal: 3.785411784, qt: 0.946352946, floz: 0.0295735295625 },
  area: { m2: 1, cm2: 1e-4, km2: 1e6, ha: 1e4, ft2: 0.09290304, acre: 4046.8564224 },
  pressure: { Pa: 1, hPa: 100, kPa: 1e3, bar: 1e5, mmHg: 133.322387415, psi: 6894.757293168 },
  energy: { J: 1, kJ: 1e3, cal: 4.184, kcal: 4184, kWh: 3.6e6 },
  speed: { 'm/s': 1, 'km/h': 1 / 3.6, mph: 0.44704, kn: 1852 / 3600 },
  share: { '1': 1, '%': 0.01, '‰': 0.001 },
  // What a decilitre holds of a substance and its molar mass (g/mol): glucose 180.156, cholesterol 386.65, creatinine 113.12.
  glucose: { 'mmol/l glucose': 1, 'mg/dl glucose': 10 / 180.156 },
  cholesterol: { 'mmol/l cholesterol': 1, 'mg/dl cholesterol': 10 / 386.65 },
  creatinine: { 'umol/l creatinine': 1, 'mg/dl creatinine': 1e4 / 113.12 },
}

const temperatures: Readonly<Record<string, Omit<Unit, 'dimension'>>> = {
  K: { factor: 1, offset: 0 },
  C: { factor: 1, offset: 273.15 },
  F: { factor: 5 / 9, offset: 459.67 },
}

/** Other ways to write a unit. */
const spellings: Readonly<Record<string, string>> = {
  inch: 'in',
  inches: 'in',
  '"': 'in',
  feet: 'ft',
  foot: 'ft',
  "'": 'ft',
  lbs: 'lb',
  pounds: 'lb',
  '°C': 'C',
  '°F': 'F',
  µm: 'um',
  µg: 'ug',
  kgs: 'kg',
  kph: 'km/h',
  hours: 'h',
  hour: 'h',
  minutes: 'min',
  days: 'd',
  day: 'd',
  percent: '%',
}

const units = new Map<string, Unit>([
  ...Object.entries(scales).flatMap(([dimension, scale]) =>
    Object.entries(scale).map(([name, factor]) => [name, { dimension, factor, offset: 0 }] as const),
  ),
  ...Object.entries(temperatures).map(([name, unit]) => [name, { dimension: 'temperature', ...unit }] as const),
])

const lowerCase = new Map([...units.keys()].map((name) => [name.toLowerCase(), name]))

function unitNamed(name: string): Unit {
  const found = units.get(spellings[name] ?? name) ?? units.get(lowerCase.get(name.toLowerCase()) ?? '')
  if (found) return found
  throw new QuernError('input', `'${name}' is no unit that is known. ${suggestion(name, units.keys())}`)
}

/**
 * A number in another unit.
 *
 * @throws QuernError 'input' for a unit that is not known, or of another dimension
 * @example
 * convertUnit(70, 'in', 'cm') // 177.8
 */
export function convertUnit(value: number, from: string, to: string): number {
  const [a, b] = [unitNamed(from), unitNamed(to)]
  if (a.dimension !== b.dimension) {
    throw new QuernError('input', `'${from}' is a unit of ${a.dimension}, '${to}' one of ${b.dimension}`)
  }
  if (a === b) return value
  // Twelve digits: 70 in are 177.8 cm, not 177.79999999999998.
  return Number((((value + a.offset) * a.factor) / b.factor - b.offset).toPrecision(12))
}
