/** Compiles in memory; the bytes of the WebAssembly module. */
export function compileKernels(): Promise<Uint8Array>
/** The text of generated/wasm.ts for the module's bytes. */
export function moduleText(binary: Uint8Array): string
