import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AnswerMemory } from './answer-memory.ts'

const numbers = (length: number, of: number): Float32Array => new Float32Array(length).fill(of)

test('what was answered is found until newer answers need the room, whatever comes', () => {
  const requests = fc.array(fc.record({ id: fc.integer({ min: 0, max: 30 }), length: fc.nat(12) }), { maxLength: 200 })
  fc.assert(
    fc.property(requests, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 20, max: 60 }), (asked, most, room) => {
      const memory = new AnswerMemory<number>(most, room)
      for (const [i, { id, length }] of asked.entries()) {
        memory.add(`r${id}`, `key ${id}`, i, numbers(length, i))
        // As many of the last as their number and the room allow; between two ends of the ring one piece may not fit.
        const last = asked.slice(0, i + 1).map((request, at) => ({ ...request, at }))
        for (const { id, at, length } of last.slice(-most)) {
          const found = memory.find(`r${id}`)
          const newest = last.findLast((other) => other.id === id)!
          const behind = last.slice(at).reduce((sum, other) => sum + other.length, 0)
          if (newest.at !== at) continue
          if (2 * behind + 12 < room) expect(found).toBeDefined()
          if (found) expect(found).toMatchObject({ owner: `key ${id}`, about: at, answers: numbers(length, at) })
        }
        for (const { id, at } of last.slice(0, -most)) {
          const isNewer = last.slice(at + 1).some((other) => other.id === id)
          if (!isNewer) expect(memory.find(`r${id}`)).toBeUndefined()
        }
      }
    }),
    { seed: 5, numRuns: 200 },
  )
})

test('ids are told apart to their last letter, short and long ones', () => {
  const memory = new AnswerMemory<number>(10, 100)
  const ids = ['a', 'aa', 'b'.repeat(39), 'b'.repeat(40), 'b'.repeat(41), `${'b'.repeat(40)}c`]
  for (const [i, id] of ids.entries()) memory.add(id, '', i, numbers(1, i))
  expect(ids.map((id) => memory.find(id)?.about)).toEqual([0, 1, 2, 3, 4, 5])
  expect(['', 'aaa', 'b'.repeat(38), 'b'.repeat(42)].map((id) => memory.find(id))).toEqual(new Array(4).fill(undefined))
})

test('there is room for as many numbers as were allowed, and what is larger is forgotten alone', () => {
  const memory = new AnswerMemory<string>(10, 200_001)
  memory.add('a', '', 'first', numbers(100_000, 1))
  memory.add('b', '', 'second', numbers(100_000, 2))
  memory.add('c', '', 'too large', numbers(200_001, 3))
  expect([memory.find('a')?.about, memory.find('b')?.about, memory.find('c')]).toEqual(['first', 'second', undefined])
  expect(memory.find('a')!.answers).toEqual(numbers(100_000, 1))
  memory.add('d', '', 'fourth', numbers(2, 4))
  expect([memory.find('a'), memory.find('b')?.about, memory.find('d')?.about]).toEqual([undefined, 'second', 'fourth'])
})

test('what was told of a request is kept with it', () => {
  const memory = new AnswerMemory<string>(2, 100)
  memory.add('a', '', 'x', numbers(3, 1))
  memory.find('a')!.told.add(2)
  expect([...memory.find('a')!.told]).toEqual([2])
  memory.add('a', '', 'y', numbers(3, 1))
  expect(memory.find('a')!.told.size).toBe(0)
})
