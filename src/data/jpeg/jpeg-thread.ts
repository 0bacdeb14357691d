/** A thread that decodes JPEGs, one after another, as jpeg-threads.ts asks. */
import { readFileSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { JpegDecoder } from './jpeg-decoder.ts'
import type { Answer, Question } from './jpeg-threads.ts'

const decoder = new JpegDecoder()

function answer({ id, source, form, into }: Question): Answer {
  try {
    const image = decoder.decode(typeof source === 'string' ? readFileSync(source) : source, form, into)
    if (!image) return { id }
    const { pixels: _, ...origin } = image
    return { id, origin }
  } catch {
    // A file that cannot be opened, or data that lead out of the kernels' memory: the general decoder says what it is.
    return { id }
  }
}

parentPort!.on('message', (question: Question) => parentPort!.postMessage(answer(question)))
