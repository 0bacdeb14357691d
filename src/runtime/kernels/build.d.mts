/** Compiles in memory; the bytes of the WebAssembly module. Default: the kernels of this folder. */
export function compileKernels(source?: URL): Promise<Uint8Array>
/** The text of generated/wasm.ts for the module's bytes. */
export function moduleText(binary: Uint8Array, builder?: string, name?: string): string
