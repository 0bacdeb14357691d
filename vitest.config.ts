import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    // onnxruntime-node is a native module with threads of its own: a process for each worker, never a thread.
    pool: 'forks',
    maxWorkers: 2,
  },
})
