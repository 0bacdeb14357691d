import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inferRequest, isPlainRequest } from './infer-body.ts'

const odd = fc.constantFrom(
  undefined,
  null,
  0,
  -1,
  1.5,
  2 ** 53,
  '',
  'a'.repeat(1025),
  [],
  {},
  { binary_data_size: 4 },
  true,
)
const or = <T>(usual: fc.Arbitrary<T>) => fc.oneof({ weight: 60, arbitrary: usual as fc.Arbitrary<unknown> }, odd)
const rarely = or(fc.constant(undefined))
const input = fc.record({
  name: or(fc.string()),
  shape: or(fc.array(or(fc.nat()), { maxLength: 18 })),
  datatype: or(fc.constant('FP32')),
  data: or(fc.array(or(fc.double()))),
  parameters: rarely,
  more: odd,
})
const request = fc.record(
  { id: or(fc.string()), inputs: or(fc.array(or(input), { maxLength: 4 })), outputs: rarely, parameters: rarely },
  { requiredKeys: ['inputs'] },
)

test('what is accepted at a glance is accepted by the schema, as it is', () => {
  let plain = 0
  const check = (value: unknown): void => {
    if (!isPlainRequest(value)) return
    plain++
    expect(inferRequest.parse(value)).toEqual(value)
  }
  fc.assert(fc.property(request, check), { numRuns: 1500 })
  expect(plain).toBeGreaterThan(30)
  const usual = { inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [1] }] }
  expect(isPlainRequest(usual)).toBe(true)
  expect(isPlainRequest({ ...usual, inputs: new Array(101).fill(usual.inputs[0]) })).toBe(false)
})
