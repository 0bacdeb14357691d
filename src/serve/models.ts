/** The models that a server answers for, and the one door to them. */
import type { Pipeline } from '../bundle/index.ts'
import { QuernError, suggestion } from '../core/errors.ts'

export interface ServedModel {
  /** the part of the address that names it */
  readonly name: string
  readonly version: string
  readonly pipeline: Pipeline
}

export interface Models {
  readonly all: readonly ServedModel[]
  /** versions of a model, in the order they were given; throws `missing` when there are none */
  versions(name: string): readonly ServedModel[]
  /** the last version that was given, unless one is asked for */
  find(name: string, version?: string): ServedModel
  /** the only model; when there are several, a name must be given */
  only(): ServedModel
}

const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

/** Throws when a name or version cannot stand in an address, or comes twice. */
export function createModels(served: readonly ServedModel[]): Models {
  if (served.length === 0) throw new QuernError('config', 'a server needs at least one model, received none')
  const seen = new Set<string>()
  for (const { name, version } of served) {
    for (const word of [name, version]) {
      if (nameForm.test(word)) continue
      throw new QuernError(
        'config',
        `'${word}' cannot be served: names and versions are letters, digits, '.', '_' and '-'`,
      )
    }
    if (seen.has(`${name}/${version}`))
      throw new QuernError('config', `version ${version} of model '${name}' comes twice`)
    seen.add(`${name}/${version}`)
  }
  const names = [...new Set(served.map(({ name }) => name))]
  const versions = (name: string): readonly ServedModel[] => {
    const found = served.filter((model) => model.name === name)
    if (found.length > 0) return found
    throw new QuernError('missing', `there is no model '${shown(name)}'. ${suggestion(shown(name), names)}`)
  }
  return {
    all: served,
    versions,
    find(name, version) {
      const found = versions(name)
      if (version === undefined) return found.at(-1)!
      const one = found.find((model) => model.version === version)
      if (one) return one
      const known = found.map((model) => model.version).join(', ')
      throw new QuernError('missing', `model '${name}' has no version '${shown(version)}'. Known: ${known}.`)
    },
    only() {
      if (names.length === 1) return served.at(-1)!
      throw new QuernError('input', `this server has ${names.length} models: name one, as in /predict/${names[0]}`, {
        hint: `Known: ${names.join(', ')}.`,
      })
    },
  }
}

/** A name from an address, short enough to be repeated. */
function shown(name: string): string {
  return name.length > 64 ? `${name.slice(0, 61)}...` : name
}

/**
 * Lets `work` use the model. Every run of every route goes through here: onnxruntime-node holds the event loop while it computes, so
 * this is where the bounded queue, micro-batches, deadlines and the pool of sessions will sit.
 */
export function useModel<T>(model: ServedModel, work: (pipeline: Pipeline) => Promise<T>): Promise<T> {
  return work(model.pipeline)
}
