import { describe, expect, it } from 'vitest'
import { messageOf, nearest, QuernError, suggestion } from './errors.ts'

const known = ['epochs', 'batchSize', 'optimizer', 'seed', 'lr', 'sgd', 'adam']

describe('nearest', () => {
  it.each([
    ['epoch', 'epochs'],
    ['bacthSize', 'batchSize'],
    ['batchsize', 'batchSize'],
    ['optimiser', 'optimizer'],
    ['SEED', 'seed'],
    ['sdg', 'sgd'],
    ['rl', 'lr'],
  ])('%s is meant as %s', (name, expected) => expect(nearest(name, known)).toBe(expected))

  it.each(['', 'xy', 'abc', 'momentum', 'validation'])('%j is near to nothing', (name) => {
    expect(nearest(name, known)).toBeUndefined()
  })

  it('takes the first of equally near names, and copes with none', () => {
    expect(nearest('bat', ['cat', 'hat'])).toBe('cat')
    expect(nearest('bat', [])).toBeUndefined()
  })
})

describe('suggestion', () => {
  it('asks, or lists what is known', () => {
    expect(suggestion('epoch', known)).toBe("Did you mean 'epochs'?")
    expect(suggestion('zzzzzz', new Set(['a', 'b']))).toBe('Known: a, b.')
  })
})

describe('QuernError', () => {
  it('carries kind, hint and cause', () => {
    const cause = new Error('disk')
    const error = new QuernError('io', 'cannot write', { hint: 'Make room.', cause })
    expect(error).toMatchObject({ name: 'QuernError', kind: 'io', message: 'cannot write', hint: 'Make room.', cause })
    expect('cause' in new QuernError('io', 'x')).toBe(false)
  })

  it('gives the message of anything thrown', () => {
    expect(messageOf(new Error('a'))).toBe('a')
    expect(messageOf('b')).toBe('b')
    expect(messageOf(undefined)).toBe('undefined')
  })
})
