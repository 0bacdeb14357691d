/** Threads that decode JPEGs side by side: a processor each. They are begun by the first picture and end when none comes any more. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { DecodedImage, ImageForm } from '../image-decoder.ts'

export interface Question {
  readonly id: number
  /** a path, or the bytes */
  readonly source: string | Uint8Array
  readonly form: ImageForm
  /** where the thread writes the pixels */
  readonly into: Uint8Array<SharedArrayBuffer>
}

/** Without an origin, the general decoder is to look at the picture. */
export interface Answer {
  readonly id: number
  readonly origin?: Omit<DecodedImage, 'pixels'>
}

interface Asked {
  readonly source: Question['source']
  readonly form: ImageForm
  /** where the pixels are to be in the end */
  readonly pixels: Uint8Array
  resolve(image: DecodedImage | undefined): void
}

/** A second question waits in the thread, so that it need not wait for this one. */
const mostAsked = 2
/** Milliseconds without a picture after which the threads end. */
const patience = 10_000

class Thread {
  readonly asked = new Map<number, Asked>()
  readonly #worker: Worker
  #last = 0
  /** One place for each question, used again and again: a new one for each picture would cost a tenth of decoding it. */
  #places: Uint8Array<SharedArrayBuffer>[] = []

  constructor(next: () => void, lost: (thread: Thread) => void) {
    // Loaders of TypeScript do not reach into threads: where the sources run, as in tests, what was built of them works in the thread.
    const program = import.meta.url.endsWith('.js') ? './jpeg-thread.js' : '../../../dist/data/jpeg/jpeg-thread.js'
    this.#worker = new Worker(new URL(program, import.meta.url))
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => {
      this.#answered(answer)
      next()
    })
    this.#worker.on('error', () => lost(this))
  }

  ask(asked: Asked): void {
    const { source, form, pixels } = asked
    const id = this.#last++
    let into = this.#places[id % mostAsked]
    // Answers come in the order of the questions, so the place is free.
    if (into?.length !== pixels.length) {
      into = new Uint8Array(new SharedArrayBuffer(pixels.length))
      this.#places[id % mostAsked] = into
    }
    this.#worker.ref()
    this.asked.set(id, asked)
    this.#worker.postMessage({ id, source, form, into } satisfies Question)
  }

  #answered({ id, origin }: Answer): void {
    const { pixels, resolve } = this.asked.get(id)!
    if (origin) pixels.set(this.#places[id % mostAsked]!)
    resolve(origin && { ...origin, pixels })
    this.asked.delete(id)
    if (this.asked.size === 0) this.#worker.unref()
  }

  end(): void {
    void this.#worker.terminate()
  }
}

export class JpegThreads {
  #threads: Thread[] = []
  readonly #waiting: Asked[] = []
  #timer: NodeJS.Timeout | undefined

  /** The picture, its pixels written to `pixels`; undefined when the general decoder is to look at it, which tells what is wrong with a file. */
  decode(source: string | Uint8Array, form: ImageForm, pixels: Uint8Array): Promise<DecodedImage | undefined> {
    return new Promise((resolve) => {
      this.#waiting.push({ source, form, pixels, resolve })
      this.#next()
    })
  }

  #next(): void {
    clearTimeout(this.#timer)
    while (this.#waiting.length > 0) {
      const least = Math.min(mostAsked, ...this.#threads.map(({ asked }) => asked.size))
      let thread = this.#threads.find(({ asked }) => asked.size === least && least < mostAsked)
      // A thread takes as long to begin as some dozens of pictures, so one is begun only when those that there are have work.
      if (least > 0 && this.#threads.length < availableParallelism()) {
        thread = new Thread(
          () => this.#next(),
          (lost) => this.#lose(lost),
        )
        this.#threads.push(thread)
      }
      if (!thread) return
      thread.ask(this.#waiting.shift()!)
    }
    if (this.#threads.every(({ asked }) => asked.size === 0)) {
      this.#timer = setTimeout(() => this.#end(), patience).unref()
    }
  }

  /** What a thread was asked when it died is for the general decoder. */
  #lose(thread: Thread): void {
    this.#threads = this.#threads.filter((other) => other !== thread)
    for (const { resolve } of thread.asked.values()) resolve(undefined)
    this.#next()
  }

  #end(): void {
    for (const thread of this.#threads) thread.end()
    this.#threads = []
  }
}
