/**
 * A client of the Open Inference Protocol that others wrote. Where it is not installed, this is left out:
 * `python3 -m venv FOLDER && FOLDER/bin/pip install 'tritonclient[http]==2.73.0'`, then QUERN_TRITONCLIENT=FOLDER/bin/python for the tests.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { liveServer } from './live-server.ts'
import { owner } from './sample-server.ts'

const python = process.env.QUERN_TRITONCLIENT
const program = fileURLToPath(new URL('triton_requests.py', import.meta.url))

test.skipIf(python === undefined)('tritonclient asks in bytes and in JSON, and understands what is wrong', async () => {
  const live = await liveServer({ authenticate: (key) => (key === 'qk_right' ? owner : undefined) })
  try {
    const host = new URL(live.server.url).host
    const { stdout } = await promisify(execFile)(python!, [program, host, 'qk_right'])
    const found = JSON.parse(stdout)
    const data = Array.from({ length: 432 }, (_, i) => i % 251)
    const inputs = [{ name: 'pixels', shape: [3, 1, 12, 12], datatype: 'UINT8', data }]
    const answer = await fetch(`${live.server.url}/v2/models/tiny/infer`, {
      method: 'POST',
      body: JSON.stringify({ inputs }),
      headers: { 'x-api-key': 'qk_right' },
    })
    const { outputs } = (await answer.json()) as { outputs: { data: number[] }[] }
    expect(found.probabilities.flat()).toEqual(outputs[0]!.data)
    expect(found).toMatchObject({
      live: true,
      ready: true,
      model: true,
      metadata: { name: 'tiny', platform: 'onnx_onnxruntime', versions: ['1'] },
      index: [{ name: 'tiny', version: '1', state: 'READY', reason: '' }],
      ids: ['a1', 'a1'],
      difference: 0,
      failures: [
        ['404', expect.stringContaining("Did you mean 'tiny'?")],
        ['400', expect.stringContaining("input 'pixels' must have the shape")],
      ],
    })
  } finally {
    await live.close()
  }
})
