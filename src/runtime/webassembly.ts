/**
 * The few parts of the WebAssembly JavaScript interface that Quern uses. Node and browsers both have them, but
 * their types stand in TypeScript's DOM library, which nothing here may see.
 */

/** A linear memory; `buffer` stays the same object since no memory of Quern grows. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer
}

interface WebAssemblyInterface {
  readonly Memory: new (limits: { initial: number; maximum: number }) => WasmMemory
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> }
}

export const webAssembly: WebAssemblyInterface = (globalThis as unknown as { WebAssembly: WebAssemblyInterface })
  .WebAssembly

/** Bytes of one page, the unit of a memory's size. */
export const pageBytes = 65536
