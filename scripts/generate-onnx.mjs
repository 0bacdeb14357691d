// Generates src/onnx/generated/onnx_pb.ts from src/onnx/onnx.proto. Run by hand after a change of the .proto; the result
// is committed. The tools come through npx with exact versions, so that they are no dependencies of the project.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const tools = ['@bufbuild/buf@1.75.0', '@bufbuild/protoc-gen-es@2.17.0']
const template = {
  version: 'v2',
  plugins: [{ local: 'protoc-gen-es', out: 'generated', opt: ['target=ts'] }],
}
const buf = ['buf', 'generate', '--template', JSON.stringify(template)]

execFileSync('npx', ['--yes', ...tools.flatMap((tool) => ['-p', tool]), ...buf], {
  cwd: fileURLToPath(new URL('../src/onnx', import.meta.url)),
  stdio: 'inherit',
})
