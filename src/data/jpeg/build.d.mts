/** The text of generated/wasm.ts. */
export function jpegModuleText(): Promise<string>
