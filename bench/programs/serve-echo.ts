/** Node's HTTP server alone: reads a request of JSON and answers with an answer of the usual size. Prints its port; `quit` ends it. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'

const outputs = [{ name: 'probabilities', shape: [1, 10], datatype: 'FP32', data: new Array(10).fill(0.1234567) }]
const server = createServer((request, response) => {
  const chunks: Uint8Array[] = []
  request.on('data', (chunk: Uint8Array) => chunks.push(chunk))
  request.on('end', () => {
    JSON.parse(Buffer.concat(chunks).toString())
    const text = JSON.stringify({ model_name: 'mlp', model_version: '1', outputs })
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
  })
})
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })))
for await (const line of createInterface({ input: process.stdin })) if (line === 'quit') process.exit(0)
